"""The states a model is put into while it is looked at, each undone exactly afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

# What gives a tensor of a tensor, and looks like an attribute.
_VIEWS = frozenset(getattr(torch.Tensor, name).__get__ for name in ("T", "mT", "H", "mH"))
_DTYPE = frozenset({getattr(torch.Tensor, "dtype").__get__})  # noqa: B009  # its annotation hides the descriptor
_NARROWING = frozenset({torch.Tensor.float, torch.Tensor.half, torch.Tensor.bfloat16})

# Models whose parameters take more than this are cast a function call at a time, so that they are never held twice.
CAST_AT_ONCE_BYTES = 256 << 20

_WIDE = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode, without gradients; afterwards each module's own flag is back.

    `model.train(was)` would not do: it sets one flag for the whole tree, and switches on a dropout that its author had
    switched off.
    """
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, training in flags:
            module.training = training


def widened(tensor: Any) -> Any:
    """Return a tensor in double precision where it holds floats; anything else, None too, as it is."""
    if not isinstance(tensor, torch.Tensor):
        return tensor
    return tensor.to(_WIDE[tensor.dtype]) if tensor.dtype in _WIDE else tensor


@contextmanager
def in_float64(model: nn.Module, *, at_once_bytes: int = CAST_AT_ONCE_BYTES) -> Iterator[None]:
    """Let the model compute in float64: parameters, buffers, plain tensor attributes, new tensors, and its own casts.

    The tensors' identity is kept (only their data is exchanged), so that tied weights stay tied and the lists of
    weights that an LSTM keeps stay right. A model over `at_once_bytes` is never held twice: every function of torch is
    given the weights that it asks for in double precision, whichever module they belong to.
    """
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    tensors = _tensors(list(model.modules()))
    at_once = sum(tensor.nbytes for tensor in tensors) <= at_once_bytes
    try:
        with _WideCasts(() if at_once else tensors), _cast(tensors if at_once else ()):
            yield
    finally:
        torch.set_default_dtype(default)


class _WideCasts(TorchFunctionMode):
    """Turns what the model itself casts to float32 or less, `x.float()` or `dtype=torch.float32`, into float64.

    The tensors in `weights` are handed to functions in double precision, for the time of the call.
    """

    def __init__(self, weights: Iterable[torch.Tensor] = ()) -> None:
        super().__init__()
        self._weights = {id(tensor): tensor for tensor in weights if tensor.dtype in _WIDE}

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _NARROWING:
            return torch.Tensor.double(args[0])
        if getattr(func, "__name__", "") in ("__get__", "__set__") and func not in _VIEWS:
            found = func(*args, **(kwargs or {}))  # a shape: no copy is needed to tell
            return _WIDE.get(found, found) if func in _DTYPE and id(args[0]) in self._weights else found
        wide = [self._in_double(each) for each in args]
        named = {key: self._in_double(value) for key, value in (kwargs or {}).items()}
        return func(*wide, **named)

    def _in_double(self, value: Any) -> Any:
        if isinstance(value, torch.dtype):
            return _WIDE.get(value, value)
        if id(value) in self._weights:
            return widened(value)
        if self._weights and type(value) in (list, tuple):  # the weights of an LSTM
            return type(value)(map(self._in_double, value))
        return value


def _tensors(modules: list[nn.Module]) -> list[torch.Tensor]:
    """Every tensor that the modules hold themselves, each once."""
    found: dict[int, torch.Tensor] = {}
    for module in modules:
        held = [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
        for value in held:
            if isinstance(value, torch.Tensor):
                found[id(value)] = value
    return list(found.values())


@contextmanager
def _cast(tensors: Iterable[torch.Tensor]) -> Iterator[None]:
    undo: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        for tensor in tensors:
            if tensor.dtype in _WIDE:
                undo.append((tensor, tensor.data))
                tensor.data = widened(tensor.data)
        yield
    finally:
        for tensor, data in undo:
            tensor.data = data


@contextmanager
def without_onednn() -> Iterator[None]:
    """Compute with torch's own kernels: another order of the same float32 additions."""
    enabled = torch._C._get_mkldnn_enabled()  # the public switch sets TF32 too, and warns about it
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Compute on one thread: then sums are added in one order, and equal input gives equal bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Start torch's random numbers from `seed`, and leave the caller's where they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
