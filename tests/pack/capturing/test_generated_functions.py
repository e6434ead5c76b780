"""Generated functions of the allowed kind give, once captured, the very bits of the live ones."""

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.replay import as_slots

from hyrax_pack.capturing import capture
from hyrax_pack.capturing.fresh_process import is_same
from hyrax_pack.resolving.loading import load_class_file

ROWS = {"data": {"x": list(np.random.default_rng(3).normal(size=(5, 3)).astype("f4")), "n": [np.int64(7)] * 5}}

floats = st.floats(allow_nan=False, allow_infinity=False, width=32)
scalars = st.one_of(floats, st.integers(-(10**6), 10**6), st.booleans(), st.none(), st.text(max_size=5))
literals = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
# Text for comments and multi-line strings: any indentation, no quote or escape of its own.
prose = st.text(st.characters(codec="utf-8", categories=("L", "N", "Zs"), include_characters=" \t#:(["), max_size=12)
blocks = st.lists(prose, min_size=1, max_size=4).map("\n".join)

expressions = st.recursive(
    st.sampled_from(["x", "SCALE", "SHIFT", "len(TABLE)", "n[:, None]", "2", "-0.5", "1e-3"]),
    lambda inner: st.one_of(
        st.builds("np.tanh({})".format, inner),
        st.builds("squash({})".format, inner),
        st.builds("helper({})".format, inner),
        st.builds("inner({})".format, inner),
        st.builds("-({})".format, inner),
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} * {})".format, inner, inner),
        st.builds("np.where({} > 0, {}, 1.5)".format, inner, inner),
        st.builds("(lambda y, k=2: y * k)({})".format, inner),
        st.builds("sum([{} for _ in range(2)])".format, inner),
    ),
    max_leaves=8,
)


@st.composite
def sources(draw):
    """A file with a class, perhaps inside others, whose to_tensor uses what the file holds."""
    table, scale, shift = draw(st.lists(literals, max_size=3)), draw(floats), draw(st.integers(-100, 100))
    inside = draw(st.booleans())
    annotated = draw(
        st.sampled_from(["", ": dict", ": 'torch.Tensor'", ": numpy.ndarray", ": dict[str, numpy.ndarray]"])
    )
    returns = draw(st.sampled_from(["", " -> numpy.ndarray", " -> 'x'"]))
    result = draw(st.sampled_from(["x + y", "(x + y, None)", "(x, y + x, n)"]))
    body = [
        *(["import numpy as np"] if inside else []),
        f"# {draw(prose)}",
        "x = np.asarray(data_dict['data']['x'])",
        "n = np.asarray(data_dict['data']['n'])",
        f'words = """{draw(blocks)}"""  # {draw(prose)}',
        "def inner(value, factor=3):",
        f"    return value * factor + {draw(st.sampled_from(['SHIFT', 'len(words)', '1']))}",
        f"y = ({draw(expressions)}",
        f"  + len(words)) * np.ones_like(x)  # {draw(prose)}",
        f"return {result}",
        f"# {draw(prose)}",
    ]
    depth, indent = draw(st.integers(1, 3)), draw(st.sampled_from(["  ", "    ", "\t"]))
    lines = ["import numpy", "import numpy as np", "from numpy import arctan as squash"]
    lines += [f"SCALE = {scale!r}  # {draw(prose)}", f"TABLE = {table!r}", f"SHIFT, OTHER = {shift!r}, 1"]
    lines += ["def helper(value):", "    return value / 3 + SHIFT"]
    lines += [indent * level + f"class Level{level}:" for level in range(depth)]
    lines += [indent * depth + "@staticmethod", indent * depth + f"def to_tensor(data_dict{annotated}){returns}:"]
    for line in "\n".join(body).split("\n"):  # lines of a string too: what stands in it is part of it
        lines.append(indent * (depth + 1) + line)
    if draw(st.booleans()):
        lines.insert(0, "from __future__ import annotations")
    return "\n".join(lines) + "\n", depth


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """Load each generated source from a file of its own, all in one folder."""
    folder, number = tmp_path_factory.mktemp("generated"), itertools.count()

    def write_and_load(source):
        path = folder / f"generated_{next(number)}.py"
        path.write_text(source, encoding="utf-8", newline="\n")
        return load_class_file(path)

    yield write_and_load
    sys.path.remove(str(folder))


@settings(max_examples=150, deadline=None)
@given(source=sources())
def test_the_captured_function_gives_the_very_bits_of_the_live_one(load, source):
    text, depth = source
    owner = load(text)
    for level in range(depth):
        owner = getattr(owner, f"Level{level}")
    captured = capture(owner)
    with np.errstate(all="ignore"):
        found, wanted = captured.compile()(copy_input(ROWS)), owner.to_tensor(copy_input(ROWS))
    assert is_same(as_slots(found, rows=5), as_slots(wanted, rows=5))


@settings(max_examples=100, deadline=None)
@given(value=literals)
def test_every_literal_of_the_file_is_carried_exactly(load, value):
    module = load(f"VALUE = {value!r}\n\ndef prepare(data_dict):\n    return VALUE\n")
    assert is_same(capture(module.prepare).compile()({}), value)
