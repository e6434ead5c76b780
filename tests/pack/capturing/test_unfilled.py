"""Memory that nobody has filled never leaves to_tensor, not even for rows that are rare."""

import numpy as np
import pytest

from hyrax_pack.errors import ProofError

ROWS = range(64)


def data_dict(rows):
    random = [np.random.default_rng(row) for row in rows]
    return {"data": {"flux": [one.uniform(1, 2, 5).astype("f4") for one in random], "n": [np.int64(r) for r in rows]}}


X = "x = np.array(data_dict['data']['flux'])\n"
UNFILLED = {
    "a row that fills nothing": "out = np.empty_like(x)\n"
    "for i, r in enumerate(x):\n    if r[0] > -50:\n        out[i] = r\nreturn out",
    "the same, and rows that touch": "out = np.empty(x.shape, 'f4')\nok = x.max(1) < 500\nout[ok] = x[ok]\n"
    "return out - x.mean(0)",
    "the end of a row": "out = np.empty((len(x), 8))\nout[:, :5] = x\nreturn out",
    "under another name": "from numpy import empty as make\nout = make((len(x), 6))\nout[:, :5] = x\nreturn out",
    "under a name of the function's own": "make = np.empty\nout = make((len(x), 6))\nout[:, :5] = x\nreturn out",
    "where without out": "return np.log10(x, where=x > 0)",
    "where without out, of two": "return np.divmod(x, 2, where=x > 0)[1]",
    "a mask": "out = np.empty(x.shape, bool)\nok = x > 0\nout[ok] = True\nreturn out",
}


@pytest.mark.parametrize("body", UNFILLED.values(), ids=UNFILLED)
def test_memory_that_nobody_has_filled_is_refused(proof, body):
    with pytest.raises(ProofError, match="memory that nobody has filled: "):
        proof(X + body)


def test_the_row_that_shows_it_is_told(proof):
    with pytest.raises(ProofError, match="where one row is -1000 times as large, the result holds memory that nobody"):
        proof(X + "return np.log10(x, where=x > 0)")


FILLED = {
    "each row fills its own": "out = np.empty_like(x)\nfor i, r in enumerate(x):\n    out[i] = r\nreturn out",
    "where with out": "return np.log10(x, where=x > 0, out=np.zeros_like(x))",
    "where, and another value beside it": "return np.where(x > 0, np.log10(x, where=x > 0), 0)",
    "where of a sum": "return np.sum(x, axis=1, where=x > 0)",
    "objects": "out = np.empty(len(x), object)\nout[:] = [r.sum() for r in x]\nreturn out.astype('f8')",
    "an array over other memory": "return np.ndarray(x.shape, 'f4', x.tobytes())",
}


@pytest.mark.filterwarnings("ignore:'where' used without 'out'")
@pytest.mark.parametrize("body", FILLED.values(), ids=FILLED)
def test_memory_that_is_filled_before_it_shows_is_let_be(proof, body):
    assert proof(X + body).batch == "independent"
