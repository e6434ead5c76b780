"""Reading plain values key by key: every fault is noted with its key path, and reading goes on.

A `Record` wraps one map. Each method takes one key and answers its value or, after noting a problem, a stand-in of the
right type; whoever started the reading must look at the problems before using the values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from hyrax_runtime.contract import BATCH_AXIS, Dim
from hyrax_runtime.errors import Problem

T = TypeVar("T")
MAX_DIM = 1 << 40
MAX_RANK = 32
MAX_FIGURES = 1 << 12
MAX_NAME = 256
MAX_TEXT = 1 << 16
MAX_ROWS = 1 << 16
MAX_KEYS = 1 << 12
GREATEST_INT = (1 << 64) - 1
LEAST_INT = -(1 << 63)
_NAME = re.compile(r"[^\x00-\x1f\x7f]+")
_ABSENT = object()


class Problems(list[Problem]):
    """The faults of one manifest; ends the reading when there are more than anybody would mend one by one."""

    MOST = 50

    def add(self, where: str, what: str) -> None:
        """Note one fault."""
        self.append(Problem(where, what))
        if len(self) >= self.MOST:
            raise TooManyProblemsError


class TooManyProblemsError(Exception):
    """Reading stops here; never leaves the parser."""


def show(value: object) -> str:
    """`value` for a message: short, and on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class Record:
    """One map of the manifest, taken apart key by key; `where` is its key path."""

    def __init__(self, value: object, where: str, problems: Problems) -> None:
        self.where = where
        self._problems = problems
        self._known: list[str] = []
        self._left: dict[str, Any] | None = None
        if isinstance(value, dict):
            self._left = dict(value)
        else:
            problems.add(where, f"{show(value)} is not a map")

    def note(self, key: str, what: str) -> None:
        """Add one problem at `key`."""
        self._problems.add(self._path(key), what)

    def close(self) -> None:
        """Note every key that nobody took, but those that begin with `x-`."""
        for key in self._left or ():
            if not key.startswith("x-"):
                from difflib import get_close_matches  # only a fault needs it

                near = get_close_matches(key, self._known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else "; keys of one's own begin with x-"
                self.note(key, f"unknown key{hint}")

    def extensions(self) -> dict[str, Any]:
        """The keys that begin with `x-`."""
        return {key: value for key, value in (self._left or {}).items() if key.startswith("x-")}

    def _take(self, key: str, needed: str | Collection[str]) -> Any:
        self._known.append(key)
        if self._left is None:
            return _ABSENT
        value = self._left.pop(key, _ABSENT)
        if value is _ABSENT:
            self.note(key, f"required key; {needed if isinstance(needed, str) else 'one of ' + ', '.join(needed)}")
        return value

    def text(self, key: str, *, pattern: re.Pattern[str] = _NAME, longest: int = MAX_NAME) -> str:
        """A text of 1 to `longest` characters that matches `pattern` from end to end."""
        return self._text(key, self._take(key, "a text"), pattern, longest)

    def text_or_none(self, key: str, *, longest: int = MAX_NAME) -> str | None:
        """A text of at most `longest` characters, or None."""
        value = self._take(key, "a text or nil")
        if value is None or value is _ABSENT:
            return None
        if not isinstance(value, str):
            self.note(key, f"{show(value)} is neither a text nor nil")
        elif len(value) > longest:
            self.note(key, f"{len(value)} characters; at most {longest} are read")
        else:
            return value
        return None

    def _text(self, key: str, value: object, pattern: re.Pattern[str], longest: int) -> str:
        if value is _ABSENT:
            return ""
        if not isinstance(value, str):
            self.note(key, f"{show(value)} is not a text")
        elif not 0 < len(value) <= longest:
            self.note(key, f"{len(value)} characters; expected 1 to {longest}")
        elif not pattern.fullmatch(value):
            self.note(key, f"{show(value)} holds a character or form that is not allowed here")
        else:
            return value
        return ""

    def integer(self, key: str, least: int = LEAST_INT, greatest: int = GREATEST_INT) -> int:
        """An integer in `least`..`greatest`; a bool is none."""
        value = self._take(key, "an integer")
        return self._integer(key, value, least, greatest)

    def integer_or_none(self, key: str, least: int, greatest: int) -> int | None:
        """An integer in `least`..`greatest`, or None."""
        value = self._take(key, "an integer or nil")
        return None if value is None else self._integer(key, value, least, greatest)

    def _integer(self, key: str, value: object, least: int, greatest: int) -> int:
        if value is _ABSENT:
            return 0
        if not isinstance(value, int) or isinstance(value, bool):
            self.note(key, f"{show(value)} is not an integer")
        elif not least <= value <= greatest:
            self.note(key, f"{value} is not in {least}..{greatest}")
        else:
            return value
        return 0

    def number(self, key: str, least: float | None = None, greatest: float | None = None) -> float:
        """A number, integer or float, within the bounds given."""
        return self._number(key, self._take(key, "a number"), least, greatest)

    def number_or_numbers(self, key: str, least: float, greatest: float | None = None) -> float | tuple[float, ...]:
        """A number, or a list of one or more, each within the bounds given."""
        if self._left is None or not isinstance(self._left.get(key), list):
            return self._number(key, self._take(key, "a number, or a list of them"), least, greatest)
        values = self._list(key, 1, MAX_FIGURES)
        return tuple(self._number(f"{key}.{at}", value, least, greatest) for at, value in enumerate(values))

    def number_or_none(self, key: str) -> float | None:
        """A number, or None."""
        value = self._take(key, "a number or nil")
        return None if value is None else self._number(key, value, None, None)

    def _number(self, key: str, value: object, least: float | None, greatest: float | None) -> float:
        if value is _ABSENT:
            return 0.0
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.note(key, f"{show(value)} is not a number")
        elif (least is not None and value < least) or (greatest is not None and value > greatest):
            self.note(key, f"{value} is not in {least}..{'' if greatest is None else greatest}")
        else:
            return value
        return 0.0

    def flag(self, key: str) -> bool:
        """True or False."""
        value = self._take(key, "true or false")
        if value is not _ABSENT and not isinstance(value, bool):
            self.note(key, f"{show(value)} is neither true nor false")
        return value is True

    def choice(self, key: str, allowed: Collection[str]) -> Any:
        """One of the texts in `allowed`."""
        value = self._take(key, allowed)
        if value is _ABSENT:
            return ""
        if not isinstance(value, str) or value not in allowed:
            self.note(key, f"{show(value)} is not one of {', '.join(map(repr, allowed))}")
            return ""
        return value

    def digest(self, key: str) -> bytes:
        """A sha256, as 32 bytes."""
        value = self._take(key, "a sha256 as 32 bytes")
        if value is _ABSENT:
            return b""
        if not isinstance(value, bytes) or len(value) != 32:
            found = f"{len(value)} bytes" if isinstance(value, bytes) else show(value)
            self.note(key, f"{found}; expected a sha256 as 32 bytes")
            return b""
        return value

    def record(self, key: str) -> Record:
        """A map with keys of its own."""
        value = self._take(key, "a map")
        record = Record({} if value is _ABSENT else value, self._path(key), self._problems)
        if value is _ABSENT:
            record._left = None
        return record

    def record_or_none(self, key: str) -> Record | None:
        """A map with keys of its own, or None."""
        value = self._take(key, "a map or nil")
        return None if value is None or value is _ABSENT else Record(value, self._path(key), self._problems)

    def rows(
        self, key: str, parse: Callable[[Record], T], *, named: str = "", least: int = 0, most: int = MAX_ROWS
    ) -> tuple[T, ...]:
        """A list of maps. A row's key path holds its value of the key `named` where it has one, else its position."""
        rows = []
        for position, value in enumerate(self._list(key, least, most)):
            label = value.get(named) if isinstance(value, dict) else None
            place = label if isinstance(label, str) and 0 < len(label) <= 80 and label.isprintable() else str(position)
            row = Record(value, f"{self._path(key)}.{place}", self._problems)
            rows.append(parse(row))
            row.close()
        return tuple(rows)

    def texts_or_none(self, key: str, *, most: int = MAX_ROWS) -> tuple[str, ...] | None:
        """A list of texts, or None."""
        if self._left is not None and key in self._left and self._left[key] is None:
            self._take(key, "")
            return None
        return self.texts(key, most=most)

    def texts(self, key: str, *, most: int = MAX_ROWS) -> tuple[str, ...]:
        """A list of texts."""
        values = self._list(key, 0, most)
        for position, value in enumerate(values):
            if not isinstance(value, str) or len(value) > MAX_NAME:
                self.note(f"{key}.{position}", f"{show(value)} is not a text of at most {MAX_NAME} characters")
        return tuple(values)

    def choices(self, key: str, allowed: Sequence[str]) -> tuple[Any, ...]:
        """A list of one or more of `allowed`, each at most once."""
        values = self._list(key, 1, len(allowed))
        for position, value in enumerate(values):
            if not isinstance(value, str) or value not in allowed:
                self.note(f"{key}.{position}", f"{show(value)} is not one of {', '.join(map(repr, allowed))}")
            elif value in values[:position]:
                self.note(f"{key}.{position}", f"{value!r} stands twice")
        return tuple(values)

    def shape(self, key: str, *, batched: bool) -> tuple[Dim, ...]:
        """A list of sizes and names of free dimensions; when `batched` the first is "N"."""
        values = self._list(key, 1 if batched else 0, MAX_RANK)
        for position, value in enumerate(values):
            if isinstance(value, str):
                if not (0 < len(value) <= MAX_NAME and _NAME.fullmatch(value)):
                    self.note(f"{key}.{position}", f"{show(value)} is no name of a dimension")
            elif not _is_size(value):
                self.note(f"{key}.{position}", f"{show(value)} is neither a size in 0..2^40 nor a name")
        if batched and values and values[0] != BATCH_AXIS:
            self.note(f"{key}.0", f"{show(values[0])}; expected the batch axis {BATCH_AXIS!r}")
        return tuple(values)

    def sizes(self, key: str) -> tuple[int, ...]:
        """A list of sizes in 0..2^40."""
        values = self._list(key, 0, MAX_RANK)
        for position, value in enumerate(values):
            if not _is_size(value):
                self.note(f"{key}.{position}", f"{show(value)} is not a size in 0..2^40")
        return tuple(values)

    def numbers(self, key: str) -> dict[str, float]:
        """A map of numbers under names of the writer's choice."""
        values = self.free(key)
        for name, value in values.items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                self.note(f"{key}.{show(name)[1:-1]}", f"{show(value)} is not a number")
        return values

    def free(self, key: str) -> dict[str, Any]:
        """A map whose keys are the writer's choice; its leaves are None, bool, int, float or str."""
        value = self._take(key, "a map")
        if value is _ABSENT:
            return {}
        if not isinstance(value, dict):
            self.note(key, f"{show(value)} is not a map")
            return {}
        for place, what in _free_faults(value, key):
            self.note(place, what)
        return value

    def _list(self, key: str, least: int, most: int) -> list[Any]:
        value = self._take(key, "a list")
        if value is _ABSENT:
            return []
        if not isinstance(value, list):
            self.note(key, f"{show(value)} is not a list")
        elif not least <= len(value) <= most:
            self.note(key, f"{len(value)} rows; expected {least} to {most}")
        else:
            return value
        return []

    def _path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_DIM


def _free_faults(value: object, place: str) -> Iterator[tuple[str, str]]:
    """What in a free-form value is no record: odd keys, bytes."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not 0 < len(key) <= MAX_NAME or key.startswith("$"):
                yield place, f"{show(key)} is no key: 1 to {MAX_NAME} characters, the first not '$'"
            yield from _free_faults(item, f"{place}.{show(key)[1:-1]}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _free_faults(item, f"{place}.{position}")
    elif value is not None and not isinstance(value, bool | int | float | str):
        yield place, f"{show(value)} is not nil, a bool, a number or a text"
