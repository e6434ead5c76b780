"""A refusal says what, in which line, and what to write instead."""

import pytest

from tests.pack.lowering.cases import build_case

X = {"data/x": ["float32", [6], -3, 3]}
HEAD = "def to_tensor(d):\n    import numpy as np\n    x = np.asarray(d['data']['x'])\n"


def refusal(body, fields=X, **settings):
    text = HEAD + "".join(f"    {line}\n" for line in body.splitlines())
    return build_case(text, fields, **settings).lower()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "order = np.argsort(x, axis=1)\nreturn order",
            'line 4: np.argsort: the order of equal values is not defined; np.argsort(x, kind="stable")',
        ),
        (
            "return x.squeeze()",
            "line 4: squeeze: squeeze() without an axis also drops the axis of a batch of one; "
            "name the axis: squeeze(axis=1)",
        ),
        (
            "from scipy import ndimage\nreturn x",
            "line 4: import scipy: scipy runs in Python only; write it with numpy, or do it in the data set's getter",
        ),
        (
            "y = x * 2\nif len(x) > 4:\n    y = x\nreturn y",
            "line 5: a branch or a comparison on the size of the batch; let the function do the same for every batch",
        ),
        (
            "if not np.isfinite(x).all():\n    raise ValueError('bad')\nreturn x",
            "line 5: raise: it raises ValueError: bad for some values; a graph cannot raise: "
            "mark such rows with NaN, or check them in the data set's getter",
        ),
        (
            "return x + np.random.random()",
            "line 4: numpy.random.random: random numbers; draw them in the data set, as a field",
        ),
        (
            "return np.linalg.svd(x, compute_uv=False)",
            "line 4: numpy.linalg.svd: this function does not lower; see docs/lowering.md for what does",
        ),
        (
            "return np.array(x.tolist(), dtype=np.float32)",
            "line 4: .tolist(): values from the data are turned into a list; keep them in an array",
        ),
        (
            "n = len(x)\nreturn x[: n - 2] if n > 2 else x",
            "line 5: a branch or a comparison on the size of the batch; let the function do the same for every batch",
        ),
    ],
)
def test_the_reason_names_line_construct_and_cure(body, words):
    assert str(refusal(body, BATCH="joint")) == words


def test_the_line_of_a_helper_is_named():
    text = (
        "def _order(x):\n    import numpy as np\n    return np.argsort(x)\n\n\n"
        "def to_tensor(d):\n    import numpy as np\n    return _order(np.asarray(d['data']['x']))\n"
    )
    assert build_case(text, X).lower().reason.line == 3


def test_a_field_that_no_graph_holds_is_named():
    fields = X | {"data/name": ["str", [], 0, 1]}
    found = refusal("return x * np.array([len(name) for name in d['data']['name']])[:, None]", fields)
    assert "the field 'data/name' is used, and a graph holds no text" in str(found)


def test_ragged_rows_are_named():
    text = (
        HEAD.replace("x = np", "# x = np") + "    return np.stack([np.sum(row) for row in d['data']['x']])[:, None]\n"
    )
    found = build_case(text, {"data/x": ["ragged", [5], -3, 3]}).lower()
    assert "its rows differ in shape" in str(found)


def test_two_runtimes_that_disagree_with_numpy_are_named():
    found = refusal("return np.sinc(x.astype(np.int32))")
    assert found.reason.text.startswith("for ")
    assert "where numpy gives" in found.reason.text
