"""Values that ordinary rows do not hold: what production sends on a bad night, and what the text itself asks about.

A threshold, a code for a missing value or the name of a band stands in the text as a literal: such values, and their
neighbours, are tried beside those that surveys use.

Runs in the fresh process (see hyrax_pack.capturing.fresh_process): numpy and the standard library are there.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Change = Callable[[Array], Array | None]  # one row's value -> another; None where that is no value of its dtype

_LARGEST_INTEGER = 1_000_000  # so that a table sized by it still fits into memory, and a loop over it ends
_LARGEST_FLOAT = 1e30  # beyond every threshold; its square is infinite, its sums are not
_MISSING_CODES = (-1.0, -99.0, -999.0, -9999.0, 99.0)
_SMALL_INTEGERS = (0, 1, 2, 3, 20)
_MOST_LITERALS = 12
_COMPARING = frozenset({"equal", "greater", "greater_equal", "in1d", "isin", "less", "less_equal", "not_equal"})


@dataclass(frozen=True)
class Literals:
    """What the text compares with: numbers and strings, those compared with first."""

    numbers: tuple[float, ...] = ()
    words: tuple[str, ...] = ()

    def sizes(self, least: int, most: int) -> list[int]:
        """Batch sizes that the text may ask about: each whole number, and the next."""
        whole = [int(number) for number in self.numbers if number.is_integer()]
        return [size for number in whole for size in (number, number + 1) if least <= size <= most]


def literals_of(text: str) -> Literals:
    """Collect them from comparisons, from patterns, and from the constants above the functions.

    Examples
    --------
    >>> literals_of("LIMIT = 3.5\\ndef f(x, b):\\n    return x * 2 if x < -999 and b == 'y' else x")
    Literals(numbers=(-999.0, 3.5), words=('y',))
    """
    tree = ast.parse(text)
    found: dict[Any, None] = {}
    compared = [node for node in ast.walk(tree) if _compares(node)]
    constants = [node for node in tree.body if isinstance(node, ast.Assign)]
    for node in (*compared, *constants):
        found |= dict.fromkeys(_values_in(node))
    numbers = [float(value) for value in found if isinstance(value, int | float)]
    words = [value for value in found if isinstance(value, str) and len(value) <= 40]
    return Literals(tuple(numbers[:_MOST_LITERALS]), tuple(words[:_MOST_LITERALS]))


def changes_of(row: Array, literals: Literals) -> Iterator[tuple[str, Change]]:
    """What is tried on a part of one field's row, or on a text, with words for it."""
    if row.dtype.kind in "US":
        yield from _changes_of_words(row.dtype, literals)
    elif row.size > 1:
        for share in (0.0, 0.5):
            for value in _values_for(row.dtype, literals):
                yield f"{value:g} in one place", _filled(value, share)


def scalings_of(row: Array) -> Iterator[tuple[str, Change]]:
    """By what a whole row of floats is multiplied."""
    for factor in (1e3, -1e3, 1e-3) if row.dtype.kind == "f" else ():
        yield f"{factor:g} times as large", scaled(factor)


def fillings_of(row: Array, literals: Literals) -> Iterator[tuple[str, Change]]:
    """The values that a whole row of numbers may hold."""
    for value in _values_for(row.dtype, literals) if row.dtype.kind not in "US" else ():
        yield f"filled with {value:g}", _filled(value)


def scalings_of_all() -> Iterator[tuple[str, Change]]:
    """By what all numeric fields of a row are multiplied at once."""
    for factor in (1e3, -1e3, 1e-3):
        yield f"{factor:g} times as large in all fields", scaled(factor)


def fillings_of_all() -> Iterator[tuple[str, Change]]:
    """The values that all numeric fields of a row may hold at once."""
    for value in (0.0, np.nan, np.inf, -np.inf):
        yield f"filled with {value:g} in all fields", _filled(value, else_as_it_is=True)


def changes_of_length() -> Iterator[tuple[str, Change]]:
    """What is tried on a field whose rows differ in length."""
    yield "of no values", lambda row: row[:0] if row.ndim else None
    yield "of one value", lambda row: row[:1] if row.ndim else None
    yield "3 times as long", lambda row: np.concatenate([row, row, row]) if row.ndim else None


def scaled(factor: float) -> Change:
    """Multiply; a bool becomes its opposite, an integer stays in bounds."""

    def change(row: Array) -> Array:
        if row.dtype.kind == "b":
            return np.asarray(np.logical_not(row))
        if row.dtype.kind == "f":
            return np.asarray(row * row.dtype.type(factor), row.dtype)
        least, greatest = _bounds(row.dtype)
        return np.asarray(np.clip(row.astype(np.float64) * factor, least, greatest), row.dtype)

    return change


def _filled(value: float, share: float | None = None, *, else_as_it_is: bool = False) -> Change:
    """Put the value into the whole row, or into the one place that lies this share of its own length from its start."""

    def change(row: Array) -> Array | None:
        if not _holds(row.dtype, value):
            return row if else_as_it_is else None
        new = row.copy()
        place = slice(None) if share is None or not row.size else int(row.size * share)
        new.reshape(-1)[place] = value
        return new

    return change


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    if dtype.kind == "f":
        return not np.isfinite(value) or abs(value) <= np.finfo(dtype).max
    if dtype.kind == "b":
        return value in (0.0, 1.0)
    return bool(np.isfinite(value)) and value == int(value) and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def _values_for(dtype: np.dtype[Any], literals: Literals) -> list[float]:
    if dtype.kind == "b":
        return [0.0, 1.0]
    if dtype.kind == "f":
        limit = min(_LARGEST_FLOAT, float(np.finfo(dtype).max) / 4)
        values = [0.0, 1.0, np.nan, np.inf, -np.inf, limit, -limit]
    else:
        values = [*map(float, (*_SMALL_INTEGERS, *_bounds(dtype)))]
    around = (number + step for number in literals.numbers for step in (0.0, *_steps(number, dtype)))
    values += [value for value in (*_MISSING_CODES, *around) if _holds(dtype, value)]
    return list(dict.fromkeys(values))


def _steps(number: float, dtype: np.dtype[Any]) -> tuple[float, float]:
    """How far to go below and above a literal, to be on either side of it."""
    step = 1.0 if dtype.kind != "f" or abs(number) >= 10 else max(abs(number) / 8, 1e-3)
    return -step, step


def _bounds(dtype: np.dtype[Any]) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return max(limits.min, -_LARGEST_INTEGER), min(limits.max, _LARGEST_INTEGER)


def _changes_of_words(dtype: np.dtype[Any], literals: Literals) -> Iterator[tuple[str, Change]]:
    """Other texts; of bytes, which are mostly packed, only nothing at all."""
    if dtype.kind == "S":
        yield "no bytes", _replaced(np.asarray(b""))
        return
    words = {"an empty text": "", "a long text": "x" * 33} | {f"the text {word!r}": word for word in literals.words}
    for name, word in words.items():
        yield name, _replaced(np.asarray(word))
    yield "its own text with .5 behind it", _reworded(lambda word: f"{word}.5")
    yield "its own text without the last letter", _reworded(lambda word: word[:-1])
    yield "its own text cut to 10 letters", _reworded(lambda word: word[:10])  # a day, where the others have hours


def _replaced(value: Array) -> Change:
    return lambda row: value


def _reworded(change: Callable[[str], str]) -> Change:
    return lambda row: np.asarray(change(str(row[()]))) if row.ndim == 0 else None


def _compares(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        return called in _COMPARING
    return isinstance(node, ast.Compare | ast.MatchValue | ast.MatchMapping)


def _values_in(node: ast.AST) -> Iterator[Any]:
    """The numbers and strings below a node; an index is neither."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        values: Sequence[Any] = [-value for value in _values_in(node.operand) if not isinstance(value, str)]
        yield from values
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, int | float | str) and not isinstance(node.value, bool):
            yield node.value
    elif isinstance(node, ast.Subscript):
        yield from _values_in(node.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _values_in(child)
