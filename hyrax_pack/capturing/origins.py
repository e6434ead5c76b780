"""Whether a module's name leads to the module that it leads to everywhere, or to a file of the user's own."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_PACKAGES = {"site-packages", "dist-packages"}


def own_file_instead(top: str, distribution: Distribution | None) -> str | None:
    """Say which file of the user's stands in the place of Python's own module, or of a distribution's; else None.

    Parameters
    ----------
    top : str
        A top-level module.
    distribution : Distribution or None
        Who brings it; None for a module of the standard library.
    """
    file = _file_of(top)
    if file is None:
        return None
    if distribution is None:
        return None if _is_of_python(file) else _words(top, file, "Python's own")
    recorded = [one for one in distribution.files or () if _is_top_module(one.parts, top)]
    modules = {Path(str(one.locate())).resolve() for one in recorded}
    if not modules or file in modules:  # nothing is recorded of what is installed where it is worked on
        return None
    return _words(top, file, f"that of {distribution.metadata['Name']}")


def _is_top_module(parts: tuple[str, ...], top: str) -> bool:
    """Whether a recorded file is what `import top` runs."""
    *folders, name = parts
    return folders == [top] and name.startswith("__init__.") if folders else name.startswith(f"{top}.")


def _words(top: str, file: Path, instead: str) -> str:
    return f"{top} is your own file {file.name}, which hides {instead} and will be missing where it runs; rename it"


def _file_of(top: str) -> Path | None:
    """The file behind the name as this process has it; None for what is built in."""
    try:
        spec = getattr(sys.modules.get(top), "__spec__", None) or importlib.util.find_spec(top)
    except ValueError:  # a module without a specification
        return None
    origin = getattr(spec, "origin", None)
    return None if origin in (None, "built-in", "frozen") else Path(origin).resolve()


def _is_of_python(file: Path) -> bool:
    return not _PACKAGES & set(file.parts) and any(file.is_relative_to(folder) for folder in _python_folders())


@cache
def _python_folders() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    return tuple({Path(paths[key]).resolve() for key in ("stdlib", "platstdlib")})
