"""Run the captured `to_tensor`: from text to function, and from what it returns to tensors.

The same code runs in training, in export's proof and in production, so what trained is what ships. Whoever calls
`compile_function` has made sure that the text may run: training runs the user's own, production asks
hyrax_runtime.trust first.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import linecache
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from typing import Any, Literal, NamedTuple

import numpy as np

from hyrax_runtime.contract import BATCH_AXIS
from hyrax_runtime.errors import RequirementError, ResultError
from hyrax_runtime.input_guard import protect
from hyrax_runtime.manifest import Requirement, Slot
from hyrax_runtime.replay_text import FUNCTION, check_text, parse_text

__all__ = [
    "Returned",
    "as_slots",
    "check_requirements",
    "check_slots",
    "check_text",
    "compile_function",
    "compile_protected",
    "missing_requirements",
]

Array = np.ndarray[Any, Any]

_WIDTHS = {"int": (8, 16, 32, 64), "uint": (8, 16, 32, 64), "float": (16, 32, 64)}
_DTYPES = {"bool": np.dtype(bool)} | {
    f"{kind}{bits}": np.dtype(f"{kind}{bits}") for kind, widths in _WIDTHS.items() for bits in widths
}
_NATIVE = frozenset(_DTYPES.values())


class Returned(NamedTuple):
    """What `to_tensor` returned, as tensors: native byte order, C-contiguous, batch axis first.

    A slot is None where the function gave None, and has no rows where it gave an empty list or array; both are how an
    absent label looks. `returns` says whether the function gave one array or a tuple.
    """

    slots: tuple[Array | None, ...]
    returns: Literal["array", "tuple"]


def compile_function(text: str | bytes, *, where: str = "to_tensor.py") -> Callable[[Any], Any]:
    """Check the text, define its functions and give back its `to_tensor`, which may write into what it is given.

    It runs with numpy's floating-point errors ignored, whatever the process has set: `np.seterr(all="raise")` or
    warnings that are errors would lead it down other paths on one machine than on another. The function as the text
    defines it is its `__wrapped__`.

    Parameters
    ----------
    text : str or bytes
        The captured text.
    where : str
        Its name in messages and tracebacks.

    Raises
    ------
    TextError
        The text is more than imports, literal constants and functions.
    RequirementError
        An import at its top level fails here, in whatever way.

    Examples
    --------
    >>> double = compile_function("def to_tensor(data_dict):\\n    return data_dict['data']['x'] * 2\\n")
    >>> double({"data": {"x": np.array([1.0, 2.0])}})
    array([2., 4.])
    """
    return _defined(parse_text(text, where), text, where)


def compile_protected(text: str | bytes, *, where: str = "to_tensor.py", on_copy: bool = False) -> Callable[[Any], Any]:
    """Do the same; the function leaves its input as it is, see `input_guard`.

    `on_copy` says that it is known to write into it. Raises as `compile_function`.
    """
    tree = parse_text(text, where)
    return protect(_defined(tree, text, where), tree, on_copy=on_copy)


def _defined(tree: ast.Module, text: str | bytes, where: str) -> Callable[[Any], Any]:
    plain = text.decode("utf-8") if isinstance(text, bytes) else text
    digest = hashlib.sha256(plain.encode("utf-8")).hexdigest()
    filename = f"<{where} {digest[:12]}>"  # angle brackets: no file of that name can be taken for it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # optimize=0: an assert of the text counts under python -O too.
        code = compile(tree, filename, "exec", dont_inherit=True, optimize=0)
    lines = [f"{line}\n" for line in plain.split("\n")]
    linecache.cache[filename] = (len(plain), None, lines, filename)  # so that tracebacks show the text
    module = types.ModuleType(f"hyrax_to_tensor_{digest[:12]}")
    sys.modules[module.__name__] = module  # where a dataclass of the text looks up its annotations
    try:
        exec(code, module.__dict__)
    except ImportError as error:
        raise RequirementError(f"{where} needs a module that is not installed here: {error}") from error
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
        raise RequirementError(f"{where}: a module that it imports fails here with {said}") from error
    function: Callable[[Any], Any] = np.errstate(all="ignore")(module.__dict__[FUNCTION])
    return function


def as_slots(result: Any, *, rows: int | None) -> Returned:
    """Turn what `to_tensor` returned into tensors, or refuse it.

    One array stays one slot; a tuple gives one slot per place. Foreign byte order and strides are repaired; a list
    inside a tuple (a label passed through) becomes an array.

    Parameters
    ----------
    result : ndarray or tuple
        What the function gave.
    rows : int or None
        How many rows went in; None where the caller does not know: then all slots must agree.

    Raises
    ------
    ResultError
        None, a list, a torch tensor, a number without batch axis, strings or objects, or a first axis other than the
        rows.

    Examples
    --------
    >>> as_slots((np.ones((2, 3), ">f4"), None), rows=2).slots[0].dtype
    dtype('float32')
    """
    if type(result) is tuple and result:
        slots = tuple(
            [
                None if value is None else _as_tensor(value, f"slot {place}", rows, True)
                for place, value in enumerate(result)
            ]
        )
        _check_one_is_there(slots, rows)
        return Returned(slots, "tuple")
    return Returned((_as_tensor(result, "its result", rows, False),), "array")


def check_slots(slots: Sequence[Array | None], recorded: Sequence[Slot], rows: int) -> None:
    """Refuse slots that are not the recorded ones: number, dtype, rank, fixed dimensions and rows.

    Raises
    ------
    ResultError
        Names the slot, what was found and what is recorded.
    """
    if len(slots) != len(recorded):
        raise ResultError(f"to_tensor returned {len(slots)} slots; the bundle records {len(recorded)}")
    for place, (array, slot) in enumerate(zip(slots, recorded, strict=True)):
        if not _is_recorded(array, slot, rows):
            raise ResultError(
                f"to_tensor returned {_words(array)} in slot {place}; the bundle records {_recorded_words(slot)}, "
                f"and {rows} rows went in"
            )


def missing_requirements(requirements: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """The requirements whose module cannot be found here; finds without importing, so nothing runs."""
    return tuple(requirement for requirement in requirements if not _is_findable(requirement.module))


def check_requirements(requirements: Sequence[Requirement], where: str) -> None:
    """Refuse, before anything runs, where a module of the captured text is not installed.

    Raises
    ------
    RequirementError
        Names every missing module, and the pip command that brings it in the version it was packed with.
    """
    missing = missing_requirements(requirements)
    if not missing:
        return
    modules = ", ".join(requirement.module for requirement in missing)
    wanted = sorted({f"{one.distribution}=={one.version}" for one in missing if one.distribution and one.version})
    cure = f"; pip install {' '.join(wanted)}" if wanted else f"; Python {sys.version.split()[0]} does not have it"
    raise RequirementError(f"{where}: to_tensor imports {modules}, which is not installed here{cure}")


def _as_tensor(value: Any, place: str, rows: int | None, in_tuple: bool) -> Array:
    if type(value) is not np.ndarray:
        value = _as_array(value, place, in_tuple)
    if value.dtype not in _NATIVE:
        value = _in_native_order(value, place)
    if not value.flags.c_contiguous:
        value = np.ascontiguousarray(value)
    shape = value.shape
    if not shape:
        raise ResultError(f"to_tensor returned a number without batch axis as {place}; the first axis must be the rows")
    if rows is not None and shape[0] != rows and not (in_tuple and shape[0] == 0):
        raise ResultError(
            f"to_tensor returned shape {shape} as {place} for {rows} rows; the first axis must be the rows "
            "(squeeze() without an axis, or a transposed result, loses it)"
        )
    return value  # type: ignore[no-any-return]


def _as_array(value: Any, place: str, in_tuple: bool) -> Array:
    kind = type(value)
    if value is None:
        raise ResultError("to_tensor returned None; end it with `return` and the array")
    if kind.__module__.partition(".")[0] == "torch":
        raise ResultError(
            f"to_tensor returned a torch tensor as {place}; return numpy (torch is not there at inference)"
        )
    if isinstance(value, np.ma.MaskedArray):
        raise ResultError(f"to_tensor returned a masked array as {place}; fill it: np.ma.filled(x, value)")
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    if isinstance(value, list) and in_tuple:
        return _stack(value, place)
    if isinstance(value, list | tuple):
        raise ResultError(
            f"to_tensor returned a {kind.__name__} as {place}; return np.asarray(...) for one array, "
            "or a tuple of arrays for several"
        )
    if isinstance(value, np.generic | bool | int | float | complex):
        raise ResultError(f"to_tensor returned a number without batch axis as {place}; the first axis must be the rows")
    raise ResultError(f"to_tensor returned {kind.__module__}.{kind.__qualname__} as {place}; return a numpy array")


def _stack(values: list[Any], place: str) -> Array:
    try:
        return np.asarray(values)
    except ValueError as error:  # rows of differing shape
        raise ResultError(f"to_tensor returned a list as {place} whose rows do not stack: {error}") from error
    except (TypeError, RuntimeError) as error:  # a torch tensor that needs a gradient, for one
        raise ResultError(f"to_tensor returned a list as {place} that is no array: {error}") from error


def _in_native_order(array: Array, place: str) -> Array:
    native = array.dtype.newbyteorder("=")
    if native in _NATIVE:
        return array.astype(native)
    cure = {"O": "rows of one shape stack with np.stack", "c": "give real and imaginary part as channels"}
    hint = cure.get(array.dtype.kind, "tensors hold numbers")
    raise ResultError(f"to_tensor returned dtype {array.dtype} as {place}; {hint}")


def _check_one_is_there(slots: tuple[Array | None, ...], rows: int | None) -> None:
    counts = {len(array) for array in slots if array is not None}
    if not counts or (rows and counts == {0}):
        raise ResultError("to_tensor returned no tensor: every slot of its tuple is None or empty")
    if rows is None and len(counts - {0}) > 1:
        raise ResultError(f"to_tensor returned slots of {sorted(counts)} rows; the first axis of each must be the rows")


def _is_recorded(array: Array | None, slot: Slot, rows: int) -> bool:
    if array is None or slot.kind == "none":
        return array is None and slot.kind == "none"
    shape: tuple[int, ...] = array.shape
    if slot.kind == "empty":
        return shape[0] == 0
    if _DTYPES.get(slot.dtype) != array.dtype or len(shape) != len(slot.shape) or shape[0] != rows:
        return False
    return all(want == got or type(want) is str for want, got in zip(slot.shape, shape, strict=True))


def _words(array: Array | None) -> str:
    return "None" if array is None else f"{array.dtype} {array.shape}"


def _recorded_words(slot: Slot) -> str:
    if slot.kind == "none":
        return "None"
    if slot.kind == "empty":
        return "no rows"
    axes = ", ".join(str(dim) for dim in slot.shape) or BATCH_AXIS
    return f"{slot.dtype} ({axes})"


def _is_findable(module: str) -> bool:
    if sys.modules.get(module) is not None:
        return True
    top, *parts = module.split(".")
    spec = importlib.util.find_spec(top)
    name = top
    for part in parts:  # find_spec("scipy.ndimage") would import scipy
        if spec is None or spec.submodule_search_locations is None:
            return False
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec is not None
