"""Ids as one numpy array that equals them, or a refusal: an id that was changed on the way is that of another row.

numpy makes an array of almost anything: numbers beside texts become texts, a whole number above 2**63 beside a small
one becomes a float, a zero byte at the end of a text is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.errors import OutputFileError

_MISSING = ("NoneType", "NAType", "NaTType")  # the latter two are pandas', which need not be installed
_ONE_TYPE = "give them one type"


def id_array(ids: Any) -> NDArray[Any]:
    """Return the ids of one batch as an array.

    Raises
    ------
    OutputFileError
        No array equals them.
    """
    if hasattr(ids, "to_pylist"):
        ids = _of_arrow(ids)
    try:
        array = np.asarray(ids)
    except ValueError:
        _refuse("they are lists of differing length")
    if array.dtype.hasobject:
        _refuse_objects(list(ids))
    if not isinstance(ids, np.ndarray) and array.ndim == 1 and array.dtype.kind in "fSU":
        return _equal(array, list(ids))
    return array


def join_ids(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the ids of all batches as one array; OutputFileError where they are of two types."""
    parts = [part for part in parts if len(part)] or parts[:1]
    first = parts[0]
    for part in parts:
        if part.shape[1:] != first.shape[1:] or _kind(part) != _kind(first):
            _refuse(f"they are {_named(first)} in the first rows and {_named(part)} later", _ONE_TYPE)
    if len({part.dtype.kind for part in parts}) > 1:  # int64 beside uint64 would become a float
        whole = np.uint64 if all((part >= 0).all() for part in parts) else np.int64
        if whole is np.int64 and any((part > np.iinfo(np.int64).max).any() for part in parts):
            _refuse("no integer type of 64 bits holds them all", "give them as texts")
        parts = [part.astype(whole) for part in parts]
    return np.concatenate(parts)


def _kind(part: NDArray[Any]) -> str:
    return "i" if part.dtype.kind == "u" else part.dtype.kind


def _named(part: NDArray[Any]) -> str:
    return f"{part.dtype} of shape (N, {', '.join(map(str, part.shape[1:]))})" if part.ndim > 1 else str(part.dtype)


def _of_arrow(ids: Any) -> Any:
    """Numbers, texts, dates, and times without a zone as what numpy has for them."""
    from hyrax_runtime.arrow_columns import id_rows

    if ids.null_count:
        _refuse(_absent(ids.null_count, len(ids)))
    try:
        return id_rows(ids)
    except TypeError:
        _refuse(f"numpy has nothing that holds {ids.type}")


def _equal(array: NDArray[Any], ids: list[Any]) -> NDArray[Any]:
    """Return an array that equals the ids, which may be another one than numpy chose."""
    if array.dtype.kind in "SU":
        wanted = bytes if array.dtype.kind == "S" else str
        if not all(isinstance(each, wanted) for each in ids):
            _refuse("they are not all of one type", _ONE_TYPE)
        if any(each[-1:] in ("\0", b"\0") for each in ids):
            _refuse("one ends in a zero byte, which numpy cuts off")
        return array
    if all(isinstance(each, (int, np.integer)) for each in ids):
        try:
            return np.array(ids, dtype=np.uint64)
        except OverflowError:
            _refuse("no integer type of 64 bits holds them all", "give them as texts")
    if any(one != other and other == other for one, other in zip(array.tolist(), ids, strict=True)):
        _refuse("they are not all of one type", _ONE_TYPE)
    return array


def _refuse_objects(ids: list[Any]) -> NoReturn:
    kinds = [type(each).__name__ for each in ids]
    if missing := sum(kind in _MISSING for kind in kinds):
        _refuse(_absent(missing, len(ids)))
    if all(isinstance(each, (int, np.integer)) for each in ids):
        _refuse("no integer type of 64 bits holds them all", "give them as texts")
    if len(set(kinds)) > 1:
        _refuse("they are not all of one type", _ONE_TYPE)
    _refuse(f"numpy has nothing that holds a {kinds[0]}", "give them as texts or numbers")


def _absent(missing: int, rows: int) -> str:
    return f"{missing} of {rows} rows have none"


def _refuse(what: str, cure: str = "write .parquet instead") -> NoReturn:
    raise OutputFileError(f"the ids cannot stand in a .npz file: {what}; {cure}")
