"""Which rows a run was started with: how many there are, and digests of some, so that other data is noticed.

A change of single rows beside the ones that are looked at is not noticed, nor one of a field whose values are drawn
anew each time that it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hyrax_pack.data.group import Group

# Rows of a group whose values are digested, evenly spread: enough to notice another unit, another order, another file.
LOOKED_AT = 64

GroupIdentity = dict[str, Any]


def identify(group: Group) -> GroupIdentity:
    """Identify a group's rows: `rows`, their number, and `fields`, path to sha256 (hex) of the values of some rows.

    None stands for a field that answers differently when it is asked again, as one with random augmentation does.
    """
    rows = np.unique(np.linspace(0, len(group) - 1, min(len(group), LOOKED_AT)).astype(np.int64))
    once, again = (digests(group.data_dict(rows)) for _ in range(2))
    fields = {path: digest if again[path] == digest else None for path, digest in once.items()}
    return {"rows": len(group), "fields": fields}


def identity_differences(before: Mapping[str, GroupIdentity], now: Mapping[str, GroupIdentity]) -> list[str]:
    """Say how groups differ from what they were, each difference in a line."""
    said = []
    for name in [*before, *(name for name in now if name not in before)]:
        if name not in before or name not in now:
            said.append(f"{name} has {'no' if name not in now else 'now'} rows")
        elif before[name]["rows"] != now[name]["rows"]:
            said.append(f"{name} has {now[name]['rows']:,} rows, not {before[name]['rows']:,}")
        else:
            said.extend(_field_differences(name, before[name]["fields"], now[name]["fields"]))
    return said


def _field_differences(group: str, before: Mapping[str, str | None], now: Mapping[str, str | None]) -> Iterator[str]:
    for path in [*before, *(path for path in now if path not in before)]:
        if path not in before or path not in now:
            yield f"{group}: {path} is {'gone' if path not in now else 'new'}"
        elif before[path] != now[path] and None not in (before[path], now[path]):
            yield f"{group}: {path} has other values"


def digests(data_dict: Mapping[str, Any]) -> dict[str, str]:
    """The sha256 (hex) of the values of every field, by its path."""
    columns = {
        f"{friendly}/{name}" if name else friendly: values
        for friendly, entry in data_dict.items()
        for name, values in (entry.items() if isinstance(entry, Mapping) else [("", entry)])
    }
    return {path: hashlib.sha256(b"".join(_content(values))).hexdigest() for path, values in columns.items()}


def digest_of(values: Sequence[Any]) -> bytes:
    """A short digest of some values, of whatever kinds."""
    return hashlib.blake2b(b"".join(_content(list(values))), digest_size=16).digest()


def _content(value: Any) -> Iterator[bytes]:
    """The kinds and bytes of a value, however it is nested."""
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        yield f"{value.dtype.str} {value.shape} ".encode() + value.tobytes()
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield repr(key).encode()
            yield from _content(item)
    elif isinstance(value, list | tuple):
        yield f"{type(value).__name__} {len(value)} ".encode()
        for item in value:
            yield from _content(item)
    elif isinstance(value, np.ndarray):
        yield from _content(value.tolist())
    else:
        yield f"{type(value).__name__} {value!r} ".encode()
