"""What a name in the configuration means: registered, dotted, or `path/to/file.py:Class`."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hyrax_pack.errors import ResolveError
from hyrax_pack.resolving.loading import import_module, load_class_file, search_in

# Classes that made themselves known, by their bare name and then by module: a decorator has nowhere else to leave them.
_REGISTERED: dict[str, dict[str, type]] = {}


def register_class(cls: type) -> None:
    """Make `cls` known under its bare name; a later class of the same module and name takes its place."""
    _REGISTERED.setdefault(cls.__name__, {})[cls.__module__] = cls


def resolve_class(name: str, base_dir: Path, known: Mapping[str, type] | None = None) -> type:
    """Return the class behind a name.

    Parameters
    ----------
    name : str
        A key of `known`, a registered name, a name of the running script or notebook, a dotted path, or
        `path/to/file.py:Class`.
    base_dir : Path
        Where a relative file starts; packages are looked for here too, after `sys.path`.
    known : mapping or None
        Bare names that mean one thing here, such as the built-in data sets.

    Raises
    ------
    ResolveError
        Nothing is there (with the nearest name), or the file or module fails while it is loaded.
    """
    found = _resolve(name, base_dir, known or {})
    if not isinstance(found, type):
        raise ResolveError(f"{name}: is a {type(found).__name__}; expected a class")
    return found


def resolve_function(name: str, base_dir: Path) -> Callable[..., Any]:
    """Return the function behind `package.module:function`, a dotted path, or `path/to/file.py:function`.

    Raises
    ------
    ResolveError
        Nothing is there, or it cannot be called.
    """
    found = _resolve(name if ".py:" in name else name.replace(":", "."), base_dir, {})
    if not callable(found):
        raise ResolveError(f"{name}: is a {type(found).__name__}; expected a function")
    function: Callable[..., Any] = found
    return function


def _resolve(name: str, base_dir: Path, known: Mapping[str, type]) -> Any:
    if ".py:" in name:
        file, attribute = name.rsplit(":", 1)
        return _attribute(load_class_file(base_dir / Path(file).expanduser()), attribute, name)
    if name.endswith(".py"):
        raise ResolveError(f"{name}: names a file; expected {name}:Class")
    if "." in name:
        return _resolve_dotted(name, base_dir)
    return _resolve_bare(name, known)


def _resolve_bare(name: str, known: Mapping[str, type]) -> Any:
    if name in known:
        return known[name]
    candidates = _REGISTERED.get(name, {})
    if len(candidates) > 1:
        paths = ", ".join(f"{module}.{name}" for module in sorted(candidates))
        raise ResolveError(f"{name}: {len(candidates)} classes are registered under this name; write one of {paths}")
    if candidates:
        return next(iter(candidates.values()))
    in_main = getattr(sys.modules.get("__main__"), name, None)
    if isinstance(in_main, type):
        return in_main
    cure = _did_you_mean(name, [*known, *_REGISTERED])
    cure = cure or "; write a dotted path such as package.module.Class, or path/to/file.py:Class"
    raise ResolveError(f"{name}: no class has this name{cure}")


def _resolve_dotted(name: str, base_dir: Path) -> Any:
    search_in(base_dir)
    search_in(Path.cwd())
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise ResolveError(f"{name}: is no dotted path; expected package.module.Class, or path/to/file.py:Class")
    for length in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:length])
        if _is_module(module_name):
            found: Any = import_module(module_name)
            for attribute in parts[length:]:
                found = _attribute(found, attribute, name)
            return found
    raise ResolveError(f"{name}: there is no package {parts[0]} here; install it, or write path/to/file.py:Class")


def _is_module(name: str) -> bool:
    """Whether there is such a module; the packages above it are imported to find out."""
    if name in sys.modules:
        return True
    parent = name.rpartition(".")[0]
    if parent and not (_is_module(parent) and hasattr(import_module(parent), "__path__")):
        return False
    return importlib.util.find_spec(name) is not None


def _attribute(owner: Any, name: str, wanted: str) -> Any:
    found = getattr(owner, name, None)
    if found is None:
        place = getattr(owner, "__file__", None) or getattr(owner, "__name__", owner)
        raise ResolveError(f"{wanted}: {place} has no {name}{_did_you_mean(name, vars(owner))}")
    return found


def _did_you_mean(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(set(names)), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
