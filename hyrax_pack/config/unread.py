"""Tables that no name in the settings leads to: `[model.Nett]`, `["torch.optim.Adm"]`, `[torch.optim.Adam]`.

What is in them would be ignored. A slip of the pen is refused; what may be meant, as settings of another class that is
switched to now and then, is said.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hyrax_pack.config.keys import CLASS_TABLES, CONSTRUCTOR_TABLES, TABLES
from hyrax_pack.errors import Problem

# So alike are two names where one is the other misspelt.
_ALIKE = 0.8


def misspelt_tables(chosen: Mapping[str, Any], whole: Mapping[str, Any], base_dir: Path) -> Iterator[Problem]:
    """Tables that the user wrote for a class of the settings, and that are not read for it.

    Parameters
    ----------
    chosen, whole : mapping
        What the user wrote; and all layers.
    base_dir : Path
        Where files of classes start.
    """
    for table, name in _unread_class_tables(chosen, whole, base_dir):
        for used in _names(whole, table):
            bare = _bare(used)
            if bare not in chosen[table] and _is_slip(name, bare):
                yield Problem(f"{table}.{name}", f"no name leads to it; did you mean [{table}.{bare}]?")
    constructors = _constructors(whole)
    others = {_package(name) for table in CLASS_TABLES for name in _names(whole, table)}
    for package in chosen:
        if package in TABLES or package not in {_package(name) for name in constructors}:
            continue
        for path in _tables_in(chosen[package], package):
            if path in constructors or package not in others:
                yield Problem(
                    path, f'a class\'s arguments stand in a table in quotes: ["{nearest_of(path, constructors)}"]'
                )


def unread_tables(chosen: Mapping[str, Any], whole: Mapping[str, Any], base_dir: Path) -> list[str]:
    """Say, each in a line, which of the user's tables no name leads to."""
    said = [f"[{table}.{name}]" for table, name in _unread_class_tables(chosen, whole, base_dir)]
    said += [f'["{name}"]' for name in chosen if "." in name and name not in _constructors(whole)]
    return [f"{table} is not read: no name in the settings leads to it." for table in said]


def nearest_of(name: str, known: Iterable[str]) -> str:
    """The name that is most alike."""
    return max(known, key=lambda one: difflib.SequenceMatcher(None, name, one).ratio())


def _unread_class_tables(
    chosen: Mapping[str, Any], whole: Mapping[str, Any], base_dir: Path
) -> Iterator[tuple[str, str]]:
    """Table and name of each class table of the user that none of the classes is called as, nor reads by its name."""
    for table in CLASS_TABLES:
        names = _names(whole, table)
        texts = [_text_of(name, base_dir) for name in names]
        for name, value in chosen.get(table, {}).items():
            if not isinstance(value, Mapping) or name in map(_bare, names) or not names:
                continue
            if not any(re.search(rf"\b{re.escape(name)}\b", text) for text in texts):
                yield table, name


def _names(whole: Mapping[str, Any], table: str) -> list[str]:
    """The names of classes whose settings stand in `[<table>.<Class>]`."""
    if table == "model":
        found = [whole.get("model", {}).get("name")]
    else:
        requests = [request for group in whole.get("data_request", {}).values() for request in _values(group)]
        found = [request.get("dataset_class") for request in requests if isinstance(request, Mapping)]
    return [name for name in dict.fromkeys(found) if isinstance(name, str)]


def _constructors(whole: Mapping[str, Any]) -> list[str]:
    found = [table.get("name") for table in map(whole.get, CONSTRUCTOR_TABLES) if isinstance(table, Mapping)]
    return [name for name in found if isinstance(name, str)]


def _values(table: Any) -> list[Any]:
    return list(table.values()) if isinstance(table, Mapping) else []


def _bare(name: str) -> str:
    return re.split(r"[.:]", name)[-1]


def _package(name: str) -> str:
    return name.split(".", 1)[0] if "." in name and ".py:" not in name else ""


def _is_slip(name: str, meant: str) -> bool:
    """Whether one is the other misspelt; those that differ in digits alone are two versions."""
    if re.sub(r"\d", "", name) == re.sub(r"\d", "", meant):
        return False
    return difflib.SequenceMatcher(None, name.lower(), meant.lower()).ratio() >= _ALIKE


def _tables_in(value: Any, path: str) -> Iterator[str]:
    """The dotted paths of the innermost tables."""
    if not isinstance(value, Mapping):
        return
    inner = [name for name in value if isinstance(value[name], Mapping)]
    if not inner:
        yield path
    for name in inner:
        yield from _tables_in(value[name], f"{path}.{name}")


def _text_of(name: str, base_dir: Path) -> str:
    """The source of a class's module, which may read tables under other names than its own; empty where there is none.

    Nothing is imported.
    """
    if ".py:" in name:
        files = [base_dir / Path(name.rsplit(":", 1)[0]).expanduser()]
    else:
        parts = re.split(r"[.:]", name)[:-1]
        roots = [base_dir, Path.cwd(), *map(Path, sys.path)] if parts else []
        files = [
            file
            for root in roots
            for file in (root.joinpath(*parts).with_suffix(".py"), root.joinpath(*parts, "__init__.py"))
        ]
    for file in files:
        try:
            return file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return ""
