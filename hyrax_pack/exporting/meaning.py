"""What the graph says, apart from rounding: in float64 it must answer as the model does in float64.

In float32 a graph may be off by 16 times the model's own noise, and where a model is noisy (counts on a pedestal, taken
off inside the network) a wrong weight moves its answers by less. In float64 nothing hides: the same few rows go through
the graph and through the model, and what is left between them is how constants were rounded to float32. That is known:
those made of others while the graph was simplified are given as float64 makes them, and all but the model's own weights
are moved by half a unit in the last place, to see what that does. What moves an answer by more is another function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from hyrax_runtime.difference import Allowance, along, row_magnitudes
from hyrax_runtime.session import Session
from numpy.typing import NDArray
from torch import nn

from hyrax_pack.errors import ParityError
from hyrax_pack.exporting.answering import Outputs
from hyrax_pack.exporting.carried_weights import PREFIX
from hyrax_pack.exporting.drawing import Drawn
from hyrax_pack.exporting.measuring import Measured
from hyrax_pack.exporting.modes import CAST_AT_ONCE_BYTES
from hyrax_pack.exporting.noise import Answer
from hyrax_pack.exporting.slots import Slots
from hyrax_pack.exporting.tolerances import ULPS_ALLOWED, Noise, ulp_at
from hyrax_pack.exporting.watching import UserCode, first_line
from hyrax_pack.exporting.weights import WEIGHTS_FILE
from hyrax_pack.exporting.wide_graph import (
    HALVES,
    NARROW,
    holds_halves,
    narrow_operators,
    run_graph,
    shake_constants,
    widened,
    with_exact,
)

MOST_ROWS = 8  # of a batch that is run in float64: there is no noise to average
MOST_NUMBERS = 1 << 16  # in the batches that follow the first one: the reference implementation is slow
SHAKES = 4
_SHAKES_ALLOWED = 4


@dataclass(frozen=True)
class Meaning:
    """What the comparison in float64 gave: the rows compared, or why there was none."""

    rows: int
    reason: str | None = None


@dataclass(frozen=True)
class _Parting:
    """The places where graph and model part in float64."""

    output: str
    answer: Answer
    found: NDArray[Any]
    beyond: NDArray[np.bool_]


def check_meaning(session: Session, measured: Measured[Any], drawn: Drawn) -> Meaning:
    """Hold the graph in float64 against the model in float64, on batches of a few rows.

    Raises
    ------
    ParityError
        They are two functions.
    """
    answers = _small_batches(measured.answers)
    if measured.noise.reference != "float64":
        return Meaning(0, measured.noise.reason or "the model has no float64")
    if drawn.weights.size > CAST_AT_ONCE_BYTES:
        return Meaning(0, f"the weights take {drawn.weights.size >> 20} MiB")
    model = load(drawn)
    narrow = narrow_operators(model)
    if narrow:
        return Meaning(0, f"ONNX's reference implementation computes {narrow[0]} in float32")
    in_halves = holds_halves(model) and measured.reference.watch(answers[0].trial.slots).halves
    wide = widened(model, NARROW if in_halves else NARROW - HALVES)
    with_exact(wide, drawn.exact)
    rows = 0
    for answer in answers:
        with UserCode() as attempt:
            found = run_graph(wide, _feed(drawn, answer.trial.slots, wide=True))
        if attempt.error is not None:
            return Meaning(rows, f"ONNX's reference implementation does not run the graph: {first_line(attempt.error)}")
        partings = _partings(found, answer, measured, drawn, wide)
        if partings and not _trustworthy(session, model, answer, measured, drawn):
            return Meaning(rows, "ONNX's reference implementation and onnxruntime disagree")
        if partings:
            raise _error(partings[0], measured.noise.outputs[partings[0].output])
        rows += answer.trial.size
    return Meaning(rows)


def _small_batches(answers: Sequence[Answer]) -> list[Answer]:
    """Those of a few rows, as long as they are not too large together; one of them at least."""
    small = [each for each in answers if 2 <= each.trial.size <= MOST_ROWS and not each.trial.made_up]
    numbers = np.cumsum([sum(slot.size for slot in each.trial.slots if slot is not None) for each in small])
    return [each for at, each in enumerate(small) if not at or numbers[at] <= MOST_NUMBERS]


def load(drawn: Drawn) -> ir.Model:
    """Return the graph with its weights."""
    model: ir.Model = ir.from_proto(onnx.load_from_string(drawn.graph))
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if isinstance(tensor, ir.ExternalTensor):
            assert tensor.location == WEIGHTS_FILE
            assert tensor.offset is not None
            assert tensor.length is not None
            block = np.frombuffer(drawn.weights.data[tensor.offset : tensor.offset + tensor.length], np.uint8)
            array = block.view(tensor.dtype.numpy()).reshape(tensor.shape.numpy())
            value.const_value = ir.Tensor(array, dtype=tensor.dtype, name=name)
    return model


def _feed(drawn: Drawn, slots: Slots, *, wide: bool) -> dict[str, NDArray[Any]]:
    fed = drawn.layout.feed(slots)
    return {
        name: values.astype(np.float64) if wide and values.dtype.kind == "f" else values for name, values in fed.items()
    }


def _partings(found: Outputs, answer: Answer, measured: Measured[Any], drawn: Drawn, wide: ir.Model) -> list[_Parting]:
    assert answer.wide is not None
    partings = []
    moves: list[Outputs] = []
    for name, narrow in answer.narrow.items():
        if narrow.dtype.kind != "f":
            continue
        noise, wanted = measured.noise.outputs[name], answer.wide[name]
        apart = _apart(found[name], wanted, narrow)
        apart[np.isinf(noise.slack_of(answer.trial))] = 0.0  # decided otherwise in another precision
        if not (apart > _rounding(narrow, noise)).any():
            continue
        moves = moves or _shaken(wide, found, answer, measured, drawn)
        explained = along(_moved(name, moves, noise)[None], noise.axis, narrow.ndim)
        beyond = apart > np.maximum(_rounding(narrow, noise), explained)
        if beyond.any():
            partings.append(_Parting(name, answer, found[name], beyond))
    return partings


def _apart(found: NDArray[Any], wanted: NDArray[Any], narrow: NDArray[Any]) -> NDArray[np.float64]:
    """How far graph and model are apart in float64, where float32 gives a number too."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(found.astype(np.float64) - wanted.astype(np.float64))
    return np.where(np.isfinite(found) & np.isfinite(wanted) & np.isfinite(narrow), apart, 0.0)


def _rounding(narrow: NDArray[Any], noise: Noise) -> NDArray[np.float64]:
    """What a model without noise is allowed: some units in the last place, of float32 where it answers in float64.

    The numbers compared are rounded in float64 themselves; what the gate held apart there, it held apart more closely.
    """
    dtype = np.dtype(np.float32) if narrow.dtype == np.float64 else narrow.dtype
    least = tuple(ULPS_ALLOWED * ulp_at(scale, dtype) for scale in noise.scale)
    relative = ULPS_ALLOWED * float(np.finfo(dtype).eps)
    return Allowance(least if noise.axis is not None else least[0], relative, noise.axis).at(narrow)


def _shaken(wide: ir.Model, found: Outputs, answer: Answer, measured: Measured[Any], drawn: Drawn) -> list[Outputs]:
    """How far the graph's own answer moves by the rounding of its constants."""
    model = getattr(measured.reference, "model", None)
    own = [*model.named_parameters(), *model.named_buffers()] if isinstance(model, nn.Module) else ()
    held = frozenset(PREFIX + name for name, _ in own)
    moves = []
    for seed in range(SHAKES):
        other = wide.clone()
        shake_constants(other, held, seed)
        moved = run_graph(other, _feed(drawn, answer.trial.slots, wide=True))
        moves.append({name: moved[name] - values for name, values in found.items()})
    return moves


def _moved(name: str, moves: Sequence[Outputs], noise: Noise) -> NDArray[np.float64]:
    """What is explained at every place: the place that moves most, by its own noise, stands for all."""
    sizes = [row_magnitudes(each[name], noise.axis).max(axis=0) / noise.floor for each in moves]
    return np.asarray(_SHAKES_ALLOWED * np.max(sizes) * noise.floor)


def _trustworthy(session: Session, model: ir.Model, answer: Answer, measured: Measured[Any], drawn: Drawn) -> bool:
    """Whether the reference implementation, in float32, gives what onnxruntime gives."""
    feed = _feed(drawn, answer.trial.slots, wide=False)
    outputs: Outputs = {}
    with UserCode():
        outputs = run_graph(model, feed)
    mine = session.run(feed)
    for name, found in outputs.items():
        noise = measured.noise.outputs[name]
        allowed = noise.allowed(mine[name], noise.slack_of(answer.trial))
        if found.shape != mine[name].shape or (_apart(found, mine[name], mine[name]) > allowed).any():
            return False
    return bool(outputs)


def _error(parting: _Parting, noise: Noise) -> ParityError:
    assert parting.answer.wide is not None
    place = tuple(map(int, np.argwhere(parting.beyond)[0]))
    at = noise.floor[place[noise.axis] if noise.axis is not None else 0]
    where = f"row {place[0]}" + (f" [{', '.join(map(str, place[1:]))}]" if place[1:] else "")
    found, wanted = float(parting.found[place]), float(parting.answer.wide[parting.output][place])
    return ParityError(
        "the graph does not compute what the model computes. "
        f"output {parting.output!r}, batch of {parting.answer.trial.label}, both in float64: {where} is {found:.9g} in "
        f"the graph and {wanted:.9g} in torch. In float32 that is hidden by the model's own rounding ({at:.2g}): an "
        "operator was translated wrongly, or a weight was changed on the way.\nNo file was written.",
        output=parting.output,
        trial=parting.answer.trial.label,
        difference=abs(found - wanted),
        tolerance=0.0,
    )
