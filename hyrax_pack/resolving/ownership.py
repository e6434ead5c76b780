"""Whose code a class is: its author's, or a library's."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

_LIBRARIES = frozenset({"torch", "numpy", "hyrax_pack", "hyrax_runtime", "builtins"})
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def is_library(cls: type, home: str = "") -> bool:
    """Whether `cls` is of Python, of torch or of an installed package; never where it is of the package `home`."""
    top = cls.__module__.partition(".")[0]
    return top != home and is_library_module(cls.__module__)


@cache
def is_library_module(module: str) -> bool:
    """Whether a module is of Python, of torch or of an installed package."""
    top = module.partition(".")[0]
    if top in _LIBRARIES or top in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and bool(_INSTALLED & set(Path(file).parts))
