"""How much rounding alone moves a result: the function itself, run with the last bits of its arithmetic shaken.

`x - x.mean()` comes out near zero where x is near its mean, and then its digits are rounding; `log1p(x)` near zero has
all its digits. A tolerance must know the two apart, so it is measured: the text is run again with every sum, product
and function value moved by some units in the last place, at random. What moves with it may differ between runtimes;
nothing else may. Values that are only moved around (indexing, where, clip, sort) are not shaken.

Rounding moves a result in proportion: eight times the shaking, about eight times the movement. A result that jumps
sits on an edge (a comparison, a floor), where shaking says nothing about what is right: its noise counts as none.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.lowering.proving.calling import FunctionRaised, Tensors, call_original
from hyrax_pack.lowering.proving.samples import Samples

RUNS = 12
_ULPS, _STRONGER = 2.0, 8.0
_MOST_GROWTH = 2 * _STRONGER**2  # of what goes with the square of the shaking
_CALLED, _ROUNDED, _CHANGED = "__hyrax_called__", "__hyrax_rounded__", "__hyrax_changed__"

_ACCUMULATING = frozenset(
    {
        "average", "convolve", "correlate", "cumprod", "cumsum", "dot", "einsum", "fft", "fft2", "fftn",
        "ifft", "ifft2", "inner", "matmul", "mean", "nancumsum", "nanmean", "nanstd", "nansum", "nanvar",
        "norm", "prod", "rfft", "rfft2", "std", "sum", "tensordot", "trace", "trapezoid", "var", "vdot",
    }
)  # fmt: skip
_SPECTRAL = frozenset({"fft", "fft2", "fftn", "ifft", "ifft2", "rfft", "rfft2"})
_ROUNDING = _ACCUMULATING | frozenset(
    {
        "add", "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cbrt", "cos", "cosh",
        "cross", "deg2rad", "degrees", "diff", "divide", "exp", "exp2", "expm1", "fft", "fft2", "float_power",
        "gradient", "histogram", "hypot", "ifft", "interp", "irfft", "log", "log10", "log1p", "log2", "logaddexp",
        "median", "multiply", "nanmedian", "nanpercentile", "nanquantile", "outer", "percentile", "polyval", "power",
        "ptp", "quantile", "rad2deg", "radians", "reciprocal", "rfft", "rfft2", "round", "around", "sin", "sinc",
        "sinh", "sqrt", "square", "subtract", "tan", "tanh", "true_divide",
    }
)  # fmt: skip


Noise = Sequence[NDArray[np.float64] | None]


class ShakenFunction:
    """The text as a function whose arithmetic is shaken, in the same way for the same seed."""

    def __init__(self, text: str) -> None:
        self.shake(0, 1.0)
        tree = ast.fix_missing_locations(_Shaking().visit(ast.parse(text)))
        namespace: dict[str, Any] = {"__name__": "hyrax_to_tensor"}
        namespace |= {_CALLED: self._called, _ROUNDED: self._rounded, _CHANGED: self._changed}
        exec(compile(tree, "<shaking to_tensor.py>", "exec", dont_inherit=True), namespace)
        self._function: Callable[[Any], Any] = namespace["to_tensor"]

    def shake(self, seed: int, strength: float) -> None:
        """Say how the next call is shaken."""
        self._random = np.random.default_rng(seed)
        self._strength = strength

    def __call__(self, data_dict: Any) -> Any:
        """Call the function on one data_dict."""
        with np.errstate(all="ignore"):  # as replay does
            return self._function(data_dict)

    def _called(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        name = getattr(function, "__name__", "")
        if name not in _ROUNDING:
            return function(*args, **kwargs)
        if name in _SPECTRAL:
            return self._shaken_spectrum(function(*args, **kwargs), args[0])
        if name in _ACCUMULATING:
            owner = getattr(function, "__self__", None)
            if isinstance(owner, np.ndarray):
                function = getattr(self._rounded(owner), name)
            args = tuple(self._rounded(one) for one in args)
        return self._rounded(function(*args, **kwargs))

    def _shaken_spectrum(self, spectrum: Any, signal: Any) -> Any:
        """Return a spectrum that is off as transforms are: every frequency by as much as a sum of that many values."""
        if not isinstance(spectrum, np.ndarray) or not isinstance(signal, np.ndarray):
            return spectrum
        size = np.abs(signal)
        finite = np.where(np.isfinite(size), size, 0)
        largest = finite.max(axis=tuple(range(1, finite.ndim)) or None, keepdims=True, initial=0)
        count = np.sqrt(finite[0].size if len(finite) else 1)
        step = _ULPS * self._strength * np.finfo(spectrum.dtype).eps * largest * count
        noise = [self._random.uniform(-1, 1, spectrum.shape) for _ in range(2)]
        moved = spectrum + step * (noise[0] + 1j * noise[1] if np.iscomplexobj(spectrum) else noise[0])
        return moved.astype(spectrum.dtype)

    def _rounded(self, value: Any) -> Any:
        """Return a float result with its last bits moved; everything else as it is."""
        if isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f":
            share = self._random.uniform(0.5, 1, value.shape) * self._random.choice([-1.0, 1.0], value.shape)
            share = share.astype(value.dtype)
            step = value.dtype.type(_ULPS * self._strength * np.finfo(value.dtype).eps)
            with np.errstate(all="ignore"):
                moved = value + value * (share * step)
            kept = np.where(np.isfinite(moved), moved, value)
            return kept if isinstance(value, np.ndarray) else kept[()]
        if type(value) is tuple:
            return tuple(map(self._rounded, value))
        return value

    def _changed(self, value: Any) -> None:
        """Move the last bits of an array that was calculated in place."""
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.flags.writeable:
            value[...] = self._rounded(value)


def measure_noise(
    shaken: ShakenFunction,
    samples: Samples,
    columns: Mapping[str, NDArray[Any]],
    plain: Tensors,
    is_enough: Callable[[Noise], bool] = lambda _: False,
) -> Noise:
    """Return, per slot, how far rounding moves every value; None for slots that hold no floats.

    It grows with every shaking; `is_enough` says when no more are asked for.
    """
    noise: list[NDArray[np.float64] | None] = [
        np.zeros(one.shape) if one is not None and one.dtype.kind == "f" else None for one in plain
    ]
    for seed in range(RUNS):
        moved = [_movement(shaken, samples, columns, plain, seed, strength) for strength in (1.0, _STRONGER)]
        for place, (held, little, much) in enumerate(zip(noise, *moved, strict=True)):
            if held is None or little is None or much is None:
                continue
            grows = (much >= _STRONGER / 2 * little) & (much <= _MOST_GROWTH * little)
            noise[place] = np.maximum(held, np.where(grows, much / _STRONGER, 0.0))
        if is_enough(noise):
            break
    return noise


def largest_movement(
    shaken: ShakenFunction, samples: Samples, columns: Mapping[str, NDArray[Any]], plain: Tensors
) -> Noise:
    """Return, per slot, how far every value went under a few shakings, in proportion or not."""
    largest: list[NDArray[np.float64] | None] = [None] * len(plain)
    for seed in range(RUNS // 4):
        for place, moved in enumerate(_movement(shaken, samples, columns, plain, seed, _STRONGER)):
            held = largest[place]
            largest[place] = moved if held is None or moved is None else np.maximum(held, moved)
    return largest


def _movement(
    shaken: ShakenFunction,
    samples: Samples,
    columns: Mapping[str, NDArray[Any]],
    plain: Tensors,
    seed: int,
    strength: float,
) -> list[NDArray[np.float64] | None]:
    """Return, per slot, how far one shaking moves every value."""
    shaken.shake(seed, strength)
    try:
        moved = call_original(shaken, samples, columns)
    except FunctionRaised:
        return [None] * len(plain)
    return [_apart(before, after) for before, after in zip(plain, moved, strict=True)]


def _apart(before: NDArray[Any] | None, after: NDArray[Any] | None) -> NDArray[np.float64] | None:
    if before is None or after is None or before.shape != after.shape or before.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        apart = np.abs(after.astype(np.float64) - before.astype(np.float64))
    # a finite value that shaking sends to infinity has no digits at all; NaN says nothing
    return np.where(np.isnan(apart), 0.0, apart)


class _Shaking(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return _call(_CALLED, [node.func, *node.args], node, node.keywords)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return _call(_ROUNDED, [node], node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.AST]:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            return node
        name = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        return [node, ast.copy_location(ast.Expr(_call(_CHANGED, [name], node)), node)]

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node


def _call(name: str, args: list[ast.expr], at: ast.AST, keywords: Sequence[ast.keyword] = ()) -> ast.Call:
    function = ast.copy_location(ast.Name(name, ast.Load()), at)
    return ast.copy_location(ast.Call(function, args, list(keywords)), at)
