"""Model classes, forgotten again after each test."""

from __future__ import annotations

import pytest

from hyrax_pack.resolving import names


@pytest.fixture(autouse=True)
def _forget_registered_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_REGISTERED", {})
