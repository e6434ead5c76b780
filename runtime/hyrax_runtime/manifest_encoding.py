"""The manifest between bytes and plain values: canonical msgpack, read under limits.

Canonical: maps with their keys sorted, the shortest form of every integer and length, float64 for every float, so that
`packb(unpackb(data)) == data`. That also refuses duplicate keys, other widths and trailing bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgpack

from hyrax_runtime.container import MAX_MANIFEST
from hyrax_runtime.errors import EncodingError

MAX_DEPTH = 16
MAX_ROWS = 65_536
MAX_KEYS = 4_096
MAX_TEXT = 64 << 10
MAX_VALUES = 262_144  # in all: 4 MiB of one-byte values would become 300 MB of Python objects


def encode_manifest(plain: dict[str, Any]) -> bytes:
    """`plain` as canonical msgpack.

    Raises
    ------
    EncodingError
        `plain` is larger than the limits, or holds something that a manifest cannot say.
    """
    try:
        data = bytes(msgpack.packb(_sorted(plain), use_bin_type=True))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodingError(f"manifest: cannot be written as msgpack: {error}") from error
    decode_manifest(data, "manifest")
    return data


def decode_manifest(data: bytes, source: str) -> dict[str, Any]:
    """The plain values of a manifest; `source` names the file in messages.

    Raises
    ------
    EncodingError
        `data` is over a limit, is no msgpack, or is another encoding of the values than the canonical one.
    """
    if len(data) > MAX_MANIFEST:
        raise EncodingError(f"{source} manifest: {len(data)} bytes; at most {MAX_MANIFEST} are read")
    budget = _Budget()
    try:
        plain = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            list_hook=budget.spend,
            object_pairs_hook=budget.spend_pairs,
            max_str_len=MAX_TEXT,
            max_bin_len=MAX_TEXT,
            max_array_len=MAX_ROWS,
            max_map_len=MAX_KEYS,
            max_ext_len=0,
        )
        if not isinstance(plain, dict):
            raise EncodingError(f"{source} manifest: a {type(plain).__name__}; expected a map")
        fault = _find_fault(plain, 1)
        if fault is None and msgpack.packb(plain, use_bin_type=True) != data:
            fault = "not the shortest form of its values"
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise EncodingError(f"{source} manifest: not msgpack within the limits: {error}") from error
    if fault is not None:
        raise EncodingError(f"{source} manifest: {fault}; expected canonical msgpack. Export the bundle again")
    return plain


_LEAVES = frozenset({str, int, bool, bytes, type(None)})


class _Budget:
    """Counts values while they are decoded, so that a small manifest cannot become a large heap."""

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def spend(self, values: list[Any]) -> list[Any]:
        self.left -= 1 + len(values)
        if self.left < 0:
            raise ValueError(f"more than {MAX_VALUES} values")
        return values

    def spend_pairs(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        self.left -= 1 + 2 * len(pairs)
        if self.left < 0:
            raise ValueError(f"more than {MAX_VALUES} values")
        return dict(pairs)


def _find_fault(value: dict[Any, Any] | list[Any], depth: int) -> str | None:
    """What in `value` no canonical manifest holds; None where all is well."""
    if depth > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH}"
    children: Iterable[Any] = value
    if isinstance(value, dict):
        if not set(map(type, value)) <= {str}:
            return "a key that is no text"
        if list(value) != sorted(value):
            return "keys that are not sorted"
        children = value.values()
    for child in children:
        kind = type(child)
        if kind in _LEAVES:
            continue
        if kind is float:
            fault = None if math.isfinite(child) else f"the number {child}"
        elif kind in (dict, list):
            fault = _find_fault(child, depth + 1)
        else:
            fault = f"an extension type ({kind.__name__})"
        if fault is not None:
            return fault
    return None


def _sorted(value: Any) -> Any:
    """`value` with every map in the order of its keys, and tuples as lists."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value
