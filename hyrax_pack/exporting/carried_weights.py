"""The weights in the graph are the model's own, bit for bit, wherever they stand under their own names.

The gate compares outputs, and one weight among thousands may move an output by less than rounding does. So the weights
are compared themselves. Where torch folded one into another (a normalisation into its convolution), the whole tensor
differs, and the outputs alone decide; where most of a tensor is the model's and some of it is not, it is damaged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from torch import nn

from hyrax_pack.errors import ParityError
from hyrax_pack.exporting.weights import Weights

PREFIX = "model."  # of the module that is exported
DAMAGED_FROM_SHARE = 0.5


def check_carried_weights(graph: bytes, weights: Weights, model: nn.Module) -> int:
    """Compare every tensor of the graph that bears the name of a parameter or buffer.

    Returns
    -------
    int
        How many tensors are the model's bit for bit.

    Raises
    ------
    ParityError
        A tensor is partly the model's.
    """
    state: dict[str, torch.Tensor] = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    equal = 0
    for tensor in onnx.load_from_string(graph).graph.initializer:
        name = tensor.name.removeprefix(PREFIX)
        if name not in state or not tensor.name.startswith(PREFIX):
            continue
        mine, theirs = _bytes_of(state[name]), _carried(tensor, weights)
        if mine is None or theirs is None or mine.shape != theirs.shape:
            continue
        same = (mine == theirs).reshape(len(mine), -1).all(axis=1) if len(mine) else np.ones(0, bool)
        if same.all():
            equal += 1
        elif same.mean() >= DAMAGED_FROM_SHARE:
            raise ParityError(
                f"{len(same) - int(same.sum())} of {len(same)} values of {name} are not the model's in the graph, the "
                "others are: the weights were damaged on the way"
            )
    return equal


def _bytes_of(tensor: torch.Tensor) -> NDArray[np.uint8] | None:
    """A tensor's values as rows of bytes; None where numpy has no such dtype."""
    if tensor.dtype == torch.bfloat16 or tensor.is_sparse:
        return None
    array: NDArray[Any] = tensor.detach().contiguous().numpy()
    return array.reshape(-1).view(np.uint8).reshape(array.size, array.itemsize)


def _carried(tensor: TensorProto, weights: Weights) -> NDArray[np.uint8] | None:
    if tensor.data_location != TensorProto.EXTERNAL:
        array = numpy_helper.to_array(tensor)
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(array.size, array.itemsize)
    where = {entry.key: entry.value for entry in tensor.external_data}
    offset, length = int(where["offset"]), int(where["length"])
    items = int(np.prod(tensor.dims, dtype=np.int64))
    block = np.frombuffer(weights.data[offset : offset + length], np.uint8)
    return block.reshape(items, -1) if items and length % items == 0 else None
