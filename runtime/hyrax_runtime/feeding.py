"""From a checked batch to what the graph is fed: by replaying `to_tensor`, or straight where it was lowered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.errors import ReplayError, ResultError
from hyrax_runtime.manifest import Preprocessing, Slot
from hyrax_runtime.replay import as_slots, check_slots

Feeds = dict[str, NDArray[Any]]
Feed = Callable[[Mapping[str, Any], int], Feeds]


def replay_feed(function: Callable[[Any], Any], preprocessing: Preprocessing) -> Feed:
    """Return the step that calls the captured function and checks, on every call, that it gave the recorded tensors.

    Raises
    ------
    ReplayError
        From the step: the function raised; names its line. ResultError: it returned something else than recorded.
    """
    recorded = preprocessing.slots
    plain = _plain_slot(preprocessing)

    def feed(data_dict: Mapping[str, Any], rows: int) -> Feeds:
        try:
            result = function(data_dict)
        except (Exception, SystemExit) as error:  # a program that the text ends would leave with 0
            raise ReplayError(f"to_tensor raised {_described(error)}") from error
        if plain is not None and plain.holds(result, rows):
            return {plain.name: result}
        return _fed(result, rows)

    def _fed(result: Any, rows: int) -> Feeds:
        slots, returns = as_slots(result, rows=rows)
        if returns != preprocessing.returns:
            raise ResultError(f"to_tensor returned one {returns}; the bundle records one {preprocessing.returns}")
        check_slots(slots, recorded, rows)
        return {
            slot.graph_input: array
            for slot, array in zip(recorded, slots, strict=True)
            if slot.graph_input is not None and array is not None
        }

    return feed


def field_feed(names: Sequence[str]) -> Feed:
    """Return the step for a graph that takes fields: its inputs bear their paths."""
    places = [(name, *_place(name)) for name in names]

    def feed(data_dict: Mapping[str, Any], rows: int) -> Feeds:
        return {name: (data_dict if group is None else data_dict[group])[field] for name, group, field in places}

    return feed


class _PlainSlot:
    """The commonest result, one array that is the graph's one input: tested without a loop."""

    def __init__(self, slot: Slot, name: str) -> None:
        self.name = name
        self._dtype = np.dtype(slot.dtype)
        self._shape = slot.shape[1:]

    def holds(self, result: Any, rows: int) -> bool:
        """Whether the result is the recorded tensor as it stands."""
        if type(result) is not np.ndarray or result.dtype != self._dtype:
            return False
        shape: tuple[int, ...] = result.shape
        return shape[1:] == self._shape and len(shape) > 0 and shape[0] == rows and result.flags.c_contiguous


def _plain_slot(preprocessing: Preprocessing) -> _PlainSlot | None:
    if preprocessing.returns != "array":
        return None
    slot = preprocessing.slots[0]
    return None if slot.graph_input is None else _PlainSlot(slot, slot.graph_input)


def _place(path: str) -> tuple[str | None, str]:
    friendly, slash, name = path.partition("/")
    return (friendly, name) if slash else (None, path)


def _described(error: BaseException) -> str:
    """Say what was raised and at which line of the captured text, if it was reached."""
    import traceback  # only a failure needs it

    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename.startswith("<to_tensor.py")]
    where = f", line {lines[-1]} of to_tensor.py" if lines else ""
    said = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}{': ' + said if said else ''}{where}"
