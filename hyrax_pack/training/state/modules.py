"""What a module holds beside its state_dict: attributes of its parts, and buffers that are not persistent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

# Attributes that torch itself keeps on every module.
_OF_TORCH = frozenset(vars(nn.Module()))
_SCALARS = (type(None), bool, int, float, str)


def attributes_of(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, Any]]:
    """Dotted path, owner, name and value of every attribute that training may change."""
    for prefix, module in model.named_modules():
        of_torch = type(module).__module__.split(".", 1)[0] == "torch"
        for name, value in list(vars(module).items()):
            # A layer of torch keeps what it learns in its state_dict; its settings are scalars.
            if name not in _OF_TORCH and (not of_torch or isinstance(value, _SCALARS)):
                yield f"{prefix}.{name}" if prefix else name, module, name, value


def buffers_outside(model: nn.Module) -> dict[str, torch.Tensor]:
    """The buffers that are not in the state_dict."""
    kept = model.state_dict(keep_vars=True)
    return {name: buffer for name, buffer in model.named_buffers() if name not in kept}


def fill_buffers(model: nn.Module, values: dict[str, torch.Tensor]) -> None:
    """Put buffers back, in place where they have their shape."""
    buffers = dict(model.named_buffers())
    with torch.no_grad():
        for name in values.keys() & buffers.keys():
            there, value = buffers[name], values[name]
            if there.shape == value.shape:
                there.copy_(value)
            else:
                owner, _, last = name.rpartition(".")
                model.get_submodule(owner)._buffers[last] = value.to(there.device, copy=True)
