import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hyrax_pack.capturing import Proof, capture, prove
from hyrax_pack.errors import CaptureError
from hyrax_pack.resolving.loading import load_class_file


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty current folder, for short names in messages; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def load(folder) -> Callable[..., ModuleType]:
    """Write a user's file and load it the way hyrax-pack does."""

    def write_and_load(source: str, name: str = "stamps.py") -> ModuleType:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source).lstrip("\n"))
        return load_class_file(path)

    return write_and_load


@pytest.fixture
def refusal(load) -> Callable[..., str]:
    """Capture `StampNet.to_tensor` of a source that must be refused, and give the message."""

    def message_of(source: str, **settings: object) -> str:
        module = load(source)
        with pytest.raises(CaptureError) as caught:
            capture(module.StampNet, **settings)
        return str(caught.value)

    return message_of


@pytest.fixture
def proof(load, request) -> Callable[..., Proof]:
    """Capture a to_tensor of this body and prove it, on ROWS of the test module's `data_dict` unless told."""
    given, all_rows = getattr(request.module, "data_dict", None), getattr(request.module, "ROWS", ())

    def prove_body(body: str, make_batch=given, rows=all_rows, **settings: object) -> Proof:
        text = "".join(f"        {line}\n" for line in body.strip().splitlines())
        above = "class StampNet:\n    @staticmethod\n    def to_tensor(data_dict):\n        import numpy as np\n"
        module = load(above + text)
        return prove(capture(module.StampNet), module.StampNet.to_tensor, make_batch, rows, **settings)

    return prove_body
