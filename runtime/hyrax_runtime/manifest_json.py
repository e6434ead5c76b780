"""The manifest as JSON, the form that schemas/manifest.v1.schema.json describes: bytes are `{"$bytes": "<hex>"}`."""

from __future__ import annotations

from typing import Any


def to_json_form(plain: Any) -> Any:
    """Plain values of a manifest with every bytes value written as a map of one key.

    Examples
    --------
    >>> to_json_form({"sha256": b"\\x00\\xff"})
    {'sha256': {'$bytes': '00ff'}}
    """
    if isinstance(plain, bytes):
        return {"$bytes": plain.hex()}
    if isinstance(plain, dict):
        return {key: to_json_form(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [to_json_form(value) for value in plain]
    return plain


def from_json_form(value: Any) -> Any:
    """The plain values again. Raises ValueError where `$bytes` is no hex."""
    if isinstance(value, dict):
        if value.keys() == {"$bytes"} and isinstance(value["$bytes"], str):
            return bytes.fromhex(value["$bytes"])
        return {key: from_json_form(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_json_form(item) for item in value]
    return value
