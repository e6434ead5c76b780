import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hyrax_pack.capturing import capture
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
