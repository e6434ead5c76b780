"""The one importer of onnxruntime: make a session that runs where it was asked to, and keeps what it stands on alive.

Facts this module holds, each with a test: onnxruntime does not keep a weights buffer alive (a crash, not an error), so
the session does; unknown configuration keys are accepted in silence; external data would be read from the current
folder; a list of providers falls back to the CPU in silence; a forked child must make its sessions again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as native

from hyrax_runtime.contract import Dim
from hyrax_runtime.devices import (
    Device,
    absent_provider,
    cache_folder,
    parse_device,
    provider_options,
    refused_provider,
)
from hyrax_runtime.errors import HyraxError, ProviderError, RunError, SessionError, UsageError
from hyrax_runtime.forking import put_right_after_fork
from hyrax_runtime.frozen import Frozen, replace
from hyrax_runtime.settings import Memory, Tuning, is_count, parse_memory

if TYPE_CHECKING:
    from hyrax_runtime.bound_runs import BoundRuns

WEIGHTS_FILE = "weights.bin"
# Where onnxruntime looks for external data beside the in-memory table: beneath a device, where no file can ever be.
NOWHERE = os.path.join(os.devnull, "none")  # noqa: PTH118 - a name for onnxruntime, not a path of ours
VERSION: str = ort.__version__
# Stands in the name of a node that fails where a value is out of the model's bounds: the name says what is wrong.
HOLDS_A_VALUE = " holds a value "

FAILURES = (
    native.Fail,
    native.InvalidArgument,
    native.NoSuchFile,
    native.NoModel,
    native.EngineError,
    native.RuntimeException,
    native.InvalidProtobuf,
    native.NotImplemented,
    native.InvalidGraph,
    native.EPFail,
    RuntimeError,
    ValueError,
)

NUMPY_NAME = {"float": "float32", "double": "float64", "string": "str"}  # the others bear numpy's names


class Tensor(Frozen):
    """An input or output as the graph declares it: numpy's name for the dtype, names for free dimensions."""

    name: str
    dtype: str
    shape: tuple[Dim, ...]


class Session:
    """A graph ready to run on one device. Safe to use from several threads; made again by itself in a forked child.

    Attributes
    ----------
    inputs, outputs : tuple of Tensor
    device : Device
    provider : str
        The execution provider that runs, as onnxruntime names it.
    memory : str
        `shared` or `fast`, as decided.
    """

    def __init__(
        self,
        graph: bytes,
        weights: memoryview | None,
        device: Device,
        memory: Memory,
        threads: int | None,
        tuning: Tuning,
    ) -> None:
        self._graph = graph
        # onnxruntime holds a bare pointer into these bytes for as long as the session lives
        self._weights = None if weights is None else np.frombuffer(weights, dtype=np.uint8)
        self._threads, self._tuning = threads, tuning
        self._rebuilding = threading.Lock()
        self.device = device
        self.memory: Memory = memory
        made = self._make()
        self._native: ort.InferenceSession | None = made
        self.provider: str = made.get_providers()[0]
        self.inputs = tuple(_tensor(node) for node in made.get_inputs())
        self.outputs = tuple(_tensor(node) for node in made.get_outputs())
        self._output_names = [output.name for output in self.outputs]
        self._bound = self._bind(made)
        put_right_after_fork(self)

    def after_fork_in_child(self) -> None:
        """Set the parent's session aside: without its threads it would wait for ever, and so would its destructor."""
        _SET_ASIDE.extend((self._native, self._bound))
        self._native = self._bound = None
        self._rebuilding = threading.Lock()

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once: every output by name.

        `feeds` holds one array per input, of the input's dtype in *native byte order*: onnxruntime takes a big-endian
        array without a word and computes garbage. On the usual way here the contract's check has seen to that.

        Raises
        ------
        RunError
            onnxruntime failed; its own words are in the message.
        """
        running = self._native or self._made_again()
        bound = self._bound
        try:
            arrays = running.run(self._output_names, feeds) if bound is None else bound.run(bound.stage(feeds))
        except FAILURES as error:
            raise self._failed(error) from error
        return dict(zip(self._output_names, arrays, strict=True))

    @property
    def stages(self) -> bool:
        """Whether `stage` copies a batch to a device, and so has done with the caller's memory."""
        return self._bound is not None

    def stage(self, feeds: Mapping[str, NDArray[Any]]) -> Callable[[], dict[str, NDArray[Any]]]:
        """Copy a batch to the device now; return what is left to do, the run. Without a device that is all of it.

        Raises
        ------
        RunError
            As `run`, from either half.
        """
        if self._native is None:
            self._made_again()
        bound = self._bound
        if bound is None:
            return partial(self.run, feeds)
        try:
            staged = bound.stage(feeds)
        except FAILURES as error:
            raise self._failed(error) from error

        def finish() -> dict[str, NDArray[Any]]:
            try:
                return dict(zip(self._output_names, bound.run(staged), strict=True))
            except FAILURES as error:
                raise self._failed(error) from error

        return finish

    def _failed(self, error: BaseException) -> RunError:
        said = _first_line(error)
        _, stands, rest = said.partition("Name:'")
        refused = rest.partition("' Status Message:")[0]
        if stands and HOLDS_A_VALUE in refused:
            return RunError(f"{refused}, which the model refuses; leave such rows out")
        return RunError(f"{self.provider} failed while running the graph: {said}")

    def bare_run(self) -> Callable[[Mapping[str, NDArray[Any]]], list[NDArray[Any]]]:
        """Return onnxruntime's own `run` of every output: what a call is measured against. Keep the session alive."""
        return partial((self._native or self._made_again()).run, self._output_names)

    def placement(self) -> dict[str, dict[str, int]]:
        """Count the operators that each execution provider runs: provider to operator to number of nodes.

        A device that lacks a kernel leaves the node to the CPU; this is where that shows.
        """
        running = self._native or self._made_again()
        counts: dict[str, dict[str, int]] = {}
        for part in running.get_provider_graph_assignment_info():
            operators = counts.setdefault(part.ep_name, {})
            for node in part.get_nodes():
                operators[node.op_type] = operators.get(node.op_type, 0) + 1
        return counts

    def _make(self) -> ort.InferenceSession:
        """Make the onnxruntime session, or raise SessionError (the graph) or ProviderError (the device)."""
        if self.device.name != "cpu":
            _require_offered(self.device)
        options = _options(self._weights, self.memory, self._threads, self._tuning)
        graphs = bool(self._tuning.graph_batches)
        providers = [(self.device.provider, provider_options(self.device, cache_folder(self.device), graphs=graphs))]
        if self.device.name != "cpu":
            providers.append(("CPUExecutionProvider", {}))
        try:
            made = ort.InferenceSession(self._graph, options, providers=providers, enable_fallback=0)
        except FAILURES as error:
            if self.device.name != "cpu" and _runs_on_cpu(self._graph, self._weights):
                raise refused_provider(self.device, (), _first_line(error)) from error
            raise SessionError(f"onnxruntime {VERSION} refuses the graph: {_first_line(error)}") from error
        running = made.get_providers()
        if not running or running[0] != self.device.provider:
            raise refused_provider(self.device, running)
        made.disable_fallback()
        return made

    def _bind(self, made: ort.InferenceSession) -> BoundRuns | None:
        """Buffers on the device; None for the CPU, and for texts, which only the CPU holds."""
        if self.device.name == "cpu" or any(each.dtype == "str" for each in (*self.inputs, *self.outputs)):
            return None
        from hyrax_runtime.bound_runs import BoundRuns, DeviceSession  # the CPU, which is the rule, needs none of it

        classes = {"value_class": ort.OrtValue, "options_class": ort.RunOptions}
        return BoundRuns(
            DeviceSession(made, self._output_names, "cuda", self.device.index, **classes), self._tuning.graph_batches
        )

    def _made_again(self) -> ort.InferenceSession:
        with self._rebuilding:
            if self._native is None:
                made = self._make()
                self._bound = self._bind(made)
                self._native = made
            return self._native


def open_session(
    graph: bytes,
    weights: memoryview | None,
    *,
    device: str = "cpu",
    memory: str = "auto",
    threads: int | None = None,
    tuning: Tuning = Tuning(),  # noqa: B008 - it is frozen
) -> Session:
    """Make a session from a graph's bytes and, apart from them, its weights.

    Parameters
    ----------
    graph : bytes
        An ONNX model that has passed the graph gate; its external tensors all name `weights.bin`.
    weights : memoryview or None
        The content of `weights.bin`; may be a mapped file. It is kept alive with the session.
    device : str
        `cpu`, `cuda`, `cuda:1`, `tensorrt`, or `auto` (CUDA where it runs, else the CPU). What is asked for runs.
    memory : str
        `shared` uses the weights where they are (milliseconds to open, pages shared between processes, slower matrix
        products); `fast` copies and repacks them; `auto` is `fast` up to 64 MiB.
    threads : int, optional
        Threads within one operator; onnxruntime's own choice unless given.
    tuning : Tuning

    Raises
    ------
    UsageError
        A device, memory mode or thread count that does not exist, or CUDA graphs on another device.
    ProviderError
        The device cannot be had; says why.
    SessionError
        onnxruntime refuses the graph.
    """
    size = 0 if weights is None else weights.nbytes
    decided = parse_memory(memory, size)
    if threads is not None and not is_count(threads):
        raise UsageError(f"threads={threads!r}: a whole number of at least 1, or None for onnxruntime's own choice")
    if device != "auto":
        asked = parse_device(device)
        if tuning.graph_batches and asked.name != "cuda":
            raise UsageError(f"graph_batches are CUDA graphs: they need device='cuda', not {device!r}")
        return Session(graph, weights, asked, decided, threads, tuning)
    if Device("cuda").provider in ort.get_available_providers():
        try:
            return Session(graph, weights, Device("cuda"), decided, threads, tuning)
        except ProviderError as error:
            _log_cpu_instead(error)
    return Session(graph, weights, Device("cpu"), decided, threads, replace(tuning, strict=False, graph_batches=()))


def _options(
    weights: NDArray[np.uint8] | None,
    memory: Memory,
    threads: int | None,
    tuning: Tuning,
) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    options.inter_op_num_threads = 1
    if threads is not None:
        options.intra_op_num_threads = int(threads)
    entries = {
        "session.load_model_format": "ONNX",  # else bytes that look like onnxruntime's own format are taken as that
        "session.model_external_initializers_file_folder_path": NOWHERE,
        # at one request per 20 ms, spinning burns 0.75 of a core; without it 0.19
        "session.intra_op.allow_spinning": str(int(tuning.spinning)),
        "session.inter_op.allow_spinning": str(int(tuning.spinning)),
        "session.disable_cpu_ep_fallback": str(int(tuning.strict)),
        "session.record_ep_graph_assignment_info": "1",
    }
    if weights is not None:
        options.add_external_initializers_from_files_in_memory([WEIGHTS_FILE], [weights], [weights.nbytes])
        if memory == "shared":
            entries["session.use_external_initializer_file_buffers_directly"] = "1"
            entries["session.disable_prepacking"] = "1"
            # one level below ALL: the layout rewrite for convolutions would copy the weights
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    return options


def _require_offered(device: Device) -> None:
    """Raise ProviderError unless this build of onnxruntime offers the device's provider and is the only build here."""
    available = ort.get_available_providers()
    builds = [name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)]
    if device.provider not in available or len(builds) > 1:
        raise absent_provider(device, available, VERSION, builds)
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()


def _is_installed(distribution: str) -> bool:
    import importlib.metadata  # a dozen milliseconds, and only a GPU asks

    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _runs_on_cpu(graph: bytes, weights: NDArray[np.uint8] | None) -> bool:
    """Whether the CPU takes the graph: then it is the device that failed, not the file."""
    try:
        options = _options(weights, "shared", 1, Tuning())
        ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except FAILURES:
        return False
    return True


def _tensor(node: Any) -> Tensor:
    inner = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(dim if isinstance(dim, int) else str(dim or "?") for dim in node.shape)
    return Tensor(node.name, NUMPY_NAME.get(inner, inner), shape)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _log_cpu_instead(error: HyraxError) -> None:
    import logging

    logging.getLogger(__name__).warning("device 'auto' runs on the CPU: %s", error)


# Sessions of a parent process and their buffers, never freed.
_SET_ASIDE: list[Any] = []
