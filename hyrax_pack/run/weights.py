"""Weights files: read onto the CPU without executing anything, put into a model."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

from hyrax_pack.errors import TrainingError
from hyrax_pack.model import describe_model
from hyrax_pack.resolving import user_code

if TYPE_CHECKING:
    import torch
    from torch import nn


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a state_dict onto the CPU; nothing in the file is executed.

    Raises
    ------
    TrainingError
        The file is missing or holds anything else than a state_dict.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).strip().split("\n", 1)[0][:200]
        raise TrainingError(f"{path}: not a state_dict that torch.save wrote: {reason}") from error
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
