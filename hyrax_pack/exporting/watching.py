"""Watching which operators a model runs, and from which line of the user's code each one comes."""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_PACKAGE = Path(__file__).parents[1]
_OURS = tuple(str(_PACKAGE / folder) for folder in ("exporting", "data", "workflow"))
_TORCH = str(Path(torch.__file__).parent)
# Operators that make a Python value of a tensor, and those that raise where it is not true.
_READING = ("aten._local_scalar_dense", "aten.is_nonzero", "aten.equal")
_ASSERTING = ("aten._assert_async",)
_OTHERS = ("onnxscript", "onnx_ir", "onnx", "numpy", "contextlib.py", "functools.py")


class OperatorWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Record the operators that run inside it.

    Attributes
    ----------
    lines : dict of str to list of str
        Operator (`aten.median.dim`) to the lines of the user's code it came from, in order of appearance.
    random : dict of str to str
        Operators that draw random numbers, with their line.
    narrow : dict of str to str
        Operators that gave floats of less than 64 bits, with their line.
    steps : list of (str, str)
        Operators with their lines, in order, as far as they come from the user's code.
    halves : bool
        Whether any of them gave floats of 16 bits.
    asserted : list of str
        Lines of `assert` statements that look at values, and of torch's own assertions.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lines: dict[str, list[str]] = {}
        self.random: dict[str, str] = {}
        self.narrow: dict[str, str] = {}
        self.steps: list[tuple[str, str]] = []
        self.asserted: list[str] = []
        self.halves = False

    @property
    def files(self) -> frozenset[str]:
        """The names of the user's files that were passed through."""
        return frozenset(line.partition(":")[0] for lines in self.lines.values() for line in lines)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        results = result if isinstance(result, (tuple, list)) else (result,)
        self.halves = self.halves or any(_is_half(value) for value in results)
        name = str(func)
        line = _line_of_frame(sys._getframe(1))
        if not line:
            return result
        self.steps.append((name, line))
        if name.startswith(_READING):
            self.asserted.extend(_asserting_lines(sys._getframe(1)))
        elif name.startswith(_ASSERTING):
            self.asserted.append(line)
        seen = self.lines.setdefault(name, [])
        if line not in seen:
            seen.append(line)
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.random.setdefault(name, line)
        for value in results:
            if _is_narrow(value):
                self.narrow.setdefault(name, line)
        return result


def _is_narrow(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.dtype != torch.float64


def _is_half(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype in (torch.float16, torch.bfloat16)


class UserCode:
    """A block that runs the user's code and keeps what it raises, for the caller to turn into its own error.

    Examples
    --------
    >>> with UserCode() as attempt:
    ...     1 / 0
    >>> attempt.error
    ZeroDivisionError('division by zero')
    """

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> UserCode:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, Exception):
            self.error = error
            return True
        return False


def attempted(call: Callable[[], Any]) -> Exception | None:
    """Run user code; return what it raised, or None."""
    with UserCode() as attempt:
        call()
    return attempt.error


def line_of_error(error: BaseException) -> str:
    """Name the innermost line of the user's code that an exception passed through, or return an empty string."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if frame.lineno is not None and is_users(frame.filename):
            return place(frame.filename, frame.lineno, frame.line)
    return ""


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "nothing more"


def place(filename: str, line: int, code: str | None = None) -> str:
    """Return `model.py:12: code`, without the author's folders."""
    where = f"{Path(filename).name}:{line}"
    return f"{where}: {code.strip()}" if code else where


def is_users(filename: str) -> bool:
    """Whether a file is the user's own: not torch's, not ours, not a library's between them."""
    if filename.startswith((_TORCH, *_OURS, "<frozen", "<eval_with_key>")):
        return False
    return not any(f"/{name}/" in filename or filename.endswith(f"/{name}") for name in _OTHERS)


def _line_of_frame(frame: FrameType | None) -> str:
    """The innermost line of the user's code; empty where it was us who ran the operator."""
    for outer in _outwards(frame):
        filename = outer.f_code.co_filename
        if filename.startswith(_OURS):
            return ""
        if is_users(filename):
            summary = traceback.FrameSummary(filename, outer.f_lineno, outer.f_code.co_name)
            return place(filename, outer.f_lineno, summary.line)
    return ""


def _asserting_lines(frame: FrameType | None) -> Iterator[str]:
    """The `assert` statements of the user's code that a call is made from."""
    for outer in _outwards(frame):
        filename, number = outer.f_code.co_filename, outer.f_lineno
        if filename.startswith(_OURS):
            return
        if not is_users(filename):
            continue
        first = next((at for at in _assertions(filename) if at.start <= number < at.stop), None)
        if first is not None:
            yield place(filename, first.start, linecache.getline(filename, first.start))


@functools.lru_cache(maxsize=64)
def _assertions(filename: str) -> tuple[range, ...]:
    """The lines of every `assert` statement of a file; none where its text is not to be had."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except SyntaxError:
        return ()
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Assert))
    return tuple(range(node.lineno, (node.end_lineno or node.lineno) + 1) for node in found)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
