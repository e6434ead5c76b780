"""Weights files: read onto the CPU without executing anything, put into a model."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyrax_pack.errors import TrainingError
from hyrax_pack.model import describe_model
from hyrax_pack.resolving import user_code

if TYPE_CHECKING:
    import torch
    from torch import nn

# What torch's reader stumbles over in bytes that are no file of its own: it interprets them one by one.
_DAMAGED = (
    pickle.UnpicklingError, RuntimeError, EOFError, struct.error, ValueError, LookupError, AttributeError, TypeError,
    AssertionError, OverflowError,
)  # fmt: skip


def read_tensors(path: Path) -> Any:
    """Read a file of torch.save onto the CPU; nothing in it is executed.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is damaged, or holds what only executing it would bring back; the message is one line.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except _DAMAGED as error:
        reason = str(error).strip().split("\n", 1)[0][:160]
        raise ValueError(reason or type(error).__name__) from error


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a state_dict onto the CPU; nothing in the file is executed.

    Raises
    ------
    TrainingError
        The file is missing or holds anything else than a state_dict.
    """
    try:
        state = read_tensors(path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise TrainingError(f"{path}: not a state_dict that torch.save wrote: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise TrainingError(f"{path}: holds {type(state).__name__}; expected a state_dict (name -> tensor)")
    return state


def load_into(model: nn.Module, path: Path) -> None:
    """Put the weights of a file into a model, by the class's own `load` where it has one.

    Raises
    ------
    TrainingError
        The file cannot be read, or its weights are those of another model.
    """
    spec = describe_model(type(model))
    if spec.load is not None:
        with user_code(f"{spec.name}.{spec.load}", TrainingError):
            getattr(model, spec.load)(path)
        return
    state = load_weights(path)
    with user_code(f"{path}: these are not the weights of {spec.name}", TrainingError):
        model.load_state_dict(state)
    settle_lazy(model)


def settle_lazy(model: nn.Module) -> None:
    """Make lazy layers that weights have given their shape what they are to become.

    torch does so at their first call; where that call is one that may leave no trace, it would be half undone.
    """
    from torch.nn.modules.lazy import LazyModuleMixin

    for module in model.modules():
        hook: Any = getattr(module, "_initialize_hook", None)
        if not isinstance(module, LazyModuleMixin) or hook is None or module.has_uninitialized_params():
            continue
        hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
