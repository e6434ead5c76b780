"""What a class reaches by name: functions, classes and constants of its author's own, and not of a library.

Live objects are followed, not texts: whatever stands under a name when the model has been made is what runs. The text
of a function is looked up in its file, and counts only where it still compiles to the code that runs.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
import sysconfig
import types
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyrax_pack.capturing.code_equality import code_meaning
from hyrax_pack.capturing.finding import equal_nodes
from hyrax_pack.capturing.source_file import SourceFile, read_source
from hyrax_pack.model import hooks

if TYPE_CHECKING:
    from torch import nn

# What Python puts into a class by itself.
_OF_PYTHON = frozenset(vars(type("_Empty", (), {}))) | {
    "__annotations__", "__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__",
    "__parameters__", "__orig_bases__", "__match_args__", "__dataclass_params__", "__abstractmethods__", "_abc_impl",
}  # fmt: skip
_LITERALS = (type(None), bool, int, float, complex, str, bytes, type(...))


class Reached:
    """Everything that a class reaches; `without` are attributes of the class that do not count.

    Attributes
    ----------
    parts : dict
        Name, such as `StampNet.forward`, to sha256 (hex) of the meaning, text for people, and `file:line`.
    mentioned : set of str
        Every name that the code of the parts mentions.
    """

    def __init__(self, cls: type, without: Collection[str] = ()) -> None:
        self.parts: dict[str, tuple[str, str, str]] = {}
        self.mentioned: set[str] = set()
        self._cls = cls
        self._without = without
        self._home = cls.__module__.partition(".")[0]
        self._seen: set[int] = set()
        self._looked_up: set[tuple[int, str]] = set()
        self._files: dict[str, SourceFile | None] = {}

    def add_model(self, model: nn.Module) -> None:
        """Add the class, and the classes of what an instance holds."""
        self._add_class(self._cls)
        for name, module in model.named_modules():
            if name.partition(".")[0] not in self._without:
                self._add_class(type(module))
        for part in {"criterion", "optimizer", "scheduler"} - set(self._without):
            self._add_class(type(getattr(model, part, None)))

    def _add_class(self, cls: type) -> None:
        if id(cls) in self._seen or not self._is_own(cls.__module__, cls):
            return
        self._seen.add(id(cls))
        for base in cls.__bases__:
            self._add_class(base)
        bases = ", ".join(base.__qualname__ for base in cls.__bases__)
        self._add_part(cls.__qualname__, bases, f"class {cls.__qualname__}({bases})", "")
        of_model = issubclass(self._cls, cls)
        for name, value in vars(cls).items():
            if name in _OF_PYTHON or (of_model and (name in self._without or name in hooks.TENSOR.names)):
                continue
            if name == "__dataclass_fields__":
                self._add_part(f"{cls.__qualname__}, fields", repr(list(value)), ", ".join(value), "")
            elif not _is_generated(value):
                self._add_value(f"{cls.__qualname__}.{name}", value, ())

    def _add_value(self, name: str, value: Any, mentioned: Collection[str]) -> None:
        """Add whatever stands under a name; `mentioned` are the attributes that the code around it asks for."""
        for inner in _unwrapped(value):
            if isinstance(inner, types.FunctionType):
                self._add_function(name, inner)
            elif isinstance(inner, type):
                self._add_class(inner)
            elif isinstance(inner, types.ModuleType):
                self._add_module(inner, mentioned)
            elif (text := _value_text(inner)) is not None:
                self._add_part(name, text, f"{name.rpartition('.')[2]} = {text}", "")
            else:
                self._add_class(type(inner))

    def _add_module(self, module: types.ModuleType, mentioned: Collection[str]) -> None:
        if not self._is_own(module.__name__, module):
            return
        for name in mentioned:
            if name in vars(module) and (id(module), name) not in self._looked_up:
                self._looked_up.add((id(module), name))
                self._add_value(f"{_module_name(module.__name__)}.{name}", vars(module)[name], mentioned)

    def _add_function(self, name: str, function: types.FunctionType) -> None:
        code = function.__code__
        if id(code) in self._seen:
            return
        self._seen.add(id(code))
        names = set(_names_in(code))
        if self._is_own(function.__module__ or "", function):
            self._add_text(name, function)
            self.mentioned |= names
            for mentioned in sorted(names & function.__globals__.keys()):
                found = f"{_module_name(function.__module__)}.{mentioned}"
                self._add_value(found, function.__globals__[mentioned], names)
            defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
            for position, value in enumerate(defaults):
                self._add_value(f"{name}, default {position}", value, names)
        # a library's decorator too holds the author's function
        for cell_name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if _is_filled(cell):
                self._add_value(f"{name}, {cell_name}", cell.cell_contents, names)

    def _add_text(self, name: str, function: types.FunctionType) -> None:
        code = function.__code__
        place = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
        node = self._node_of(function)
        if node is None:  # a lambda, a function of no file, or one whose file was edited since
            self._add_part(name, repr(code_meaning(code)), f"{code.co_name} (its text is not at hand)", place)
        else:
            self._add_part(name, repr(_meaning(node)), ast.unparse(node), place)

    def _add_part(self, name: str, meaning: str, text: str, place: str) -> None:
        self.parts.setdefault(name, (hashlib.sha256(meaning.encode()).hexdigest(), text, place))

    def _node_of(self, function: types.FunctionType) -> ast.AST | None:
        """The `def` of a function, as long as the file still says what runs."""
        code = function.__code__
        if code.co_filename not in self._files:
            found = read_source(code.co_filename, function.__globals__)
            self._files[code.co_filename] = found if isinstance(found, SourceFile) and _parses(found) else None
        source = self._files[code.co_filename]
        return next(iter(equal_nodes(source, code)), None) if source is not None else None

    def _is_own(self, module: str, value: Any) -> bool:
        """Whether code is the author's: of the class's own package, or of no installed library."""
        top = module.partition(".")[0]
        if top == self._home:
            return True
        if top in ("hyrax_pack", "hyrax_runtime", "builtins", "torch"):
            return False
        return not _is_installed(_file_of(module, value))


def _unwrapped(value: Any) -> Iterator[Any]:
    """The functions inside staticmethod, property, partial and decorators; else the value itself."""
    if isinstance(value, staticmethod | classmethod):
        yield from _unwrapped(value.__func__)
    elif isinstance(value, property):
        yield from (each for each in (value.fget, value.fset, value.fdel) if each is not None)
    elif isinstance(value, functools.cached_property):
        yield from _unwrapped(value.func)
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, types.MethodType):
        yield value.__func__
    else:
        yield value
        wrapped = getattr(value, "__wrapped__", None)
        if wrapped is not None and not isinstance(value, type):
            yield from _unwrapped(wrapped)


def _value_text(value: Any) -> str | None:
    """A constant as text; None for what is no constant."""
    if isinstance(value, _LITERALS):
        return repr(value)
    if type(value) in (list, tuple, set, frozenset):
        items = [
            _value_text(item) for item in (sorted(value, key=repr) if isinstance(value, set | frozenset) else value)
        ]
        return None if None in items else f"{type(value).__name__}({', '.join(map(str, items))})"
    if type(value) is dict:
        pairs = [(_value_text(key), _value_text(item)) for key, item in value.items()]
        return None if any(None in pair for pair in pairs) else f"{{{', '.join(f'{k}: {v}' for k, v in pairs)}}}"
    if hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "tobytes"):
        content = hashlib.sha256(value.tobytes()).hexdigest()
        return f"array {value.dtype} {tuple(value.shape)} {content}"
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        return f"{value.dtype} {_value_text(value.detach().cpu().contiguous().flatten().view(_torch_bytes()).numpy())}"
    return None


def _torch_bytes() -> Any:
    import torch

    return torch.uint8


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _meaning(node: Any) -> Any:
    """A syntax tree as plain values, the same for every version of Python: no empty fields, no docstrings."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, [], ""))
        kept = ((name, value) for name, value in fields if name not in ("type_comment", "kind", "ctx", "type_params"))
        return (type(node).__name__, *((name, _meaning(value)) for name, value in kept))
    if isinstance(node, list):
        return [_meaning(item) for item in node if not _is_docstring(item)]
    return (type(node).__name__, repr(node))


def _is_docstring(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _parses(source: SourceFile) -> bool:
    try:
        return bool(source.lines) and source.tree is not None
    except SyntaxError:
        return False


def _is_generated(value: Any) -> bool:
    """Whether a method was written by a decorator such as dataclass, from what stands elsewhere in the class."""
    return isinstance(value, types.FunctionType) and value.__code__.co_filename == "<string>"


def _module_name(module: str) -> str:
    """A module's name that does not depend on the folder that it lies in."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if "." in module or not file:
        return module
    return Path(file).parent.name if Path(file).stem == "__init__" else Path(file).stem


def _file_of(module: str, value: Any) -> str:
    code = getattr(value, "__code__", None)
    if code is not None:
        return str(code.co_filename)
    found = value if isinstance(value, types.ModuleType) else sys.modules.get(module)
    return str(getattr(found, "__file__", None) or ("<main>" if module == "__main__" else ""))


@cache
def _library_folders() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    return tuple({Path(paths[key]).resolve() for key in ("stdlib", "platstdlib")})


def _is_installed(file: str) -> bool:
    """Whether a file is of Python itself or of an installed package; what has no file at all is written in C."""
    if not file or file.startswith("<frozen"):
        return True
    if file.startswith("<"):
        return False
    path = Path(file)
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    return any(path.resolve().is_relative_to(folder) for folder in _library_folders())
