"""Runs on a device, with buffers that stay there: staging copies a batch in, running computes on what was staged.

    feeds --stage--> device buffers of these shapes --run--> outputs, copied back

Staging is apart from running so that a stream copies the next batch while the device computes the last. Where
`graph_batches` are given, a batch is filled up to the next of these sizes with its last row, and the runs of each size
are recorded once and replayed as one CUDA graph: no launch for each operator, at the price of computing the filling.
Imports nothing of onnxruntime: its session and classes come in as arguments.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.frozen import Frozen
from hyrax_runtime.page_locked import page_locked

NO_GRAPH = -1  # onnxruntime's word for a run that is neither recorded nor replayed
_SHAPES_KEPT = 16  # sets of buffers of other shapes than the last so many are let go
_SETS_KEPT = 2  # of one shape: one being filled while the other is computed on

Feeds = Mapping[str, NDArray[Any]]


class DeviceSession:
    """What of an onnxruntime session a bound run needs; `value_class` and `options_class` are onnxruntime's.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    outputs : sequence of str
    device : str
        onnxruntime's name for the kind of device, such as `cuda`.
    index : int
        Which of them.
    """

    def __init__(
        self, session: Any, outputs: Sequence[str], device: str, index: int, *, value_class: Any, options_class: Any
    ) -> None:
        self._session, self._outputs = session, outputs
        self._place = (device, index)
        self._value_class, self._options_class = value_class, options_class

    def value(self, array: NDArray[Any]) -> Any:
        """Copy an array to the device; the value can be updated in place."""
        return self._value_class.ortvalue_from_numpy(array.copy(), *self._place)  # copied: a CPU value would alias it

    def binding(self, inputs: Mapping[str, Any]) -> Any:
        """Return an IO binding with these values as inputs, and with outputs that the device allocates."""
        binding = self._session.io_binding()
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, *self._place)
        return binding

    def fix_outputs(self, binding: Any, arrays: Sequence[NDArray[Any]]) -> None:
        """Bind outputs of the shapes of these arrays, at addresses that stay."""
        for name, array in zip(self._outputs, arrays, strict=True):
            binding.bind_ortvalue_output(name, self.value(array))

    def run(self, binding: Any, graph_id: int) -> None:
        """Run with a binding; another id than NO_GRAPH records its run the first time and replays it from then on."""
        options = self._options_class()
        options.add_run_config_entry("gpu_graph_id", str(graph_id))
        self._session.run_with_iobinding(binding, options)


@dataclass
class _Buffers:
    """Device buffers for batches of certain shapes."""

    inputs: dict[str, Any]
    host: dict[str, NDArray[Any] | None]
    binding: Any
    graph_id: int
    runs: int = 0

    def fill(self, feeds: Feeds) -> None:
        """Copy a batch in, by way of page-locked memory where there is some."""
        for name, array in feeds.items():
            host = self.host[name]
            if host is not None:
                np.copyto(host, array)
            self.inputs[name].update_inplace(array if host is None else host)


class Staged(Frozen):
    """A batch on the device; `rows` of its rows are the caller's."""

    rows: int
    key: tuple[Any, ...]
    buffers: _Buffers


class BoundRuns:
    """The buffers of one session. Threads may share it: each staged batch has buffers of its own."""

    def __init__(self, device: DeviceSession, graph_batches: Sequence[int] = ()) -> None:
        self._device = device
        self._graph_batches = sorted(graph_batches)
        self._free: OrderedDict[tuple[Any, ...], list[_Buffers]] = OrderedDict()
        self._taking = threading.Lock()
        self._graph_ids = itertools.count(1)

    def stage(self, feeds: Feeds) -> Staged:
        """Copy a batch to the device."""
        rows = len(next(iter(feeds.values())))
        size = next((each for each in self._graph_batches if each >= rows), None)
        filled = feeds if size is None else {name: _fill_up(array, size) for name, array in feeds.items()}
        key = (size, *((name, array.dtype.str, array.shape) for name, array in filled.items()))
        buffers = self._take(key)
        if buffers is None:
            buffers = self._make(filled, recorded=size is not None)
        buffers.fill(filled)
        return Staged(rows, key, buffers)

    def run(self, staged: Staged) -> list[NDArray[Any]]:
        """Compute on a staged batch; its outputs in the graph's order."""
        buffers = staged.buffers
        # the first run is an ordinary one: it tells the shapes of the outputs, and warms up what cannot be recorded
        self._device.run(buffers.binding, buffers.graph_id if buffers.runs else NO_GRAPH)
        outputs: list[NDArray[Any]] = buffers.binding.copy_outputs_to_cpu()
        if buffers.graph_id != NO_GRAPH and not buffers.runs:
            self._device.fix_outputs(buffers.binding, outputs)
        buffers.runs += 1
        self._give_back(staged)
        return [array[: staged.rows] for array in outputs]

    def _take(self, key: tuple[Any, ...]) -> _Buffers | None:
        with self._taking:
            free = self._free.get(key)
            return free.pop() if free else None

    def _give_back(self, staged: Staged) -> None:
        with self._taking:
            free = self._free.setdefault(staged.key, [])
            if len(free) < _SETS_KEPT:
                free.append(staged.buffers)
            self._free.move_to_end(staged.key)
            while len(self._free) > _SHAPES_KEPT:
                self._free.popitem(last=False)

    def _make(self, feeds: Feeds, *, recorded: bool) -> _Buffers:
        inputs = {name: self._device.value(array) for name, array in feeds.items()}
        host = {name: page_locked(array.shape, array.dtype) for name, array in feeds.items()}
        graph_id = next(self._graph_ids) if recorded else NO_GRAPH
        return _Buffers(inputs, host, self._device.binding(inputs), graph_id)


def _fill_up(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """Repeat the last row until there are `rows`: a row that the graph has to take anyway raises nothing new."""
    missing = rows - len(array)
    return array if missing <= 0 else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
