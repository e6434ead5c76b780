"""Read the layers of settings and lay them over one another."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hyrax_pack.config.keys import CONSTRUCTOR_TABLES, find_key
from hyrax_pack.errors import ConfigError, Problem

DEFAULT_FILE = Path(__file__).with_name("default.toml")
PACKAGE_FILE = "default_config.toml"
_NUMBER = re.compile(r"[+-]?(\.\d+|\d+\.)([eE][+-]?\d+)?")


def read_toml(path: Path) -> dict[str, Any]:
    """Read one TOML file.

    Raises
    ------
    ConfigError
        The file is missing, unreadable, not UTF-8, or not TOML (with line and column).
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file (looked for {path.absolute()})") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Turn `key=value` strings into nested tables.

    The key is a dotted TOML key (parts with dots are quoted); the value is TOML, or else a plain string. `True` and
    `False` count as TOML's `true` and `false`, because a string that is always true would hide the slip.

    Raises
    ------
    ConfigError
        An override is no `key=value`; lists every such override.

    Examples
    --------
    >>> parse_overrides(["train.epochs=3", "model.name=net.py:Net"])
    {'train': {'epochs': 3}, 'model': {'name': 'net.py:Net'}}
    """
    tables: dict[str, Any] = {}
    problems = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            problems.append(Problem(text, "expected key=value, such as train.epochs=3"))
            continue
        try:
            tables = merge(tables, _parse_override(key.strip(), value.strip()))
        except tomllib.TOMLDecodeError:
            problems.append(Problem(text, "the key is no dotted name; quote a part that holds dots or spaces"))
    if problems:
        raise ConfigError("--set", problems)
    return tables


def _parse_override(key: str, value: str) -> dict[str, Any]:
    if value in ("True", "False"):
        value = value.lower()
    if _NUMBER.fullmatch(value):  # as people write them: .1 and 3. are none in TOML
        value = repr(float(value))
    try:
        parsed = tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError:
        return tomllib.loads(f"{key} = {json.dumps(value)}")
    if _is_text(key) and not isinstance(_only_value(parsed), str | bool):
        return tomllib.loads(f"{key} = {json.dumps(value)}")
    # A line break in the value would be a second key.
    return parsed if "\n" not in value else tomllib.loads(f"{key} = {json.dumps(value)}")


def _is_text(key: str) -> bool:
    """Whether a setting is a text, so that `train.run_name=42` needs no quotes."""
    known = find_key(key)
    return known is not None and known.type == "string"


def _only_value(tables: Any) -> Any:
    while isinstance(tables, Mapping) and len(tables) == 1:
        tables = next(iter(tables.values()))
    return tables


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the tables of `above` over those of `below`, key by key; neither is changed."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = merge(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


def merge_file(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one file over another: as `merge`, but a file's data request and its choice of a class stand alone.

    Otherwise the built-in data set would stay beside the user's, and the arguments of a package's optimizer would be
    handed to another class.
    """
    kept = dict(below)
    if "data_request" in above:
        kept.pop("data_request", None)
    for table in CONSTRUCTOR_TABLES:
        chosen, under = above.get(table), below.get(table)
        if not isinstance(chosen, Mapping) or not isinstance(under, Mapping):
            continue
        if chosen.get("name", under.get("name")) != under.get("name"):
            kept.pop(table)
    return merge(kept, above)


def find_packages(tables: Mapping[str, Any], base_dir: Path) -> dict[str, Path | None]:
    """Return the top-level packages that names in the configuration lead to, each with its default_config.toml.

    Nothing is imported: a package is looked up from `base_dir`, the working folder and `sys.path`.
    """
    packages: dict[str, Path | None] = {}
    for name in _class_names(tables):
        if ".py:" in name:
            folder = _package_of_file(base_dir / name.rsplit(":", 1)[0])
            package = folder.name if folder else ""
        else:
            package = name.split(":", 1)[0].split(".", 1)[0]
            folder = _package_folder(package, base_dir) if "." in name else None
        if folder is not None:
            defaults = folder / PACKAGE_FILE
            packages[package] = defaults if defaults.is_file() else None
    return packages


def _class_names(tables: Mapping[str, Any]) -> Iterator[str]:
    """Every value in a table under a key that names a class or function."""
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from _class_names(value)
        elif key in ("name", "dataset_class", "collate_fn") and isinstance(value, str):
            yield value


def _package_folder(name: str, base_dir: Path) -> Path | None:
    spec = importlib.machinery.PathFinder.find_spec(name, [str(base_dir), str(Path.cwd())])
    if spec is None:
        try:
            spec = importlib.util.find_spec(name)
        except ValueError:  # a module without a spec, such as __main__ in a notebook
            spec = None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _package_of_file(path: Path) -> Path | None:
    """The topmost folder above a module's file that is a package; None for a file on its own."""
    top = None
    folder = path.absolute().parent
    while (folder / "__init__.py").is_file():
        top, folder = folder, folder.parent
    return top
