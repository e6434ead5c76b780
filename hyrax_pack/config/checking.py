"""Check one layer of settings, and the settings as a whole; every problem is collected with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hyrax_pack.config.keys import (
    CLASS_TABLES,
    CONSTRUCTOR_TABLES,
    FRIENDLY,
    GROUPS,
    REQUEST,
    REQUEST_TABLE,
    TABLES,
    Key,
    whole,
)
from hyrax_pack.errors import Problem


def check_layer(layer: Mapping[str, Any], packages: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """List what is wrong in one layer: unknown keys, wrong types, values out of bounds.

    Parameters
    ----------
    layer : mapping
        The tables of one file, or of all `--set`.
    packages : mapping
        The packages that names in the configuration lead to, each with the tables of its default_config.toml
        (empty where it has none). `[<package>.<Class>]` is allowed for these only.
    """
    return list(_layer_problems(layer, packages))


def check_whole(tables: Mapping[str, Any]) -> list[Problem]:
    """List what is wrong only when all layers are seen together: fractions, requests that lack a class, joins."""
    return [*_split_problems(tables.get("split", {})), *_whole_request_problems(tables.get("data_request", {}))]


def nearest(name: str, known: Iterable[str]) -> str:
    """Name the nearest known name, or all of them where none is near."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(names)}" if names else "no key is known here"


def _layer_problems(layer: Mapping[str, Any], packages: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    for name, value in layer.items():
        known = name in TABLES or name == "data_request" or name in packages or "." in name
        if not known:
            yield Problem(name, f"unknown {_kind(value)}; {nearest(name, [*TABLES, 'data_request', *packages])}")
        elif not isinstance(value, Mapping):
            yield Problem(_quoted(name), f"{value!r} is {_what(value)}; expected a table")
        elif name == "data_request":
            yield from _request_problems(value)
        elif name in TABLES:
            yield from _table_problems(name, value, packages)
        elif name in packages:
            yield from _package_problems(name, value, packages[name].get(name))


def _table_problems(
    table: str, values: Mapping[str, Any], packages: Mapping[str, Mapping[str, Any]]
) -> Iterator[Problem]:
    known = TABLES[table]
    for name, value in values.items():
        where = f"{table}.{name}"
        if name in known:
            yield from check_value(where, known[name], value)
        elif table in CLASS_TABLES and isinstance(value, Mapping):
            for defaults in packages.values():
                yield from _default_problems(where, value, defaults.get(table, {}).get(name))
        elif table == "data_set":
            yield Problem(where, f"{value!r} is {_what(value)}; settings of a data set stand in [data_set.<Class>]")
        elif table not in CONSTRUCTOR_TABLES:
            yield Problem(where, f"unknown key; {_nearest_anywhere(name, known)}")


def _nearest_anywhere(name: str, known: Iterable[str]) -> str:
    """The nearest key of a table; else the nearest of another table, with the table."""
    if not difflib.get_close_matches(name, list(known), n=1, cutoff=0.6):
        elsewhere = {key: f"{table}.{key}" for table, keys in TABLES.items() for key in keys if key != "name"}
        close = difflib.get_close_matches(name, list(elsewhere), n=1, cutoff=0.8)
        if close:
            return f"did you mean '{elsewhere[close[0]]}'?"
    return nearest(name, known)


def _package_problems(package: str, values: Mapping[str, Any], defaults: Any) -> Iterator[Problem]:
    if isinstance(defaults, Mapping) and defaults:
        yield from _default_problems(package, values, defaults)
        return
    for name, value in values.items():
        if not isinstance(value, Mapping):
            where = f"{package}.{name}"
            yield Problem(where, f"{value!r} is {_what(value)}; settings of a class stand in [{package}.<Class>]")


def _default_problems(where: str, values: Mapping[str, Any], defaults: Any) -> Iterator[Problem]:
    """A package that ships defaults for a table has named every key of it."""
    if not isinstance(defaults, Mapping) or not defaults:
        return
    for name, value in values.items():
        if name not in defaults:
            yield Problem(f"{where}.{name}", f"unknown key; {nearest(name, defaults)}")
        elif isinstance(value, Mapping):
            yield from _default_problems(f"{where}.{name}", value, defaults[name])


def check_value(where: str, key: Key, value: Any) -> Iterator[Problem]:
    """Yield the problem of one value, if it has one."""
    if not key.fits(value):
        yield Problem(where, f"{value!r} is {_what(value)}; expected {key.expected()}")


def _request_problems(groups: Mapping[str, Any]) -> Iterator[Problem]:
    for group, friendlies in groups.items():
        where = f"data_request.{group}"
        if group not in GROUPS:
            yield Problem(where, f"unknown group; {nearest(group, GROUPS)}")
        elif not isinstance(friendlies, Mapping):
            yield Problem(where, f"{friendlies!r} is {_what(friendlies)}; expected tables [{where}.<friendly name>]")
        else:
            for friendly, request in friendlies.items():
                yield from _one_request_problems(where, friendly, request)


def _one_request_problems(where: str, friendly: str, request: Any) -> Iterator[Problem]:
    path = f"{where}.{friendly}"
    if not isinstance(request, Mapping):
        cure = f"a data set has a friendly name: [{where}.data] {friendly} = …"
        yield Problem(path, f"{request!r} is {_what(request)}; {cure}")
        return
    if not re.search(whole(FRIENDLY), friendly):
        yield Problem(path, f"{friendly!r} cannot be a friendly name: not empty, no '/' and no '.', not 'object_id'")
    for name, value in request.items():
        if name == REQUEST_TABLE:
            if not isinstance(value, Mapping):
                yield Problem(f"{path}.{name}", f"{value!r} is {_what(value)}; expected a table")
        elif name in REQUEST:
            yield from check_value(f"{path}.{name}", REQUEST[name], value)
        else:
            yield Problem(f"{path}.{name}", f"unknown key; {nearest(name, [*REQUEST, REQUEST_TABLE])}")


def _split_problems(split: Mapping[str, Any]) -> Iterator[Problem]:
    numbers = {group: split[group] for group in GROUPS if type(split.get(group)) in (int, float)}
    fractions = {group: value for group, value in numbers.items() if TABLES["split"][group].fits(value)}
    total = sum(fractions.values())
    if total > 1 + 1e-9:
        parts = " + ".join(f"{group} {value:g}" for group, value in fractions.items())
        yield Problem("split", f"{parts} is {total:g}; expected 1 at most")


def _whole_request_problems(groups: Mapping[str, Any]) -> Iterator[Problem]:
    for group, friendlies in groups.items():
        if not isinstance(friendlies, Mapping):
            continue
        where = f"data_request.{group}"
        if not friendlies:
            yield Problem(where, f"names no data set; expected [{where}.<friendly name>]")
        requests = {name: request for name, request in friendlies.items() if isinstance(request, Mapping)}
        for friendly, request in requests.items():
            if "dataset_class" not in request:
                yield Problem(f"{where}.{friendly}.dataset_class", "required key: the class that reads the data")
        yield from _join_problems(where, requests)


def _join_problems(where: str, requests: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    primary = [name for name, request in requests.items() if request.get("primary_id_field")]
    joined = [name for name, request in requests.items() if request.get("join_field")]
    if len(primary) > 1:
        yield Problem(where, f"{' and '.join(primary)} both have primary_id_field; expected one, join_field for others")
    for name in joined:
        if name in primary:
            yield Problem(f"{where}.{name}", "has primary_id_field and join_field; the primary data set joins nothing")
        elif not primary:
            yield Problem(f"{where}.{name}.join_field", "no data set beside it has primary_id_field to join on")


def _kind(value: Any) -> str:
    return "table" if isinstance(value, Mapping) else "key"


def _what(value: Any) -> str:
    words = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "a list", dict: "a table"}
    return words.get(type(value), f"a {type(value).__name__}")


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name
