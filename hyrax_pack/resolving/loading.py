"""Run a user's file, or import a package, so that a failure names the user's line.

A file is compiled from its text, never from cached bytecode, so that what runs is what the file says.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import CodeType, ModuleType

from hyrax_pack.errors import ResolveError
from hyrax_pack.resolving.upstream import answering_upstream_names
from hyrax_pack.resolving.user_code import user_code


def load_class_file(path: Path) -> ModuleType:
    """Run a user's Python file and return its module.

    The module is kept, and given again for as long as the file's text is the same. The file's folder is appended to
    `sys.path`, where the class finds its neighbours, now and when it imports them later. A file inside a package is
    imported as a part of that package.

    Raises
    ------
    ResolveError
        The file is missing, is not Python, or raises; the message names the line.
    """
    absolute = path.absolute()
    try:
        source = absolute.read_bytes()
    except FileNotFoundError as error:
        raise ResolveError(f"{absolute}: no such file") from error
    except OSError as error:
        raise ResolveError(f"{absolute}: cannot be read: {error.strerror}") from error
    root = _package_root(absolute)
    if root is not None:
        search_in(root)
        return import_module(".".join(absolute.relative_to(root).with_suffix("").parts).removesuffix(".__init__"))
    search_in(absolute.parent)
    return _run_file(absolute, source)


def import_module(name: str) -> ModuleType:
    """Import a module by its dotted name.

    Raises
    ------
    ResolveError
        The module raises while it is imported, or is not there.
    """
    with answering_upstream_names(), user_code(name, ResolveError):
        return importlib.import_module(name)


def search_in(folder: Path) -> None:
    """Let imports look into `folder` too, after every other place."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def _run_file(path: Path, source: bytes) -> ModuleType:
    digest = hashlib.sha256(source).hexdigest()
    # The stem alone could be the name of another module, such as `types`.
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__hyrax_sha256__", None) == digest:
        return loaded
    loader = _TextLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # it is None only where no loader is found
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with answering_upstream_names(), user_code(str(path), ResolveError):
            loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    module.__dict__["__hyrax_sha256__"] = digest
    return module


class _TextLoader(importlib.machinery.SourceFileLoader):
    """Compiles the text every time: bytecode is keyed by whole seconds and size, which two quick edits can share."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _package_root(path: Path) -> Path | None:
    """The folder that holds the topmost package a file belongs to; None for a file on its own."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder if folder != path.parent else None
