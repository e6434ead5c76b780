"""What `to_tensor` returned, as the batch that a model's methods are called with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from hyrax_runtime.replay import Returned

    Batch = torch.Tensor | tuple[torch.Tensor | None, ...]


def to_torch(returned: Returned, device: str | torch.device = "cpu") -> Batch:
    """Turn numpy slots into the batch: one tensor for one array, a tuple for a tuple.

    A slot that is None stays None and a slot without rows stays without rows, each in its place: a model that unpacks
    `image, label = batch` finds both. On the CPU a tensor shares its memory with the array.

    Parameters
    ----------
    returned : Returned
        What `hyrax_runtime.replay.as_slots` gave.
    device : str or torch.device
        Where the tensors go.

    Examples
    --------
    >>> from hyrax_runtime.replay import as_slots
    >>> image, label = to_torch(as_slots((np.zeros((2, 3), "float32"), None), rows=2))
    >>> tuple(image.shape), label
    ((2, 3), None)
    """
    slots = tuple([None if array is None else _as_tensor(array) for array in returned.slots])
    batch = slots if returned.returns == "tuple" else _only(slots)
    return batch if str(device) == "cpu" else move_batch(batch, device)


def move_batch(batch: Batch, device: str | torch.device, *, non_blocking: bool = False) -> Batch:
    """Put every tensor of a batch on `device`."""
    if isinstance(batch, tuple):
        return tuple([None if each is None else each.to(device, non_blocking=non_blocking) for each in batch])
    return batch.to(device, non_blocking=non_blocking)


def _as_tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    import torch

    # torch cannot mark memory as read-only, and a model that writes into its batch would write through it.
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _only(slots: tuple[torch.Tensor | None, ...]) -> torch.Tensor:
    (tensor,) = slots
    if tensor is None:
        raise ValueError("one array cannot be None")
    return tensor
