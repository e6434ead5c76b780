"""Operators that torch translates to ONNX in a form that overflows: their own forms here hold for every number.

torch writes logsigmoid(x) as log(sigmoid(x)), which is -inf from x = -88 on, and logaddexp(a, b) as
log(exp(a) + exp(b)), which is inf from 89 on and -inf below -104.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset18 as op


def _like(number: float, x: Any) -> Any:
    return op.CastLike(op.Constant(value_float=number), x)


def _log_one_plus_exp_of_minus(x: Any) -> Any:
    """log(1 + exp(-|x|)), which is between 0 and log(2)."""
    return op.Log(op.Add(_like(1.0, x), op.Exp(op.Neg(op.Abs(x)))))


def _log_sigmoid(x: Any) -> Any:
    return op.Sub(op.Min(x, _like(0.0, x)), _log_one_plus_exp_of_minus(x))


def _log_add_exp(a: Any, b: Any) -> Any:
    apart = op.Where(op.Equal(a, b), _like(0.0, a), op.Sub(a, b))  # inf - inf is no number
    return op.Add(op.Max(a, b), _log_one_plus_exp_of_minus(apart))


def _log_add_exp2(a: Any, b: Any) -> Any:
    factor = _like(math.log(2.0), a)
    return op.Div(_log_add_exp(op.Mul(a, factor), op.Mul(b, factor)), factor)


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.log_sigmoid.default: _log_sigmoid,
    torch.ops.aten.log_sigmoid_forward.default: lambda x: (_log_sigmoid(x), x),
    torch.ops.aten.logaddexp.default: _log_add_exp,
    torch.ops.aten.logaddexp2.default: _log_add_exp2,
}
