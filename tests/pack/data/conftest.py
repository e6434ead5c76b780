"""Data sets as a user writes them, and configurations that ask for them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrax_pack.config import Config, load_config

Configure = Callable[..., Config]


class Stars:
    """Ten stars: a cutout, a light curve whose length differs, a name, a magnitude, a label."""

    units = {"cutout": "nJy"}
    descriptions = {"cutout": "difference image"}

    def __init__(self, rows: int = 10, first_id: int = 100) -> None:
        self._rows, self._first_id = rows, first_id

    def __len__(self) -> int:
        return self._rows

    def get_cutout(self, row: int) -> Any:
        return np.full((2, 3), row, dtype=np.float32)

    def get_flux(self, row: int) -> Any:
        return np.arange(row + 1, dtype=np.float64)

    def get_name(self, row: int) -> str:
        return f"star {row}"

    def get_magnitude(self, row: int) -> Any:
        return np.float32(row / 2)

    def get_label(self, row: int) -> int:
        return row % 2

    def get_object_id(self, row: int) -> Any:
        return np.int64(self._first_id + row)


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Configure:
    """Make a configuration out of `train={"data": {...}}` requests and tables; classes are found by their bare name."""

    def make(*classes: type, requests: dict[str, Any] | None = None, **tables: Any) -> Config:
        for cls in classes:
            monkeypatch.setattr(sys.modules["__main__"], cls.__name__, cls, raising=False)
        if requests is None:
            requests = {"train": {"data": {"dataset_class": classes[0].__name__}}}
        tables.setdefault("general", {})["base_dir"] = str(tmp_path)
        return load_config(tables={"data_request": requests, **tables})

    return make
