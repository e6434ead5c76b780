"""A misspelt word in a notebook is refused before anything is read, and never counts as the other word."""

from pathlib import Path

import pytest

from hyrax_pack.errors import UsageError
from hyrax_pack.workflow import adopt, export, load_trained, train, wrap

HERE = Path("a")
WRAPPED = {"to_tensor": "a.py:f", "sample": "a.npz"}

CASES = [
    (lambda: train(None, accept=["dat"]), "accept='dat': expected one of code, data; did you mean 'data'?"),
    (lambda: train(None, accept="data"), "accept='data': expected a collection of words, such as accept=['code']"),
    (
        lambda: load_trained(HERE, weights="latest"),
        "weights='latest': expected one of best, last; did you mean 'last'?",
    ),
    (lambda: load_trained(HERE, to_tensor="Run"), "to_tensor='Run': expected one of class, run; did you mean 'run'?"),
    (lambda: load_trained(HERE, accept=["weight"]), "did you mean 'weights'?"),
    (lambda: load_trained(HERE, accept=[None]), "accept=None is a NoneType; expected one of code, weights"),
    (lambda: export(HERE, "a.hyrax", lower="required"), "lower='required': expected one of auto, require, off"),
    (lambda: export(HERE, "a.hyrax", lower=False), "lower=False is a bool; expected one of auto, require, off"),
    (lambda: adopt(HERE, "a.hyrax", lower="no"), "lower='no': expected one of auto, require, off"),
    (lambda: adopt(HERE, "a.hyrax", batch="join"), "batch='join': expected one of independent, joint; did you mean"),
    (lambda: wrap("a.onnx", "a.hyrax", **WRAPPED, batch="rows"), "batch='rows': expected one of independent, joint"),
    (lambda: wrap("a.onnx", "a.hyrax", **WRAPPED, form="lists"), "form='lists': expected one of list, stacked"),
    (lambda: wrap("a.onnx", "a.hyrax", **WRAPPED, lower="requires"), "lower='requires': expected one of auto"),
]


@pytest.mark.parametrize(("call", "says"), CASES, ids=[says.split(":")[0] for _, says in CASES])
def test_a_misspelt_word_is_refused_with_the_words_that_there_are(call, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        call()
    assert says in str(caught.value)
    assert list(tmp_path.iterdir()) == []
