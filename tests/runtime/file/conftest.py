from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hyrax_runtime.errors import HyraxError

from tests.runtime.file.forge import Forge


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data and cache folders of this test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def forge() -> Forge:
    return Forge()


@pytest.fixture
def bundle_file(tmp_path: Path) -> Path:
    """A sound bundle on disk."""
    path = tmp_path / "linear.hyrax"
    path.write_bytes(Forge().data())
    return path


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write bytes as a file that claims to be a bundle."""

    def write_bytes(data: bytes, name: str = "hostile.hyrax") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write_bytes


@pytest.fixture
def refusal(write: Callable[[bytes], Path]) -> Callable[[bytes], HyraxError]:
    """The error with which opening these bytes, weights and all, is refused."""
    from hyrax_runtime.bundle import open_bundle

    def refuse(data: bytes) -> HyraxError:
        with pytest.raises(HyraxError) as caught, open_bundle(write(data)) as bundle:
            bundle.weights(stamp=False)
        return caught.value

    return refuse
