"""The states a model is put into while it is looked at, each undone exactly afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_NARROWING = frozenset({torch.Tensor.float, torch.Tensor.half, torch.Tensor.bfloat16})

# Models whose parameters take more than this are cast one module at a time, so that they are never held twice.
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
    weights that an LSTM keeps stay right. A model over `at_once_bytes` is cast one module at a time, around each
    module's own forward.
    """
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    size = sum(tensor.nbytes for tensor in _tensors(list(model.modules())))
    try:
        with _WideCasts(), _cast(list(model.modules())) if size <= at_once_bytes else _cast_around_forward(model):
            yield
    finally:
        torch.set_default_dtype(default)


class _WideCasts(TorchFunctionMode):
    """Turns what the model itself casts to float32 or less, `x.float()` or `dtype=torch.float32`, into float64."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _NARROWING:
            return torch.Tensor.double(args[0])
        wide = [_WIDE.get(each, each) if isinstance(each, torch.dtype) else each for each in args]
        named = {
            key: _WIDE.get(value, value) if isinstance(value, torch.dtype) else value
            for key, value in (kwargs or {}).items()
        }
        return func(*wide, **named)


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
def _cast(modules: list[nn.Module]) -> Iterator[None]:
    undo: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        for tensor in _tensors(modules):
            if tensor.dtype in _WIDE:
                undo.append((tensor, tensor.data))
                tensor.data = widened(tensor.data)
        yield
    finally:
        for tensor, data in undo:
            tensor.data = data


@contextmanager
def _cast_around_forward(model: nn.Module) -> Iterator[None]:
    handles = []
    open_casts: list[Any] = []

    def enter(module: nn.Module, _: Any) -> None:
        cast = _cast([module])
        cast.__enter__()
        open_casts.append(cast)

    def leave(*_: Any) -> None:
        open_casts.pop().__exit__(None, None, None)

    try:
        for module in model.modules():
            if _tensors([module]):
                handles.append(module.register_forward_pre_hook(enter, prepend=True))
                handles.append(module.register_forward_hook(leave))
        yield
    finally:
        for handle in handles:
            handle.remove()
        while open_casts:
            leave()


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
