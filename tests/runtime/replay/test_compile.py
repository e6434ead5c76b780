"""From text to function."""

import json
import subprocess
import sys
import traceback

import numpy as np
import pytest
from hyrax_runtime.errors import RequirementError
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.replay import compile_function, compile_protected

HALVE = """\
import numpy as np

LIMIT = 0.5


def halve(x):
    return x * LIMIT


def to_tensor(data_dict):
    x = data_dict["data"]["x"]
    x *= 1
    assert x.ndim == 1, "one number a row"
    return halve(x)
"""


def test_constants_helpers_and_imports_of_the_text_are_its_own():
    np.testing.assert_array_equal(compile_function(HALVE)({"data": {"x": np.array([2.0])}}), [1.0])


def test_two_texts_do_not_share_a_thing():
    one, other = compile_function(HALVE), compile_function(HALVE.replace("0.5", "2.0"))
    given = {"data": {"x": np.array([2.0])}}
    assert (one(given)[0], other(given)[0]) == (1.0, 4.0)


def test_a_traceback_shows_the_line_of_the_text():
    function = compile_function(HALVE, where="model.hyrax to_tensor.py")
    try:
        function({"data": {"y": 1}})
    except KeyError as error:
        shown = "".join(traceback.format_exception(error))
    assert 'File "<model.hyrax to_tensor.py ' in shown
    assert 'line 11, in to_tensor\n    x = data_dict["data"]["x"]\n' in shown


def test_an_assert_of_the_text_counts_under_python_o():
    script = (
        "import sys, numpy as np\nfrom hyrax_runtime.replay import compile_function\n"
        "compile_function(sys.stdin.read())({'data': {'x': np.zeros((1, 1))}})"
    )
    ended = subprocess.run(
        [sys.executable, "-O", "-c", script], input=HALVE, capture_output=True, text=True, check=False
    )
    assert "AssertionError: one number a row" in ended.stderr


def test_an_odd_escape_in_a_string_is_no_warning():
    assert compile_function("def to_tensor(d):\n    return '\\d'\n")(1) == "\\d"


def test_a_module_that_is_missing_at_the_top_level_is_named():
    with pytest.raises(RequirementError, match="needs a module that is not installed here: No module named"):
        compile_function("import nosuchmodule\ndef to_tensor(d):\n    return d\n")


@pytest.mark.parametrize("fails", ["raise SystemExit", "1 / 0", "import numpy.nowhere"])
def test_a_module_that_fails_in_whatever_way_is_one_line_and_ends_no_program(fails, tmp_path, monkeypatch):
    (tmp_path / "broken_here.py").write_text(f"{fails}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_here", raising=False)
    with pytest.raises(RequirementError, match=r"to_tensor\.py.* (fails|not installed) here"):
        compile_function("import broken_here\ndef to_tensor(d):\n    return d\n")


def test_a_numpy_py_in_the_current_folder_is_not_what_the_text_gets(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise RuntimeError('the wrong numpy')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    function = compile_function("def to_tensor(d):\n    import numpy\n    return numpy\n")
    assert function({}) is np


def test_a_function_that_changes_its_input_runs_on_a_copy_where_asked():
    given = {"data": {"x": [np.array([1.0]), np.array([2.0])]}, "object_id": [1, 2]}
    text = (
        "def to_tensor(d):\n    for row in d['data']['x']:\n        row *= 2\n"
        "    d['data']['y'] = 1\n    d['object_id'].append(3)\n    return d['data']['x']\n"
    )
    first = compile_protected(text, on_copy=True)(given)
    second = compile_protected(text, on_copy=True)(given)
    np.testing.assert_array_equal(first, second)
    assert json.dumps({"x": [row.tolist() for row in given["data"]["x"]]}) == '{"x": [[1.0], [2.0]]}'
    assert list(given["data"]) == ["x"]
    assert given["object_id"] == [1, 2]


def test_a_copy_is_deep_and_keeps_every_type():
    objects = np.empty(2, dtype=object)
    objects[:] = [[1], np.zeros(2)]
    fortran = np.asfortranarray(np.ones((2, 3), ">f4"))
    given = {"a": (fortran, [np.float32(1), "s", b"b", None]), "o": objects, "b": bytearray(b"x"), "z": np.array(1.0)}
    copied = copy_input(given)
    assert copied["a"][0].dtype == fortran.dtype
    assert copied["a"][0].flags.f_contiguous
    assert not np.shares_memory(copied["a"][0], fortran)
    assert copied["a"][1] == given["a"][1]
    assert copied["a"][1] is not given["a"][1]
    assert type(copied["a"][1][0]) is np.float32
    assert copied["o"][0] == [1]
    assert copied["o"][0] is not objects[0]
    assert copied["o"][1] is not objects[1]
    assert copied["b"] is not given["b"]
    assert copied["z"].shape == ()


SURROUNDINGS = {"ignored": {"all": "ignore"}, "warned of": {"all": "warn"}, "raised": {"all": "raise"}}


@pytest.mark.parametrize("settings", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_how_the_process_takes_floating_point_errors_makes_no_difference(settings):
    text = (
        "def to_tensor(d):\n    import numpy as np\n    try:\n        return np.log(d['data']['x'])\n"
        "    except (FloatingPointError, RuntimeWarning):\n        return d['data']['x'] * 0\n"
    )
    with np.errstate(**settings):
        before = np.geterr()
        found = compile_function(text)({"data": {"x": np.zeros(2)}})
        protected = compile_protected(text)({"data": {"x": np.zeros(2)}})
        assert np.geterr() == before
    np.testing.assert_array_equal(found, [-np.inf, -np.inf])
    np.testing.assert_array_equal(protected, found)


def test_what_the_text_says_of_floating_point_errors_itself_holds():
    text = (
        "def to_tensor(d):\n    import numpy as np\n    with np.errstate(divide='raise'):\n        try:\n"
        "            return np.log(d)\n        except FloatingPointError:\n            return d + 7\n"
    )
    np.testing.assert_array_equal(compile_function(text)(np.zeros(2)), [7, 7])


def test_the_function_as_the_text_defines_it_is_at_hand():
    function = compile_function(HALVE)
    assert function.__wrapped__.__code__.co_firstlineno == 10
    assert function.__name__ == "to_tensor"


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"], ids=["early", "late"])
def test_a_dataclass_inside_the_function_finds_what_its_annotations_name(future):
    text = future + (
        "import typing\nfrom dataclasses import dataclass\n"
        "def to_tensor(d):\n    @dataclass\n    class Stats:\n        mean: float\n"
        "        unit: typing.ClassVar[str] = 'nJy'\n    return Stats(d).mean, Stats.unit\n"
    )
    assert compile_function(text)(2.0) == (2.0, "nJy")
