"""Which fields a function reads: a data_dict that notes what is asked for, and the names that stand in the text.

A field that counts as not read is not given to the function in production, so what is in doubt counts as read: a field
that rare rows alone ask for, one that is copied or gone over with all others.

Runs in the fresh process too (see hyrax_pack.capturing.fresh_process): only the standard library is there.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, KeysView
from dataclasses import dataclass, field
from typing import Any

DataDict = dict[Any, Any]


@dataclass
class Noted:
    """Paths of fields: those asked for by name, those gone over with all others of their dict, and those asked for
    that are not there."""

    named: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)


def record(data_dict: DataDict, noted: Noted) -> DataDict:
    """Give the same data_dict as dicts that note in `noted` which of their fields are asked for."""
    return _Recording(data_dict, noted)


class _Recording(dict[Any, Any]):
    """A dict that notes which of its fields are asked for; its own copies note on."""

    def __init__(self, values: DataDict, noted: Noted, prefix: str = "") -> None:
        super().__init__(
            {
                key: _Recording(value, noted, f"{key}/") if isinstance(value, dict) and not prefix else value
                for key, value in values.items()
            }
        )
        self._noted, self._prefix = noted, prefix
        # Keys that hold a field and not a data set; what the function adds is no field.
        self._fields = frozenset(key for key, value in super().items() if not isinstance(value, _Recording))

    def _note(self, key: Any) -> None:
        if key in self._fields:
            self._noted.named.add(f"{self._prefix}{key}")
        elif isinstance(key, str) and not super().__contains__(key):
            self._noted.absent.add(f"{self._prefix}{key}")

    def _note_all(self) -> None:
        self._noted.passed.update(f"{self._prefix}{key}" for key in self._fields)

    def __getitem__(self, key: Any) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._note(key)
        return super().get(key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        self._note(key)
        return super().pop(key, *default)

    def popitem(self) -> Any:
        self._note_all()
        return super().popitem()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._note(key)
        return super().setdefault(key, default)

    def __contains__(self, key: Any) -> bool:
        self._note(key)
        return super().__contains__(key)

    def __iter__(self) -> Iterator[Any]:
        self._note_all()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        self._note_all()
        return super().__reversed__()

    def __eq__(self, other: object) -> bool:
        self._note_all()
        return super().__eq__(other)

    def keys(self) -> Any:
        self._note_all()
        return KeysView(self)  # whose `in` asks this dict

    def values(self) -> Any:
        self._note_all()
        return super().values()

    def items(self) -> Any:
        self._note_all()
        return super().items()

    def copy(self) -> _Recording:
        return self._again({key: dict.get(self, key) for key in dict.keys(self)})

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        joined = self.copy()
        joined.update(other)
        return joined

    def __ror__(self, other: Any) -> Any:
        return self._again({**other, **dict(dict.items(self))})

    def __deepcopy__(self, memo: dict[int, Any]) -> _Recording:
        return self._again({key: copy.deepcopy(value, memo) for key, value in dict.items(self)})

    def __reduce__(self) -> Any:
        return dict, (list(self.items()),)

    def _again(self, values: DataDict) -> _Recording:
        made = _Recording({}, self._noted, self._prefix)
        dict.update(made, values)
        made._fields = self._fields
        return made


def field_paths(data_dict: DataDict) -> dict[str, Any]:
    """Every field by its path: `friendly/field`, or the bare key of what stands beside the data sets."""
    paths: dict[str, Any] = {}
    for key, value in data_dict.items():
        if isinstance(value, dict):
            paths |= {f"{key}/{field}": values for field, values in value.items()}
        else:
            paths[str(key)] = value
    return paths


def only_fields(data_dict: DataDict, paths: set[str]) -> DataDict:
    """The data_dict with no other fields than those of `paths`."""
    return {
        key: {field: values for field, values in value.items() if f"{key}/{field}" in paths}
        if isinstance(value, dict)
        else value
        for key, value in data_dict.items()
        if isinstance(value, dict) or str(key) in paths
    }


def named_in_text(text: str, paths: set[str]) -> set[str]:
    """The fields whose name stands in the text as a string, or is put together there, as in `f"mag_{band}"`.

    Names that others are only compared with do not count.

    Examples
    --------
    >>> sorted(named_in_text("d['x'] if name != 'y' else d.get('z')", {"data/x", "data/y", "data/z"}))
    ['data/x', 'data/z']
    >>> sorted(named_in_text("d['mag_' + band]", {"data/mag_g", "data/mag_r", "data/z"}))
    ['data/mag_g', 'data/mag_r']
    """
    patterns = re.compile("|".join(set(_patterns(ast.parse(text)))) or "(?!)", re.DOTALL)
    return {path for path in paths if patterns.fullmatch(path.rpartition("/")[2])}


_ANYTHING = ".*"
_FILLED_IN = re.compile(r"%(?:\(\w*\))?[-+ #0-9.]*[a-zA-Z]|\{[^{}]*\}")  # %s, {} and their like


def _patterns(node: ast.AST) -> Iterator[str]:
    """What the strings of the text may be, as regular expressions; nothing of one that may be anything at all."""
    pattern = _pattern(node)
    if pattern and pattern.replace(_ANYTHING, ""):
        yield pattern
    if isinstance(node, ast.Compare):
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            yield from _patterns(node.left)
        return
    for child in ast.iter_child_nodes(node):
        yield from _patterns(child)


def _pattern(node: ast.AST) -> str | None:
    """What an expression that makes a string may give; None for any other."""
    if isinstance(node, ast.Constant):
        return re.escape(node.value) if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_pattern(part) or _ANYTHING for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = _pattern(node.left), _pattern(node.right)
        return None if sides == (None, None) else "".join(side or _ANYTHING for side in sides)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _with_gaps(node.left)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join"):
        joined = _pattern(node.func.value) if node.func.attr == "join" else None
        return f"{_ANYTHING}{joined}{_ANYTHING}" if joined is not None else _with_gaps(node.func.value)
    return None


def _with_gaps(template: ast.AST) -> str | None:
    """A template such as `mag_%s` or `mag_{}`, anything where it is filled in."""
    if not (isinstance(template, ast.Constant) and isinstance(template.value, str)):
        return None
    return _ANYTHING.join(map(re.escape, _FILLED_IN.split(template.value)))
