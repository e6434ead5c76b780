"""A graph in float64: what it says, apart from how precisely it is computed.

Every float in it is widened, weights, constants and casts alike, and the nodes are run one after another by ONNX's own
reference implementation. Where that is slow or stays in float32, torch's float64 kernels stand in.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from numpy.typing import NDArray

from hyrax_pack.exporting.answering import Outputs

if TYPE_CHECKING:
    from onnx.reference import ReferenceEvaluator

Exact = Mapping[str, NDArray[np.float64]]
Kinds = Collection[ir.DataType]

HALVES = frozenset({ir.DataType.FLOAT16, ir.DataType.BFLOAT16})
NARROW = frozenset({ir.DataType.FLOAT, *HALVES})
# What the reference implementation computes in float32 whatever it is given, by its own code or its function's body.
_NARROW_OPERATORS = frozenset(
    {
        "Attention",
        "CausalConvWithState",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "LinearAttention",
        "MelWeightMatrix",
        "QuantizeLinear",
        "RMSNormalization",
        "TfIdfVectorizer",
    }
)
# A constant that needs no more bits than this is what its author wrote: 0.5, 5000, not 0.1.
_BITS_OF_A_ROUND_NUMBER = 12


def widened(model: ir.Model, kinds: Kinds = NARROW) -> ir.Model:
    """Return a copy that computes in float64 whatever is in one of these kinds of float."""
    wide = model.clone()
    for graph in (wide.graph, *wide.graph.subgraphs(), *(function.graph for function in wide.functions.values())):
        _widen_values([*graph.inputs, *graph.outputs, *graph.initializers.values()], kinds)
        for node in graph:
            _widen_values(node.outputs, kinds)
            for attribute in [_widened_attribute(name, each, kinds) for name, each in node.attributes.items()]:
                node.attributes.add(attribute)
            if node.op_type == "GroupNormalization":  # in which precision its statistics are
                node.attributes.add(ir.Attr("stash_type", ir.AttributeType.INT, ir.DataType.DOUBLE))
            if "value" in node.attributes:  # of a Constant: what was widened is a tensor now
                node.attributes.pop("value_float", None)
    return wide


def narrow_operators(model: ir.Model) -> list[str]:
    """Name the operators of a graph that the reference implementation has no float64 for."""
    return sorted({node.op_type for node in ir.traversal.RecursiveGraphIterator(model.graph)} & _NARROW_OPERATORS)


def holds_halves(model: ir.Model) -> bool:
    """Whether anything in a graph is in half precision."""
    values = [*model.graph.inputs, *model.graph.initializers.values()]
    nodes = list(ir.traversal.RecursiveGraphIterator(model.graph))
    casts = (node.attributes["to"].as_int() for node in nodes if node.op_type == "Cast")
    return any(value.dtype in HALVES for value in values) or any(to in HALVES for to in casts)


def constants_of(model: ir.Model) -> dict[str, NDArray[np.float64]]:
    """Return what the initializers of a graph hold, floats of any kind, by name."""
    return {
        name: np.asarray(value.const_value.numpy(), np.float64)
        for name, value in model.graph.initializers.items()
        if value.const_value is not None and value.const_value.dtype in (*NARROW, ir.DataType.DOUBLE)
    }


def run_graph(model: ir.Model, feed: Mapping[str, NDArray[Any]]) -> Outputs:
    """Run a graph, node by node, in whatever precision it has.

    Raises
    ------
    Exception
        Whatever the reference implementation raises for an operator that it does not have.
    """
    proto = ir.to_proto(model)
    names = [output.name for output in proto.graph.output]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference implementation's own: what it computes is compared
        found = _evaluator(proto).run(None, dict(feed))
    return {name: np.asarray(values) for name, values in zip(names, found, strict=True)}


def with_exact(model: ir.Model, exact: Exact) -> None:
    """Give, in a widened graph, the constants that are the rounding of something known exactly as they are exactly."""
    for name, value in model.graph.initializers.items():
        held = None if value.const_value is None else value.const_value.numpy()
        known = exact.get(name)
        if held is None or known is None or held.shape != known.shape or held.dtype != known.dtype:
            continue
        rounded = known.astype(np.float32)
        if (np.abs(held - rounded) <= 2 * np.spacing(np.abs(rounded))).all():
            value.const_value = ir.Tensor(known, name=name)


def shake_constants(model: ir.Model, held_exactly: frozenset[str], seed: int) -> None:
    """Move, in a widened graph, every constant by what rounding to float32 moves it at most, to one side or the other.

    Those in `held_exactly` stay, and so does what needs no rounding: 0.5, 5000.
    """
    rng = np.random.default_rng(seed)
    for name, value in model.graph.initializers.items():
        if value.const_value is None or value.const_value.dtype != ir.DataType.DOUBLE or name in held_exactly:
            continue
        value.const_value = ir.Tensor(_shaken(value.const_value.numpy(), rng), name=name)
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for name, attribute in list(node.attributes.items()):
            if attribute.type == ir.AttributeType.FLOAT:
                moved = float(_shaken(np.array(attribute.as_float()), rng))
                node.attributes[name] = ir.Attr(name, ir.AttributeType.FLOAT, moved)
            elif attribute.type == ir.AttributeType.TENSOR and attribute.as_tensor().dtype == ir.DataType.DOUBLE:
                node.attributes[name] = ir.Attr(
                    name, ir.AttributeType.TENSOR, ir.Tensor(_shaken(attribute.as_tensor().numpy(), rng))
                )


def _shaken(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    mantissa, _ = np.frexp(values)
    parts = mantissa * 2.0**_BITS_OF_A_ROUND_NUMBER
    sides = rng.choice([-1.0, 1.0], size=values.shape)
    half_an_ulp = np.float64(2.0**-24)
    return np.where(parts == np.rint(parts), values, values * (1 + sides * half_an_ulp))


def _widen_values(values: Iterable[ir.Value], kinds: Kinds) -> None:
    for value in values:
        if value.dtype in kinds:
            value.type = ir.TensorType(ir.DataType.DOUBLE)  # not its dtype: a copy shares the type with its original
        if value.const_value is not None and value.const_value.dtype in kinds:
            value.const_value = _widened_tensor(value.const_value)


def _widened_tensor(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    return ir.Tensor(np.array(tensor.numpy(), np.float64), name=tensor.name)


def _widened_attribute(name: str, attribute: ir.Attr, kinds: Kinds) -> ir.Attr:
    if attribute.type == ir.AttributeType.TENSOR and attribute.as_tensor().dtype in kinds:
        return ir.Attr(name, ir.AttributeType.TENSOR, _widened_tensor(attribute.as_tensor()))
    if name == "value_float" and attribute.type == ir.AttributeType.FLOAT:
        return ir.Attr("value", ir.AttributeType.TENSOR, ir.Tensor(np.array(attribute.as_float(), np.float64)))
    if name in ("to", "dtype") and attribute.type == ir.AttributeType.INT and attribute.as_int() in kinds:
        return ir.Attr(name, ir.AttributeType.INT, ir.DataType.DOUBLE)
    return attribute


def _evaluator(proto: onnx.ModelProto) -> ReferenceEvaluator:
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(proto, new_ops=list(_stand_ins()))


@functools.cache
def _stand_ins() -> tuple[type, ...]:
    from onnx.reference.op_run import OpRun

    class Erf(OpRun):  # type: ignore[misc]  # onnx has no types there; and it computes this one in float32
        def _run(self, x: Any) -> tuple[Any]:
            return (torch.erf(_tensor(x)).numpy(),)

    class Conv(OpRun):  # type: ignore[misc]
        def _run(self, x: Any, w: Any, b: Any = None, **how: Any) -> tuple[Any]:
            axes = x.ndim - 2
            if (how.get("auto_pad") or "NOTSET") != "NOTSET":
                raise NotImplementedError("auto_pad")
            pads = how.get("pads") or [0] * 2 * axes
            padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)])
            convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[axes - 1]
            return (
                convolve(
                    _tensor(padded),
                    _tensor(w),
                    None if b is None else _tensor(b),
                    stride=list(how.get("strides") or [1] * axes),
                    dilation=list(how.get("dilations") or [1] * axes),
                    groups=how.get("group") or 1,
                ).numpy(),
            )

    class AffineGrid(OpRun):  # type: ignore[misc]  # the reference computes it in float32
        def _run(self, theta: Any, size: Any, align_corners: int = 0) -> tuple[Any]:
            grid = torch.nn.functional.affine_grid(_tensor(theta), size.tolist(), align_corners=bool(align_corners))
            return (grid.numpy(),)

    return (Erf, Conv, AffineGrid)


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array, order="C"))
