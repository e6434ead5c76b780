"""What to_tensor is given stays as it was, whatever the function does, and on whichever rows it does it."""

import json

import numpy as np
import pytest
from hyrax_runtime.input_guard import frozen
from hyrax_runtime.replay import compile_protected

HEAD = "def to_tensor(d):\n    import numpy as np\n    import contextlib\n    x = d['data']['x']\n"

WRITES = {
    "where a value is negative": ["x = np.asarray(x)", "x[x < 0] += 10", "return x * 1.0"],
    "into a row": ["for row in x:", "    row *= 2", "return np.asarray(x)"],
    "by a ufunc": ["x = np.asarray(x)", "np.negative(x, out=x)", "return x"],
    "by a method": ["x = np.asarray(x)", "x.sort()", "return x"],
    "through a view": ["x = np.asarray(x).reshape(-1).view()", "x[:1] = 7", "return x.reshape(-1, 1)"],
    "by resizing": ["for row in x:", "    row.resize((1,), refcheck=False)", "return np.asarray(x)"],
    "into a dict": ["d['data']['x'] = list(x)[::-1]", "return np.asarray(d['data']['x'])"],
    "caught as it is": ["x = np.asarray(x)", "try:", "    x += 1", "except ValueError:", "    pass", "return x * 2"],
    "caught with all": ["x = np.asarray(x)", "try:", "    x += 1", "except Exception:", "    pass", "return x * 2"],
    "suppressed": ["x = np.asarray(x)", "with contextlib.suppress(ValueError):", "    x += 1", "return x * 2"],
    "made writeable": ["x = np.asarray(x)", "x.setflags(write=True)", "x += 1", "return x"],
}
BODIES = {name: HEAD + "".join(f"    {line}\n" for line in lines) for name, lines in WRITES.items()}


OVERWRITES = ["solve(matrix, x, overwrite_b=True)", "lu_solve(scipy.linalg.lu_factor(matrix), x, 0, True)"]


def given(stacked):
    rows = [np.array([3.0]), np.array([-1.0]), np.array([2.0])]
    return {"data": {"x": np.stack(rows) if stacked else rows}, "object_id": [1, 2, 3]}


def plain(data_dict):
    return json.dumps({"x": [row.tolist() for row in data_dict["data"]["x"]], "id": data_dict["object_id"]})


@pytest.mark.parametrize("stacked", [False, True], ids=["list", "stacked"])
@pytest.mark.parametrize("text", BODIES.values(), ids=BODIES)
def test_a_function_that_writes_into_its_input_leaves_it_and_answers_alike(text, stacked):
    protected = compile_protected(text)
    known = compile_protected(text, on_copy=True)
    data_dict = given(stacked)
    wanted = known(given(stacked))
    for _ in range(3):
        np.testing.assert_array_equal(protected(data_dict), wanted)
        assert plain(data_dict) == plain(given(stacked))


@pytest.mark.parametrize("call", OVERWRITES)
def test_compiled_code_that_writes_into_whatever_it_is_given_is_given_a_copy(call):
    pytest.importorskip("scipy")
    body = f"    import scipy.linalg\n    matrix = np.eye(len(x)) * 2\n    return scipy.linalg.{call}\n"
    data_dict = given(stacked=True)
    for _ in range(2):
        assert compile_protected(HEAD + body)(data_dict).tolist() == [[1.5], [-0.5], [1.0]]
        assert plain(data_dict) == plain(given(stacked=True))


def test_read_only_arrays_are_taken_as_arrow_gives_them():
    data_dict = given(stacked=True)
    data_dict["data"]["x"].flags.writeable = False
    assert compile_protected(BODIES["where a value is negative"])(data_dict).tolist() == [[3], [9], [2]]


def test_a_function_that_only_reads_gets_no_copy():
    data_dict = given(stacked=True)
    seen = compile_protected("def to_tensor(d):\n    return d['data']['x']\n")(data_dict)
    assert np.shares_memory(seen, data_dict["data"]["x"])


def test_its_own_error_comes_through():
    protected = compile_protected("def to_tensor(d):\n    raise ValueError('no zero point')\n")
    for _ in range(2):
        with pytest.raises(ValueError, match="no zero point"):
            protected(given(stacked=True))


def test_lists_are_new_and_numbers_are_the_same():
    rows = {"n": [np.float32(1), 2, "s", b"b", None], "t": (np.ones(1), bytearray(b"x"))}
    made = frozen(rows)
    assert made["n"] == rows["n"] and made["n"] is not rows["n"] and type(made["n"][0]) is np.float32
    assert not made["t"][0].flags.writeable and made["t"][1] is not rows["t"][1]
