"""Turn settings that were given as Python values into what TOML can hold."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from hyrax_pack.errors import ConfigError, Problem

_SCALARS = (bool, int, float, str, datetime.datetime, datetime.date, datetime.time)


def to_plain(tables: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return nested dicts and lists of plain Python values; None becomes `false`, "not set".

    Raises
    ------
    ConfigError
        A value that TOML cannot hold, such as a function; lists every one.

    Examples
    --------
    >>> to_plain({"model": {"name": None, "labels": ("label",)}}, "tables")
    {'model': {'name': False, 'labels': ['label']}}
    """
    problems: list[Problem] = []
    plain = {str(name): _plain(value, str(name), problems) for name, value in tables.items()}
    if problems:
        raise ConfigError(source, problems)
    return plain


def _plain(value: Any, where: str, problems: list[Problem]) -> Any:
    if value is None:
        return False
    if isinstance(value, Mapping):
        return {str(name): _plain(item, f"{where}.{name}", problems) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]", problems) for index, item in enumerate(value)]
    if isinstance(value, PurePath):
        return str(value)
    for kind in _SCALARS:
        if type(value) is kind:
            return value
    # numpy's scalars and arrays, without importing numpy here
    if callable(getattr(value, "tolist", None)):
        return _plain(value.tolist(), where, problems)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, (int, str)):
        return int(value) if isinstance(value, int) else str(value)
    problems.append(
        Problem(where, f"a {type(value).__name__} cannot stand in TOML; give a number, string, list or dict")
    )
    return False
