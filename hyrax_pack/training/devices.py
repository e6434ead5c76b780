"""Where training runs: what was asked for, or an error."""

from __future__ import annotations

import os

import torch

from hyrax_pack.errors import TrainingError


def choose_device(asked: str, *, local_rank: int | None = None) -> torch.device:
    """The device for `[train] device`.

    Parameters
    ----------
    asked : str
        `auto` (the best that is here: cuda, then mps, then cpu), `cpu`, `mps`, `cuda`, or `cuda:1`.
    local_rank : int or None
        This process's place on the machine under torchrun: each takes a GPU of its own.

    Raises
    ------
    TrainingError
        It is not here. Training never moves to another device in silence.
    """
    if asked == "auto":
        asked = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(asked)
    if device.type == "cuda":
        return _cuda(device, asked, local_rank)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise TrainingError(f"train.device = {asked!r}: this machine has no Apple GPU that torch can use; use 'cpu'")
    return device


def _cuda(device: torch.device, asked: str, local_rank: int | None) -> torch.device:
    if not torch.cuda.is_available():
        built = "a build without CUDA" if torch.version.cuda is None else "no usable NVIDIA driver or GPU"
        raise TrainingError(f"train.device = {asked!r}: torch {torch.__version__} finds {built}; use 'auto' or 'cpu'")
    count = torch.cuda.device_count()
    index = device.index if device.index is not None else local_rank or 0
    if index >= count:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        note = f" (CUDA_VISIBLE_DEVICES={visible})" if visible is not None else ""
        raise TrainingError(f"train.device = {asked!r}: GPU {index} is not among the {count} that are here{note}")
    torch.cuda.set_device(index)  # a model that says .cuda() means this one
    return torch.device("cuda", index)
