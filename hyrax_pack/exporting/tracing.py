"""The one call of torch.onnx.export, by the recipe that fails loudly instead of baking a batch size in.

Every input has the string "N" as its first dynamic dimension: torch then raises where code fixes the batch, while
`Dim("batch")` would become static and `Dim.AUTO` wrong, both in silence. The sample's batch is at least 3 and equals
no other dimension. What torch assumes about free dimensions on the way (a branch on `x.shape[0]`) is listened to, so
that a failure of the gate can name the line.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from hyrax_runtime.manifest import Slot
from torch.nn.modules import transformer

from hyrax_pack.exporting.cleaning import line_of_nodes
from hyrax_pack.exporting.inference import Inference
from hyrax_pack.exporting.modes import CAST_AT_ONCE_BYTES, evaluating
from hyrax_pack.exporting.simplifying import simplify
from hyrax_pack.exporting.translations import TRANSLATIONS
from hyrax_pack.exporting.wide_graph import Exact, constants_of, widened

OPSET = 21
LEAST_OPSET = 18  # torch writes 18 for anything below, without a word

# Each is torch talking to itself.
_EXPECTED_WARNINGS = (
    (FutureWarning, r".*isinstance\(treespec, LeafSpec\).*"),
    (FutureWarning, r"_check_is_size will be removed in a future PyTorch release.*"),
    (UserWarning, r"The tensor attributes? .*_flat_weights.* assigned during export.*"),
    (UserWarning, r"# The axis name: .* will not be used, since it shares the same shape constraints.*"),
)
# torch exchanges these operators' kernels while it exports, but the dispatcher remembers the first one it met.
_EXCHANGED = ("lstm", "gru")
_SHAPES_LOGGER = "torch.fx.experimental.symbolic_shapes"
_GUARD = re.compile(r"^eval (?P<guard>.+?) \[guard added\].*?\((?:[^()]*/)?(?P<file>[^/():]+\.py):(?P<line>\d+) in ")
_GUARD_WITH_CODE = re.compile(r"# (?:[^ ]*/)?(?P<file>[^/ ]+\.py):(?P<line>\d+) in ")


@dataclass(frozen=True)
class Traced:
    """A graph as torch made it, not yet cleaned.

    `lines` maps node names to the user's lines; `heard` is what torch's shape analysis said; `exact` holds, in float64,
    the constants that were made of others on the way, and so rounded once more.
    """

    model: ir.Model
    lines: dict[str, str]
    heard: tuple[str, ...]
    exact: Exact = field(default_factory=dict)


def trace(
    inference: Inference, inputs: Sequence[Slot], tensors: Sequence[torch.Tensor], opset: int, heard: list[str]
) -> Traced:
    """Export the module by torch.onnx.export(dynamo=True).

    Parameters
    ----------
    inference : Inference
    inputs : sequence of Slot
        One for each tensor: names and free dimensions.
    tensors : sequence of Tensor
        The sample, of a batch that equals no other dimension.
    opset : int
    heard : list of str
        Gathers what torch's shape analysis says, for `guards_in`; filled on failure too.

    Raises
    ------
    Exception
        Whatever torch raises: see `hyrax_pack.exporting.explaining`.
    """
    shapes = tuple({axis: dim for axis, dim in enumerate(slot.shape) if isinstance(dim, str)} for slot in inputs)
    with evaluating(inference), quiet(heard), _fresh_dispatch(), _transformers_taken_apart():
        program = torch.onnx.export(
            inference,
            tuple(tensors),
            dynamo=True,
            verbose=False,
            optimize=False,  # torch's optimiser drops small constants: see hyrax_pack.exporting.simplifying
            custom_translation_table=TRANSLATIONS,
            opset_version=opset,
            input_names=[str(slot.graph_input) for slot in inputs],
            dynamic_shapes=(tuple(_dim_names(shape) for shape in shapes),),
        )
        if program is None:
            raise RuntimeError("torch.onnx.export gave no program")
        exact = _simplified(program.model)
    return Traced(program.model, line_of_nodes(program.model), tuple(heard), exact)


def _simplified(model: ir.Model) -> Exact:
    """Simplify a graph, and the same graph in float64; return the constants that came out more exactly there."""
    wide = widened(model) if _weights_bytes(model) <= CAST_AT_ONCE_BYTES else None
    simplify(model)
    if wide is None:
        return {}
    simplify(wide)
    narrow = constants_of(model)
    return {
        name: values
        for name, values in constants_of(wide).items()
        if name in narrow and not np.array_equal(values, narrow[name], equal_nan=True)
    }


def _weights_bytes(model: ir.Model) -> int:
    return sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)


def guards_in(heard: Sequence[str], files: Collection[str]) -> tuple[str, ...]:
    """Pick, from what torch's shape analysis logged, the assumptions made at lines of the user's own files."""
    guards = []
    for message in heard:
        match = _GUARD.match(message)
        if match is None:
            continue
        place = _GUARD_WITH_CODE.search(message) or match
        if place["file"] in files:
            guards.append(f"{match['guard']} at {place['file']}:{place['line']}")
    return tuple(dict.fromkeys(guards))


@contextlib.contextmanager
def _fresh_dispatch() -> Iterator[None]:
    """Make the dispatcher look up recurrent layers anew, so that the second export in a process is like the first."""
    caches = [getattr(torch.ops.aten, name).input._dispatch_cache for name in _EXCHANGED]
    for cache in caches:
        cache.clear()
    try:
        yield
    finally:
        for cache in caches:
            cache.clear()


@contextlib.contextmanager
def _transformers_taken_apart() -> Iterator[None]:
    """Let nn.TransformerEncoder take neither its short cut, which is one operator, nor a look at its mask's values.

    Both are only quicker ways to the same answer. The model that the graph is held against goes on taking them.
    """
    enabled, detect = torch.backends.mha.get_fastpath_enabled(), transformer._detect_is_causal_mask
    torch.backends.mha.set_fastpath_enabled(False)
    transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: is_causal is True
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
        transformer._detect_is_causal_mask = detect


def _dim_names(shape: dict[int, str]) -> dict[int, str]:
    """torch takes dimension names that are Python names."""
    return {axis: name.replace(".", "_") for axis, name in shape.items()}


@contextlib.contextmanager
def quiet(heard: list[str] | None = None) -> Iterator[None]:
    """Keep torch's advice to itself, and gather what its shape analysis logs."""
    loggers = [logging.getLogger(name) for name in _loggers()]
    before = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    listener = _Listener([] if heard is None else heard)
    try:
        for logger in loggers:
            logger.handlers = [logging.NullHandler()]
            logger.propagate = False
        shapes = logging.getLogger(_SHAPES_LOGGER)
        shapes.handlers = [listener]
        shapes.setLevel(logging.INFO)
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            for category, message in _EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", message=message, category=category)
            yield
    finally:
        for logger, level, propagate, handlers in before:
            logger.setLevel(level)
            logger.propagate = propagate
            logger.handlers = handlers


def _loggers() -> list[str]:
    """torch's own loggers that say something during an export, with every one below them that has a handler."""
    known = [
        name
        for name, logger in logging.Logger.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
        and name.split(".")[0] in ("torch", "onnxscript", "onnx_ir")
        and (logger.handlers or not logger.propagate)
    ]
    return list(dict.fromkeys(["torch", "onnxscript", "onnx_ir", _SHAPES_LOGGER, *known]))


class _Listener(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        message: Any = record.getMessage()
        self._heard.append(str(message))
