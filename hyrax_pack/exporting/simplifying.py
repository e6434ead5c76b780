"""A graph as torch translates it, made smaller by steps that change no value.

torch's own optimiser takes `x + 1e-9` for `x + 0` and `x * (1 + 1e-6)` for `x`: its patterns compare constants with a
tolerance, and the epsilon that keeps a model from dividing by zero is gone from the graph. So torch exports without it,
and what is safe of it is applied here: functions inlined, constants folded, dead and double nodes removed, shapes
computed once, and multiplication by exactly 1.

One step moves constants by rounding: a batch normalisation is folded into the convolution or matrix product before it.
onnxruntime does that itself for convolutions, but then each process holds a copy of the weights; for matrix products it
would cost a seventh of the time of a small network.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from onnx_ir.passes import common as passes
from onnxscript.optimizer import fold_constants_ir
from onnxscript.rewriter import RewritePass
from onnxscript.rewriter.pattern import RewriteRule
from onnxscript.rewriter.rules import common as rules

ROUNDS = 2  # what one round folds may let the next one fold more


def simplify(model: ir.Model) -> None:
    """Make the graph smaller, in place; it computes what it computed before."""
    passes.InlinePass()(model)
    for _ in range(ROUNDS):
        fold_constants_ir(model, onnx_shape_inference=True)
        RewritePass(_RULES)(model)
        passes.RemoveUnusedNodesPass()(model)
    passes.RemoveUnusedFunctionsPass()(model)  # type: ignore[no-untyped-call]  # onnx_ir has no type there
    passes.RemoveUnusedOpsetsPass()(model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.LiftSubgraphInitializersToMainGraphPass()(model)
    passes.DeduplicateInitializersPass()(model)
    passes.CommonSubexpressionEliminationPass()(model)
    passes.OutputFixPass()(model)
    passes.NameFixPass()(model)


def _product(op: Any, x: ir.Value, one: ir.Value) -> Any:
    return op.Mul(x, one)


def _quotient(op: Any, x: ir.Value, one: ir.Value) -> Any:
    return op.Div(x, one)


def _is_one(_: Any, one: ir.Value, **__: Any) -> bool:
    """Whether a value is the constant 1, to the last bit, and a single number that broadcasts nothing."""
    tensor = ir.convenience.get_const_tensor(one)
    return tensor is not None and tensor.shape.rank() == 0 and bool(tensor.numpy() == 1)


def _itself(op: Any, x: ir.Value, **_: Any) -> Any:
    return op.Identity(x)


_PRODUCT = RewriteRule(_product, _itself, _is_one)

# Those of onnxscript's rules that compare no floats, or compare them exactly.
_RULES = (
    *_PRODUCT.commute(),
    RewriteRule(_quotient, _itself, _is_one),
    rules.two_reshapes_matmul_reshape_rule,
    rules.one_reshape_matmul_reshape_rule,
    rules.cast_constant_of_shape_rule,
    rules.cast_constant_of_shape_without_value_rule,
    rules.collapse_slice_rule,
    rules.collapse_slice2_rule,
    rules.materialize_reshape_shape_rule,
    rules.no_op_cast_rule,
    rules.no_op_expand_rule,
    rules.flatten_to_reshape_rule,  # before reshape_reshape
    rules.reshape_reshape_rule,
    rules.slice_split_rule,
    rules.no_op_transpose_rule,
    rules.transpose_transpose_rule,
    rules.unsqueeze_unsqueeze_rule,
    rules.squeeze_reshape_1d_rule,
    rules.no_op_dynamic_scatter_nd_rule,
    rules.no_op_static_scatter_nd_rule,
    rules.fuse_pad_into_conv_rule,
    rules.fuse_batchnorm_into_conv_rule,
    rules.fuse_batchnorm_into_conv_transpose_rule,
    rules.fuse_batchnorm_into_gemm_rule,
    rules.remove_optional_bias_from_conv_rule,
    rules.remove_optional_bias_from_conv_transpose_rule,
    rules.remove_optional_bias_from_gemm_rule,
)
