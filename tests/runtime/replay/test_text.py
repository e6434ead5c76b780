"""A captured text holds `from __future__`, imports, literal constants and functions, and hides nothing."""

import pytest
from hyrax_runtime.errors import BundleError, TextError
from hyrax_runtime.replay import check_text, compile_function

GOOD = "def to_tensor(data_dict):\n    return data_dict\n"


def refusal(text) -> str:
    with pytest.raises(TextError) as caught:
        check_text(text, "to_tensor.py")
    assert caught.value.code == "replay/text"
    assert isinstance(caught.value, BundleError)
    return str(caught.value)


@pytest.mark.parametrize(
    "above",
    [
        "",
        "# a comment in any words, even é, σ and 画像\n",
        "from __future__ import annotations\n",
        "import numpy as np\nimport numpy.linalg\nfrom math import pi as circle\n",
        "A = -1\nB = 1 + 2j\nC = (1, [2.5, None], {'k': b'x', -3: ...})\nD = 'é'\n",
        "def helper(x: int, /, *rest, k=(1, -2), **more) -> list[int] | None:\n    return x\n",
        "from __future__ import annotations\ndef helper(x: torch.Tensor) -> torch.Tensor:\n    return x\n",
        "import scipy\nimport scipy.ndimage\n",
    ],
)
def test_a_captured_text_passes(above):
    if "scipy" not in above:
        assert compile_function(above + GOOD)(3) == 3
    check_text(above + GOOD, "to_tensor.py")
    check_text((above + GOOD).encode(), "to_tensor.py")


TOP_LEVEL = {
    "a call": ("print('loaded')\n", "line 1: holds Expr"),
    "a docstring": ('"""What this is."""\n', "line 1: holds Expr"),
    "a computed constant": ("A = 1 / 3\n", "line 1: is an assignment of something other than one literal to one name"),
    "a product": ("A = 'x' * 1000000000\n", "line 1: is an assignment of something other"),
    "a call in a constant": ("A = [open('x')]\n", "line 1: is an assignment of something other"),
    "a set": ("A = {1, 2}\n", "line 1: is an assignment of something other"),
    "an f-string": ("A = f'{1}'\n", "line 1: is an assignment of something other"),
    "a dict unpacked": ("A = {**{}}\n", "line 1: is an assignment of something other"),
    "two names at once": ("A = B = 1\n", "line 1: is an assignment of something other"),
    "an attribute": ("import os\nos.x = 1\n", "line 2: is an assignment of something other"),
    "an annotated constant": ("A: int = 1\n", "line 1: holds AnnAssign"),
    "a class": ("class A:\n    pass\n", "line 1: holds ClassDef"),
    "a condition": ("if True:\n    pass\n", "line 1: holds If"),
    "a try": ("try:\n    import x\nexcept ImportError:\n    pass\n", "line 1: holds Try"),
    "a loop": ("for i in []:\n    pass\n", "line 1: holds For"),
    "a with": ("with open('x'):\n    pass\n", "line 1: holds With"),
    "a del": ("A = 1\ndel A\n", "line 2: holds Delete"),
    "an async function": ("async def f():\n    pass\n", "line 1: holds AsyncFunctionDef"),
    "a decorator": ("@print\ndef f():\n    pass\n", "f is decorated"),
    "a default that is computed": ("def f(x=print('x')):\n    pass\n", "f has a default that is no literal"),
    "a keyword default that is computed": ("def f(*, x=print('x')):\n    pass\n", "f has a default that is no literal"),
    "an annotation that is evaluated": ("def f(x: print('x')):\n    pass\n", "f has an annotation that is evaluated"),
    "a result that is evaluated": ("def f() -> [].append:\n    pass\n", "f has an annotation that is evaluated"),
    "a star import": ("from math import *\n", "line 1: imports *"),
    "a relative import": ("from . import x\n", "line 1: is a relative import"),
    "a name twice": ("A = 1\nA = 2\n", "line 2: binds 'A' again; line 1 binds it already"),
    "a name of Python's own": ("__builtins__ = {}\n", "line 1: binds '__builtins__', a name of Python's own"),
    "two to_tensor": (GOOD, "line 3: binds 'to_tensor' again; line 1 binds it already"),
    "to_tensor as a constant": ("to_tensor = 1\n", "binds 'to_tensor' again"),
}


@pytest.mark.parametrize(("above", "says"), TOP_LEVEL.values(), ids=TOP_LEVEL)
def test_anything_else_at_the_top_level_is_refused_with_its_line(above, says):
    assert says in refusal(above + GOOD)


SHAPES = {
    "no to_tensor": ("def other(d):\n    return d\n", "defines no function to_tensor"),
    "an imported to_tensor": ("from x import to_tensor\n", "defines no function to_tensor"),
    "an async to_tensor": ("async def to_tensor(d):\n    return d\n", "defines no function to_tensor"),
    "nothing": ("", "defines no function to_tensor"),
    "no argument": ("def to_tensor():\n    return 1\n", "must be callable with data_dict alone"),
    "two arguments": ("def to_tensor(a, b):\n    return 1\n", "must be callable with data_dict alone"),
    "a keyword argument": ("def to_tensor(a, *, b):\n    return 1\n", "must be callable with data_dict alone"),
    "no Python": ("def to_tensor(:\n", "line 1: is not Python"),
    "too many statements": ("A = 1\n" * 2000, "2000 statements; at most 1024 are allowed"),
}


@pytest.mark.parametrize(("text", "says"), SHAPES.values(), ids=SHAPES)
def test_a_text_without_one_callable_to_tensor_is_refused(text, says):
    assert says in refusal(text)


def test_every_fault_is_told_in_the_order_of_the_lines():
    lines = refusal("import x\nx()\nA = 1 + 1\n" + GOOD + "class B: pass\n").splitlines()
    assert lines[0] == "to_tensor.py: 3 problems"
    assert [line.split(":")[0] for line in lines[1:]] == ["  - line 2", "  - line 3", "  - line 6"]


BYTES = {
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "U+FEFF"),
    "latin-1": ("# é\n".encode("latin-1") + GOOD.encode(), "byte 2: is not UTF-8"),
    "utf-16": (GOOD.encode("utf-16"), "is not UTF-8"),
    "a zero byte": (GOOD.encode() + b"\x00", "line 3: the character U+0000"),
    "an escape sequence": (b"# \x1b[8m hidden\n" + GOOD.encode(), "line 1: the character U+001B"),
    "a carriage return": (b"# harmless\rimport os\n" + GOOD.encode(), "line 1: the character U+000D"),
    "a backspace": (b"# \x08\n" + GOOD.encode(), "line 1: the character U+0008"),
    "a utf-7 cookie": (b"# coding: utf-7\n" + GOOD.encode(), "line 1: declares the encoding 'utf-7'"),
    "a latin-1 cookie on line 2": (b"#\n# -*- coding: latin-1 -*-\n" + GOOD.encode(), "line 2: declares the encoding"),
    "too many bytes": (b"#" * 2**18 + b"\n" + GOOD.encode(), "at most 262144 are allowed"),
}


@pytest.mark.parametrize(("text", "says"), BYTES.values(), ids=BYTES)
def test_odd_bytes_are_refused(text, says):
    assert says in refusal(text)


def test_a_utf8_cookie_is_the_truth_and_passes():
    check_text(b"# -*- coding: utf-8 -*-\n" + GOOD.encode(), "to_tensor.py")


@pytest.mark.parametrize(
    "character",
    ["\u202e", "\u2066", "\u200b", "\u200f", "\u061c", "\u2028", "\u2029", "\x85", "\u00ad", "\ufeff", "\U000e0041"],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_characters_that_hide_what_is_written_are_refused_in_comments_and_strings_too(character):
    for text in (f"# a{character}b\n{GOOD}", f"A = 'a{character}b'\n{GOOD}"):
        assert f"line 1: the character U+{ord(character):04X}" in refusal(text)
        assert "hides what is written; remove it" in refusal(text)


def test_lone_surrogates_are_refused():
    assert "lone surrogates" in refusal("# \ud800\n" + GOOD)


@pytest.mark.parametrize("name", ["t\u043e_tensor", "\u03bfs", "\uff41bc", "\U0001d41e\U0001d431ec", "\u3164"])
def test_names_that_look_like_other_names_are_refused(name):
    assert "line 2: the name" in refusal(f"def to_tensor(d):\n    {name} = 1\n    return d\n")


def test_names_of_formulas_and_accents_pass():
    check_text("def to_tensor(données):\n    σ_sky, λ, Ω = 1, 2, 3\n    return données\n", "to_tensor.py")


NESTED = {
    "brackets": "(" * 5000 + ")" * 5000,
    "lists": "[" * 300 + "]" * 300,
    "signs": "-" * 100_000 + "1",
    "sums": "+".join("1" * 20_000),
    "attributes": "a" + ".b" * 20_000,
    "calls": "f" + "()" * 20_000,
    "conditions": "1 if 1 else " * 5000 + "1",
    "lambdas": "lambda: " * 5000 + "1",
    "powers": "2 ** " * 5000 + "2",
    "comparisons": "not " * 20_000 + "1",
    "digits": "9" * 10_000,
    "formats": "f'" + "{x:" * 50 + "}" * 50 + "'",
}


@pytest.mark.parametrize("expression", NESTED.values(), ids=NESTED)
def test_deep_nesting_is_refused_before_it_harms(expression):
    assert refusal(f"def to_tensor(d):\n    return {expression}\n").startswith("to_tensor.py: ")


def test_a_block_in_a_block_in_a_block_is_refused():
    lines = [" " * depth + "if d:" for depth in range(1, 150)]
    refusal("\n".join(["def to_tensor(d):", *lines, " " * 150 + "return d"]))


def test_a_refused_text_leaves_no_mark(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    attacks = [
        "open('mark', 'w')\n",
        "def f(x=open('mark', 'w')): pass\n",
        "def f(x: open('mark', 'w')): pass\n",
        "@(lambda f: open('mark', 'w'))\ndef f(): pass\n",
        "class A:\n    open('mark', 'w')\n",
        "A = [open('mark', 'w') for _ in [0]]\n",
    ]
    for attack in attacks:
        with pytest.raises(TextError):
            compile_function(attack + GOOD)
    assert list(tmp_path.iterdir()) == []


def test_defining_a_sound_text_runs_none_of_its_functions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = compile_function("def to_tensor(d):\n    open('mark', 'w').close()\n    return d\n")
    assert list(tmp_path.iterdir()) == []
    function(1)
    assert [path.name for path in tmp_path.iterdir()] == ["mark"]
