"""What numpy offers, one function at a time, whole batch and row by row: most of it lowers, and is right."""

import pytest

from hyrax_pack.lowering import Lowered, Refusal
from tests.pack.lowering.cases import build_case
from tests.pack.lowering.expressions import EXPRESSIONS

WHOLE = "def to_tensor(d):\n    import numpy as np\n    x = np.asarray(d['data']['x'])\n    return {}\n"
ROW = (
    "def to_tensor(d):\n    import numpy as np\n    out = []\n    for r in d['data']['x']:\n        x = r[None]\n"
    "        out.append(({})[0])\n    return np.stack(out)\n"
)
POSITIONS = "np.arange(len(x))"
# What only rows that belong together may do: their contract says so.
JOINT = ("axis=0)", "axis=0,", "x.sum()", "np.median(x)", "len(x)", "x.shape[0] + x", "x[::-1]", "x[0]")
STANDING_ALONE = {"x.reshape(len(x), -1)", "np.ones((len(x), 2), dtype=np.float32)"}
LIMITS = {"float": (-1, 3), "int": (-5, 9), "uint": (0, 9), "bool": (0, 1)}
# Of integers: a reciprocal and rounding to tens that nobody writes, products that onnxruntime does not wrap around, and
# sines of whole half-turns, which are rounding and nothing else. Rows must not know their position.
STAYS = {
    "float64": {"np.sinc(x)"},
    "int32": {"np.reciprocal(x)", "np.round(x, -1)", "x.prod(axis=2)", "np.sinc(x)"},
    "uint8": {"np.reciprocal(x)", "np.round(x, -1)", "x.prod(axis=2)", "np.sinc(x)"},
    "int64": {"np.reciprocal(x)", "np.round(x, -1)", "x.prod(axis=2)", "np.sinc(x)"},
}
RAISES = {  # numpy itself does
    "int32": {"np.divide(x, x[:, :1], out=np.zeros_like(x), where=x[:, :1] != 0)"},
    "int64": {"np.divide(x, x[:, :1], out=np.zeros_like(x), where=x[:, :1] != 0)"},
    "uint8": {
        "np.divide(x, x[:, :1], out=np.zeros_like(x), where=x[:, :1] != 0)",
        "x % -2",
        "np.unwrap(x, period=2, axis=1)",
    },
}


def lowered(template, expression, dtype):
    limits = LIMITS[dtype.rstrip("0123456789")]
    is_joint = template == WHOLE and expression not in STANDING_ALONE and any(one in expression for one in JOINT)
    settings = {"BATCH": "joint"} if is_joint else {}
    return build_case(template.format(expression), {"data/x": [dtype, [4, 6], *limits]}, rows=12, **settings).lower()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_it_lowers_for_float32(expression):
    found = lowered(WHOLE, expression, "float32")
    assert isinstance(found, Lowered), str(found)
    assert (found.mode, found.form) == ("batch", "whole")


@pytest.mark.parametrize("expression", [one for one in EXPRESSIONS if POSITIONS not in one][::3])
def test_it_lowers_row_by_row_and_runs_as_one_graph(expression):
    found = lowered(ROW, expression, "float32")
    assert isinstance(found, Lowered), str(found)
    assert (found.mode, found.form) == ("row", "whole")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8", "int64"])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_it_lowers_for_other_dtypes(expression, dtype):
    if expression in RAISES.get(dtype, ()):
        pytest.skip("numpy raises for every row")
    found = lowered(WHOLE, expression, dtype)
    assert isinstance(found, Refusal if expression in STAYS.get(dtype, ()) else Lowered), str(found)


@pytest.mark.slow
@pytest.mark.parametrize("expression", [one for one in EXPRESSIONS if POSITIONS not in one])
def test_it_lowers_row_by_row_for_every_expression(expression):
    assert isinstance(found := lowered(ROW, expression, "float32"), Lowered), str(found)
