"""What a step returns, as numbers; and the mean of an epoch, weighted by rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hyrax_pack.errors import TrainingError

# A float, or a tensor without axes that still waits on its device: reading it would stop the GPU at every step.
Number = float | torch.Tensor

_PLAIN = (float, int, bool)

# What the figures of an epoch are recorded under, beside those of steps.
_TAKEN = "epoch/"


def parse_result(result: Any, where: str) -> dict[str, Number]:
    """Every number in what a step returned; a list or tensor of per-row values counts as its mean.

    Parameters
    ----------
    result : dict
        `loss` is a list of per-row losses, a tensor, or a float. Values that are no numbers are left out; a nested
        dict is flattened with "/".
    where : str
        The method, for messages, such as `StampNet.train_step`.

    Raises
    ------
    TrainingError
        No dict, no `loss`, a loss that is no number, or a name that figures of epochs have.

    Examples
    --------
    >>> parse_result({"loss": [1.0, 2.0], "accuracy": 0.5, "note": "warming up"}, "Net.train_step")
    {'loss': 1.5, 'accuracy': 0.5}
    """
    numbers = parse_numbers(result, where)
    if "loss" not in numbers:
        found = (
            f"'loss' is {_words(result['loss'])}; expected a list of numbers, a tensor or a float"
            if "loss" in result
            else f"has no 'loss' among its keys ({', '.join(map(str, result)) or 'none'})"
        )
        raise TrainingError(f"the dict that {where} returned: {found}")
    taken = next((name for name in numbers if name.startswith(_TAKEN)), None)
    if taken is not None:
        words = f"'{taken}' would stand among the figures of whole epochs; call 'epoch' something else"
        raise TrainingError(f"the dict that {where} returned: {words}")
    return numbers


def parse_numbers(result: Any, where: str) -> dict[str, Number]:
    """Every number in a dict, with or without a loss among them; see `parse_result`.

    Raises
    ------
    TrainingError
        No dict.
    """
    if not isinstance(result, Mapping):
        raise TrainingError(f"{where} returned {type(result).__name__}; expected a dict of numbers")
    return dict(_numbers(result, ""))


def to_float(value: Number) -> float:
    """The number itself; waits for the device where it has to."""
    return value if isinstance(value, float) else float(value)


class Mean:
    """Means over an epoch, weighted by rows, of every number that the steps return.

    Numbers on a GPU are summed there, so that no step waits for the device.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Number] = {}
        self._rows: dict[str, int] = {}

    def add(self, numbers: Mapping[str, Number], rows: int) -> None:
        """Count one step's numbers, each a mean over `rows`."""
        sums, counts = self._sums, self._rows
        for name, value in numbers.items():
            sums[name] = sums.get(name, 0.0) + value * rows
            counts[name] = counts.get(name, 0) + rows

    def sums(self) -> dict[str, tuple[float, int]]:
        """The sum and the rows of every number."""
        return {name: (to_float(total), self._rows[name]) for name, total in self._sums.items()}

    def state(self) -> dict[str, list[float]]:
        """What a checkpoint in the middle of an epoch keeps."""
        return {name: [total, float(rows)] for name, (total, rows) in self.sums().items()}

    def restore(self, states: Sequence[Mapping[str, list[float]]]) -> None:
        """Go on from what one process, or several that are no longer there, had summed up."""
        self._sums, self._rows = {}, {}
        for state in states:
            for name, (total, rows) in state.items():
                self._sums[name] = self._sums.get(name, 0.0) + total
                self._rows[name] = self._rows.get(name, 0) + int(rows)


def means(sums: Mapping[str, tuple[float, int]]) -> dict[str, float]:
    """The means; a number that was never weighed with a row is left out."""
    return {name: total / rows for name, (total, rows) in sums.items() if rows}


def _numbers(values: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Number]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if type(value) is float:
            yield name, value
        elif isinstance(value, Mapping):
            yield from _numbers(value, f"{name}/")
        else:
            number = _number(value)
            if number is not None:
                yield name, number


def _number(value: Any) -> Number | None:
    """One number, the mean of several, or None where there is none."""
    if isinstance(value, torch.Tensor):
        return _of_tensor(value.detach())
    if isinstance(value, _PLAIN):
        return _plain(value)
    if isinstance(value, np.generic | np.ndarray):
        array = np.asarray(value)
        return float(array.mean(dtype=np.float64)) if array.size and array.dtype.kind in "fiub" else None
    if isinstance(value, list | tuple) and value:
        if all(isinstance(item, _PLAIN) for item in value):
            plain = [_plain(item) for item in value]
            return math.fsum(plain) / len(plain) if all(map(math.isfinite, plain)) else sum(plain) / len(plain)
        items = [_number(item) for item in value]
        if None not in items:
            return sum(to_float(item) for item in items if item is not None) / len(items)
    return None


def _plain(value: float) -> float:
    """A number of Python's; an integer that is too large for a float is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _of_tensor(tensor: torch.Tensor) -> Number | None:
    if not tensor.numel() or tensor.is_complex():
        return None
    if tensor.ndim == 0 and tensor.device.type == "cpu":
        return float(tensor.item())
    # float64 sums of float32 values are exact enough for any epoch; Apple's GPUs have no float64.
    wide = torch.float32 if tensor.device.type == "mps" else torch.float64
    mean = tensor.to(wide) if tensor.ndim == 0 else tensor.mean(dtype=wide)
    return mean.item() if tensor.device.type == "cpu" else mean.reshape(())


def _words(value: Any) -> str:
    return f"an empty {type(value).__name__}" if hasattr(value, "__len__") and not len(value) else type(value).__name__
