"""While a user's file is loaded, `hyrax.models` and `hyrax.models.model_registry` answer with our decorator.

A file written for Hyrax says `from hyrax.models import hyrax_model`; it runs here unedited, whether or not Hyrax is
installed. Every other `hyrax.*` name comes from Hyrax itself, or is an error that says so. After the load everything
stands as before: nothing of this reaches code that is not being loaded by us.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

UPSTREAM = "hyrax"
ANSWERED = ("hyrax.models", "hyrax.models.model_registry")
# Where the names live that we answer with; found when asked for, because the model layer stands above this one.
OUR_NAMES = {"hyrax_model": "hyrax_pack.model"}


@contextmanager
def answering_upstream_names() -> Iterator[None]:
    """Answer the names in `ANSWERED` for as long as the block runs; a block inside another changes nothing."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        yield
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    finder.stand_in()
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        finder.stand_down()


class _Answer(ModuleType):
    """Stands for one module of Hyrax: our names first, then those of the real one, where it is installed."""

    def __init__(self, name: str, finder: _Finder) -> None:
        super().__init__(name)
        self.__dict__.update(__path__=[], _finder=finder)

    def __getattr__(self, name: str) -> Any:
        if name in OUR_NAMES:
            return getattr(importlib.import_module(OUR_NAMES[name]), name)
        if name.startswith("__"):
            raise AttributeError(name)
        finder: _Finder = self.__dict__["_finder"]
        finder.fetch_real()
        real = finder.real.get(self.__name__)
        if real is None:
            # An AttributeError would reach the user as "cannot import name", without the cure.
            raise ImportError(_not_here(f"{self.__name__}.{name}"), name=f"{self.__name__}.{name}")
        return getattr(real, name)


class _Finder(importlib.abc.MetaPathFinder):
    """Gives the answers, and fetches the real Hyrax as soon as something else of it is wanted."""

    def __init__(self) -> None:
        self.answers = {name: _Answer(name, self) for name in ANSWERED}
        models, registry = (self.answers[name] for name in ANSWERED)
        models.__dict__["model_registry"] = registry
        self.real: dict[str, ModuleType] = {}
        self.fetching = False

    def stand_in(self) -> None:
        """Put the answers where `import` looks first."""
        self._adopt()
        sys.modules.update(self.answers)

    def stand_down(self) -> None:
        """Put back the real modules, those imported in the meantime too."""
        for name in (UPSTREAM, *ANSWERED):
            if name in self.real:
                sys.modules[name] = self.real[name]
            else:
                sys.modules.pop(name, None)
        parent = self.real.get(UPSTREAM)
        if parent is not None:
            parent.__dict__.pop("models", None)
            if ANSWERED[0] in self.real:
                parent.__dict__["models"] = self.real[ANSWERED[0]]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for `hyrax`, and name what is missing of it."""
        if self.fetching or fullname.split(".", 1)[0] != UPSTREAM:
            return None
        if fullname == UPSTREAM:
            return importlib.machinery.ModuleSpec(UPSTREAM, _ParentLoader(self), is_package=True)
        self.fetch_real()
        if UPSTREAM not in self.real:
            raise ModuleNotFoundError(_not_here(fullname), name=fullname)
        # `path` was taken from the answer, before Hyrax was there.
        parent = self.real.get(fullname.rpartition(".")[0])
        return None if parent is None else importlib.machinery.PathFinder.find_spec(fullname, parent.__path__)

    def fetch_real(self) -> None:
        """Import Hyrax as if we were not there, if it is installed."""
        if UPSTREAM in self.real or self.fetching:
            return
        stood = {name: sys.modules.pop(name) for name in (UPSTREAM, *ANSWERED) if name in sys.modules}
        self.fetching = True
        try:
            if importlib.util.find_spec(UPSTREAM) is not None:
                for name in (UPSTREAM, *ANSWERED):
                    importlib.import_module(name)
                self._adopt()
        finally:
            self.fetching = False
            sys.modules.update({name: module for name, module in stood.items() if name in self.answers})
        sys.modules[UPSTREAM] = self.real.get(UPSTREAM) or stood.get(UPSTREAM) or self.empty_parent()

    def empty_parent(self) -> ModuleType:
        """Stand for the package itself where Hyrax is not installed."""
        parent = _Answer(UPSTREAM, self)
        parent.__dict__["models"] = self.answers[ANSWERED[0]]
        return parent

    def _adopt(self) -> None:
        self.real |= {name: sys.modules[name] for name in (UPSTREAM, *ANSWERED) if name in sys.modules}
        for name, answer in self.answers.items():
            if name in self.real:
                answer.__dict__["__path__"] = getattr(self.real[name], "__path__", [])
        if UPSTREAM in self.real:
            self.real[UPSTREAM].__dict__["models"] = self.answers[ANSWERED[0]]


class _ParentLoader(importlib.abc.Loader):
    """Gives the package `hyrax`: the real one, or an empty one that names what it lacks."""

    def __init__(self, finder: _Finder) -> None:
        self.finder = finder

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self.finder.empty_parent()

    def exec_module(self, module: ModuleType) -> None:
        self.finder.fetch_real()


def _not_here(name: str) -> str:
    return f"{name} comes from Hyrax itself, which is not installed here; only hyrax_model is answered without it"
