"""The checked settings of one run."""

from __future__ import annotations

import copy
import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from hyrax_pack.config.checking import check_layer, check_whole
from hyrax_pack.config.keys import TABLES, as_meant, find_key
from hyrax_pack.config.layers import DEFAULT_FILE, find_packages, merge, merge_file, parse_overrides, read_toml
from hyrax_pack.config.plain import to_plain
from hyrax_pack.config.unread import misspelt_tables, unread_tables
from hyrax_pack.errors import ConfigError, Problem

_REQUIRED = object()
# What a run reads where it lies, and what it runs on: its numbers do not depend on them.
_OF_A_MACHINE = (
    "model.name", "train.device", "train.resume", "data_loader.num_workers", "data_loader.prefetch_factor",
    "data_loader.pin_memory",
)  # fmt: skip
_PLACES = ("data_location", "dataset_class")


@dataclass(frozen=True)
class Config:
    """The settings after all layers, checked. It cannot be changed: what it hands out is a copy.

    Attributes
    ----------
    source : str
        Where the user's settings came from: a file's path, or "built-in defaults".
    base_dir : Path
        Absolute; relative names of model files and of data start here.
    """

    source: str
    base_dir: Path
    _tables: dict[str, Any] = field(repr=False, hash=False)
    _chosen: dict[str, Any] = field(default_factory=dict, repr=False, hash=False, compare=False)

    def get(self, path: str, default: Any = _REQUIRED) -> Any:
        """Return the setting at a dotted path, such as `train.epochs`; None where it is `false`, "not set".

        Raises
        ------
        KeyError
            No such setting, and no default is given.
        """
        value = self._find(path)
        if value is _REQUIRED:
            if default is _REQUIRED:
                raise KeyError(path)
            return default
        key = find_key(path)
        return None if key is not None and key.not_set(value) else copy.deepcopy(value)

    def table(self, path: str) -> dict[str, Any]:
        """Return a copy of one table, such as `train` or `model.Net`; empty where there is none. "Not set" is None."""
        value = self._find(path)
        if not isinstance(value, dict):
            return {}
        found = copy.deepcopy(value)
        for name in found:
            key = find_key(f"{path}.{name}")
            if key is not None and key.not_set(found[name]):
                found[name] = None
        return found

    def arguments(self, path: str) -> dict[str, Any]:
        """Return the constructor arguments that a table such as `optimizer` gives to the class it names.

        The table that is called as the class, such as `["torch.optim.Adam"]`, comes first; keys beside `name` win.
        """
        chosen = self.table(path)
        name = chosen.pop("name", None)
        quoted = self._tables.get(name) if isinstance(name, str) and "." in name else None
        return {**(copy.deepcopy(quoted) if isinstance(quoted, dict) else {}), **chosen}

    def path(self, path: str) -> Path | None:
        """Return a setting that names a file or folder as an absolute path from `base_dir`; None where not set."""
        value = self.get(path, None)
        return None if value is None else (self.base_dir / Path(value).expanduser()).absolute()

    def for_user(self) -> dict[str, Any]:
        """Return the whole configuration as a nested dict of plain Python values that belongs to the caller."""
        return copy.deepcopy(self._tables)

    def to_toml(self, *, portable: bool = False) -> str:
        """Return the whole configuration as TOML that `read_config` reads back to the same settings.

        `general.base_dir` is written out, so that the text may stand in another folder; `portable` leaves it, and with
        it this machine's paths, out.
        """
        tables = self.for_user()
        tables["general"]["base_dir"] = False if portable else str(self.base_dir)
        return tomli_w.dumps(tables)

    def digest(self) -> str:
        """Return the sha256 (hex) of the settings; `general.base_dir` does not count."""
        tables = self.for_user()
        tables["general"].pop("base_dir", None)
        return hashlib.sha256(json.dumps(tables, sort_keys=True, default=str).encode()).hexdigest()

    def differences(self, other: Config) -> tuple[str, ...]:
        """Return the dotted keys, in order, whose values differ from those of `other`."""
        ours, theirs = dict(_leaves(self._tables)), dict(_leaves(other._tables))
        paths = [*ours, *(path for path in theirs if path not in ours)]
        same = ("general.base_dir",)
        return tuple(
            path
            for path in paths
            if path not in same and _differ(ours.get(path, _REQUIRED), theirs.get(path, _REQUIRED))
        )

    def replaced(self, values: Mapping[str, Any]) -> Config:
        """Return these settings with others at some dotted paths, such as `model.outputs`; `False` is "not set"."""
        tables = self.for_user()
        for path, value in values.items():
            table, name = path.split(".")
            tables[table][name] = copy.deepcopy(value)
        return Config(self.source, self.base_dir, tables, self._chosen)

    def has_default(self, path: str) -> bool:
        """Whether nobody chose the setting at a dotted path: it is not in the user's file, nor in `--set`."""
        return path not in dict(_leaves(self._chosen))

    def unread_tables(self) -> list[str]:
        """Say, each in a line, which of the user's tables no name in the settings leads to."""
        return unread_tables(self._chosen, self._tables, self.base_dir)

    def _find(self, path: str) -> Any:
        if path in self._tables:
            return self._tables[path]
        value: Any = self._tables
        for part in path.split("."):
            if not isinstance(value, dict) or part not in value:
                return _REQUIRED
            value = value[part]
        return value


def load_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    tables: Mapping[str, Any] | None = None,
) -> Config:
    """Lay default.toml, a package's default_config.toml, the user's file, `tables` and `--set` over one another.

    Parameters
    ----------
    path : path or None
        The user's TOML file.
    overrides : sequence of str
        `key=value`, as `--set` takes them.
    tables : mapping or None
        Settings from a notebook, as nested dicts; None stands for "not set".

    Raises
    ------
    ConfigError
        A file is missing or is no TOML; or settings are wrong: an unknown key, a wrong type, a value out of bounds.
        All problems of a layer are listed at once.
    """
    file = Path(path).expanduser() if path is not None else None
    layers = {str(file): as_meant(read_toml(file))} if file is not None else {}
    if tables is not None:
        layers["tables"] = as_meant(to_plain(tables, "tables"))
    override_layer = as_meant(parse_overrides(overrides))
    source = next(iter(layers), "built-in defaults")

    chosen: dict[str, Any] = {}
    for layer in layers.values():
        chosen = merge_file(chosen, layer)
    chosen = merge(chosen, override_layer)
    base_dir = _base_dir(chosen, file)
    packages = {name: as_meant(read_toml(at)) if at else {} for name, at in find_packages(chosen, base_dir).items()}

    heading = source if layers else "--set"
    problems = _layer_problems({**layers, "--set": override_layer}, packages, heading)
    whole = read_toml(DEFAULT_FILE)
    for defaults in packages.values():
        whole = merge_file(whole, defaults)
    for layer in layers.values():
        whole = merge_file(whole, layer)
    whole = merge(whole, override_layer)
    problems += check_whole(whole)
    if not problems:
        problems = list(misspelt_tables(chosen, whole, base_dir))
    if problems:
        raise ConfigError(heading, problems)
    return Config(source=source, base_dir=base_dir, _tables=whole, _chosen=chosen)


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read settings that `Config.to_toml` wrote, as they stand there: no package's defaults are laid under them.

    What hyrax-pack itself has come to know since has its default.

    Raises
    ------
    ConfigError
        The file is missing or is no TOML; or it, or an override, is wrong.
    """
    written, override_layer = as_meant(read_toml(path)), as_meant(parse_overrides(overrides))
    whole = merge(merge_file(read_toml(DEFAULT_FILE), written), override_layer)
    base_dir = _base_dir(whole, path)
    packages = {name: dict[str, Any]() for name in find_packages(whole, base_dir)}
    packages |= {name: {} for name in written if name not in TABLES and name != "data_request"}
    problems = _layer_problems({str(path): written, "--set": override_layer}, packages, str(path))
    problems += check_whole(whole)
    if problems:
        raise ConfigError(str(path), problems)
    return Config(source=str(path), base_dir=base_dir, _tables=whole, _chosen=whole)


def digest_of_training(text: str) -> str:
    """Return the sha256 (hex) of what a text of `Config.to_toml` says of training.

    Where things lie and what they run on does not count: that may be edited where a run was moved to another machine.
    """
    tables = tomllib.loads(text)
    counted = sorted(
        (path, json.dumps(value, sort_keys=True, default=repr))
        for path, value in _leaves(tables)
        if not path.startswith("general.") and path not in _OF_A_MACHINE and path.rpartition(".")[2] not in _PLACES
    )
    return hashlib.sha256(json.dumps(counted).encode()).hexdigest()


def _layer_problems(
    layers: Mapping[str, Mapping[str, Any]], packages: Mapping[str, Mapping[str, Any]], heading: str
) -> list[Problem]:
    """The problems of every layer; those of a layer other than the one in the heading say which."""
    problems = []
    of_packages = {f"default_config.toml of {name}": defaults for name, defaults in packages.items()}
    for name, layer in {**layers, **of_packages}.items():
        for problem in check_layer(layer, packages):
            where = problem.where if name == heading else f"{name}: {problem.where}"
            problems.append(Problem(where, problem.what))
    return problems


def _base_dir(tables: Mapping[str, Any], file: Path | None) -> Path:
    folder = file.absolute().parent if file is not None else Path.cwd()
    general = tables.get("general")
    stated = general.get("base_dir") if isinstance(general, Mapping) else None
    return folder / Path(stated).expanduser() if isinstance(stated, str) else folder


def _leaves(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _differ(one: Any, other: Any) -> bool:
    # As text, because in Python True == 1 == 1.0, and NaN differs from itself.
    return one is not other and json.dumps(one, default=repr) != json.dumps(other, default=repr)
