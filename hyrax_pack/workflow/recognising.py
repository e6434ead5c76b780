"""Whether a run that was brought back is the run that trained: the same tensors of the same rows, the same answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.data import DataProvider
from hyrax_pack.data.identity import digests
from hyrax_pack.errors import ChangedSinceError, HyraxError, TrainingError
from hyrax_pack.run import Run
from hyrax_pack.run.answers import Answers, answers_path, find_answers, read_answers
from hyrax_pack.run.folder import WeightsFacts, digest_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from hyrax_pack.model import ModelSpec

Array = np.ndarray[Any, Any]

# Of a value at the scale of its slot or output: threads and kernels add up in another order.
ULPS = 8
# Where that is not enough: how many times the model's own rounding error, or, where nobody can measure that, which
# share of the scale.
FLOORS, SHARE = 16, 1e-5
# Accelerators compute in reduced precision where the model or torch asks for it: TF32, or autocast to bfloat16.
SHARE_ON_AN_ACCELERATOR = 0.03
# And then a class may change hands on a row that stands between two.
INTEGERS_ON_AN_ACCELERATOR = 0.25


def recorded_answers(run: Run, weights: Path, facts: WeightsFacts | None) -> Answers | None:
    """What the model answered when these weights were written.

    For weights that training did not write these are the answers of those that stood there: their state alone counts.
    None where there are none.

    Raises
    ------
    TrainingError
        The file is missing, damaged, or not what training wrote.
    """
    if facts is None:
        return read_answers(answers_path(weights)) if answers_path(weights).is_file() else None
    file = find_answers(weights, facts.sha256)
    if file is None or digest_of(file) != facts.answers_sha256:
        found = "no such file" if file is None else "not the file that training wrote"
        raise TrainingError(
            f"{answers_path(weights)}: {found}: nobody can tell what these weights answered; put it back"
        )
    return read_answers(file)


def check_tensors(
    run: Run, answers: Answers, provider: DataProvider, function: Callable[[Any], Any], *, accept: bool
) -> list[str]:
    """Refuse a text of to_tensor that makes other tensors of the same rows than it did in training, unless accepted.

    Returns
    -------
    list of str
        What differs and was accepted.

    Raises
    ------
    ChangedSinceError
        Says which slot.
    """
    from hyrax_pack.training.witnessing import tensors_of

    if answers.failure is not None and not answers.slots:
        return []
    group = provider.group(answers.group)
    if max(answers.rows) >= len(group):
        return []
    data_dict = group.data_dict(answers.rows, inference=True)
    if digests(data_dict) != answers.digests:  # other rows, or rows that are drawn anew each time
        return []
    before = [None if slot is None else slot.numpy() for slot in answers.slots]
    changes = list(_slot_differences(before, tensors_of(data_dict, function).slots))
    if changes and not accept:
        raise ChangedSinceError(
            str(run.path),
            "tensors",
            changes,
            "The text of to_tensor is the one that trained, and so are the rows: a library that it uses has another "
            "version, or the time zone or another setting of this machine is another. Export where the run was "
            "trained; to export what it makes here, without the run's figures: --accept answers",
        )
    return [f"tensors: {change}" for change in changes]


def check_answers(
    run: Run, answers: Answers, model: nn.Module, spec: ModelSpec, lost: Collection[str], *, accept: bool
) -> tuple[list[str], list[str]]:
    """Refuse a model that does not answer as it did when its weights were written, unless that is accepted.

    Parameters
    ----------
    lost : collection of str
        What of its state could not be put back.

    Returns
    -------
    accepted, notes : list of str
        What differs and was accepted; what differs as the devices explain.

    Raises
    ------
    ChangedSinceError
        Says which output differs, and by how much.
    """
    notes: list[str] = []
    changes = list(_answer_differences(answers, model, spec, notes))
    if changes and not accept:
        causes = "; ".join(lost) or (
            "its own save and load, state that is made outside of __init__, a file, a seed or a library that is not "
            "what it was"
        )
        cure = (
            "Weights and state are back as training wrote them, and the model answers otherwise. Likely causes: "
            f"{causes}. To export it all the same, without the run's figures: --accept answers"
        )
        raise ChangedSinceError(str(run.path), "answers", changes, cure)
    return [f"answers: {change}" for change in changes], notes


def _slot_differences(before: list[Array | None], now: tuple[Array | None, ...]) -> Iterator[str]:
    if len(before) != len(now):
        yield f"to_tensor gives {len(now)} slots, and gave {len(before)}"
        return
    for place, (was, found) in enumerate(zip(before, now, strict=True)):
        if was is None or found is None:
            if was is not found:
                yield f"slot {place} is {'None' if found is None else 'an array'}, and was the other"
        elif words := _difference(was, found, ULPS * _ulp(was)):
            yield f"slot {place} {words}"


def _answer_differences(answers: Answers, model: nn.Module, spec: ModelSpec, notes: list[str]) -> Iterator[str]:
    import torch

    from hyrax_pack.training.witnessing import ask

    batch = _batch(answers)
    try:
        found = ask(model, spec, batch, torch.device("cpu"))
    except TrainingError as error:
        yield f"inference does not answer: {error}"
        return
    if list(found) != list(answers.outputs):
        yield f"the outputs are {', '.join(found)}, and were {', '.join(answers.outputs)}"
        return
    for name, tensor in answers.outputs.items():
        was, now = _array(tensor), _array(found[name])
        if _difference(was, now, ULPS * _ulp(was)) is None:
            continue
        if words := _difference(was, now, _allowance(answers, was, now, model, spec, name)):
            yield f"{name} {words}"
        elif answers.device != "cpu" and (words := _difference(was, now, SHARE * _scale(was))):
            notes.append(f"{name} {words}: it was trained on {answers.device}, in reduced precision")


def _allowance(answers: Answers, was: Array, now: Array, model: nn.Module, spec: ModelSpec, name: str) -> float:
    """By how much an output may differ, as an absolute number; for integers, as a share of the values."""
    accelerated = answers.device != "cpu"
    if was.dtype.kind != "f":
        return INTEGERS_ON_AN_ACCELERATOR if accelerated else 0.0
    if accelerated:
        return SHARE_ON_AN_ACCELERATOR * _scale(was)
    exact = _wide(model, spec, _batch(answers), name)
    return SHARE * _scale(was) if exact is None else max(ULPS * _ulp(was), FLOORS * _greatest(now, exact))


def _wide(model: nn.Module, spec: ModelSpec, batch: Any, name: str) -> Array | None:
    """The answer in float64; None where the model cannot."""
    import torch

    from hyrax_pack.exporting.modes import in_float64, widened
    from hyrax_pack.training.witnessing import ask

    given = tuple(map(widened, batch)) if isinstance(batch, tuple) else widened(batch)
    try:
        with in_float64(model):
            return _array(ask(model, spec, given, torch.device("cpu"))[name])
    except (HyraxError, KeyError):
        return None


def _difference(was: Array, now: Array, allowed: float) -> str | None:
    """How two arrays differ by more than is allowed, in words; None where they do not."""
    if was.shape != now.shape or was.dtype != now.dtype:
        return f"is {now.dtype}{list(now.shape)}, and was {was.dtype}{list(was.shape)}"
    if was.dtype.kind != "f":
        share = float(np.mean(was != now)) if was.size else 0.0
        return f"differs in {share:.0%} of its values" if share > allowed else None
    if not (np.isfinite(was) == np.isfinite(now)).all() or not np.array_equal(
        was[~np.isfinite(was)], now[~np.isfinite(was)], equal_nan=True
    ):
        return "has NaN or infinity in other places"
    greatest = _greatest(was, now)
    if greatest <= allowed:
        return None
    row = int(np.argmax(np.abs(was - now).reshape(len(was), -1).max(axis=1))) if was.ndim else 0
    return f"differs by {greatest:.3g} at a scale of {_scale(was):.3g} (row {row} of those that were recorded)"


def _greatest(one: Array, other: Array) -> float:
    finite = np.isfinite(one) & np.isfinite(other)
    apart = np.abs(one.astype(np.float64) - other.astype(np.float64))[finite]
    return float(apart.max()) if apart.size else 0.0


def _scale(values: Array) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _ulp(values: Array) -> float:
    if values.dtype.kind != "f":
        return 0.0
    digits = int(np.finfo(values.dtype).nmant)
    return math.ldexp(1.0, math.frexp(_scale(values))[1] - 1 - digits)


def _batch(answers: Answers) -> Any:
    slots = tuple(None if slot is None else slot.clone() for slot in answers.slots)
    return slots if answers.returns == "tuple" else slots[0]


def _array(tensor: torch.Tensor) -> Array:
    import torch

    if tensor.dtype in (torch.bfloat16, torch.complex32):
        tensor = tensor.float()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    array: Array = tensor.to_dense().numpy() if tensor.is_sparse else tensor.numpy()
    return array
