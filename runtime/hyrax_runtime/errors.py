"""Every error of both distributions, by whose turn it is.

    file bytes --container--> members --manifest--> meaning --graph_gate--> a graph that may run
                 BundleError           ManifestError           GraphError
    who says that its Python may run?                          trust       TrustError
    data_dict --contract--> rows in the recorded form          contract    InputError
    rows --replay--> tensors                                   replay      ReplayError
    tensors --session--> outputs                               session     DeviceError

`BundleError`: make or fetch another file. `InputError`: fix the call. `TrustError`: decide. `DeviceError`: this
machine. hyrax_pack adds the families whose cure is in the model (see hyrax_pack.errors).

Each class has a stable `code`, for programs; `str` is for people: what, where, what was expected, what to do.
Data stands in attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from hyrax_runtime.frozen import Frozen, replace


class Problem(Frozen):
    """One fault among several: `where` is a key path or a place, `what` says what was found and expected."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class RowProblem(Problem):
    """A fault of one row of the field `where`."""

    row: int = 0

    def __str__(self) -> str:
        return f"{self.where} row {self.row}: {self.what}"


def describe(source: str, problems: Sequence[Problem], cure: str = "") -> str:
    """One line for one problem; for several, a heading and a line for each."""
    if len(problems) == 1:
        lines = [f"{source}: {problems[0]}"]
    else:
        lines = [f"{source}: {len(problems)} problems", *(f"  - {problem}" for problem in problems)]
    if cure:
        lines.append(cure)
    return "\n".join(lines)


class HyraxError(Exception):
    """Base of every error that hyrax-pack and hyrax-runtime raise on purpose.

    `batch` is the number of the batch in which it arose, where batches are streamed.
    """

    code: ClassVar[str] = "hyrax"
    batch: int | None = None

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.batch is None else f"batch {self.batch}: {text}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (type(self), self.args, self.__dict__)  # so that it crosses to another process whole


def _made_again(kind: type[HyraxError], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> HyraxError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error


class BundleError(HyraxError):
    """The file is not a sound bundle: make or fetch another."""

    code: ClassVar[str] = "bundle"


class UnreadableError(BundleError):
    """The path leads to no regular file that this user may read."""

    code: ClassVar[str] = "container/unreadable"


class NotABundleError(BundleError):
    """The first bytes are not those of a `.hyrax` file."""

    code: ClassVar[str] = "container/magic"


class SizeError(BundleError):
    """The file is shorter or longer than its manifest says."""

    code: ClassVar[str] = "container/size"


class HeaderError(BundleError):
    """A header, its padding or the central directory is not the one that follows from the manifest."""

    code: ClassVar[str] = "container/header"


class DigestError(BundleError):
    """The bytes of a member are not those that its sha256 names."""

    code: ClassVar[str] = "container/digest"


class ChangedError(BundleError):
    """The file was written to while it was being read."""

    code: ClassVar[str] = "container/changed"


class EncodingError(BundleError):
    """The manifest is not canonical msgpack within the limits."""

    code: ClassVar[str] = "manifest/encoding"


class VersionError(BundleError):
    """The file is of a format version that this reader does not know."""

    code: ClassVar[str] = "manifest/version"


class ManifestError(BundleError):
    """The manifest breaks schemas/manifest.v1; lists every fault, so one round of fixing is enough."""

    code: ClassVar[str] = "manifest/schema"

    def __init__(self, source: str, problems: Sequence[Problem], cure: str = "") -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(describe(source, self.problems, cure))


class GraphError(BundleError):
    """A graph says something that no graph of a bundle may say."""

    code: ClassVar[str] = "graph"


class ProtobufError(GraphError):
    """The bytes are not the one plain protobuf encoding of a model."""

    code: ClassVar[str] = "graph/protobuf"


class ExternalDataError(GraphError):
    """A tensor points outside weights.bin, or the tensors do not tile it."""

    code: ClassVar[str] = "graph/external-data"


class OperatorError(GraphError):
    """A domain, operator set or construct that is not on the list."""

    code: ClassVar[str] = "graph/operators"


class SignatureMismatchError(GraphError):
    """The graph's inputs or outputs are not those that the manifest describes."""

    code: ClassVar[str] = "graph/signature"


class TextError(BundleError):
    """The captured text is not what a captured text may be; lists every fault."""

    code: ClassVar[str] = "replay/text"

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(describe(source, self.problems))


class UnpackError(BundleError):
    """The members could not be written where they were asked for."""

    code: ClassVar[str] = "unpack"


class InputError(HyraxError):
    """The data handed in does not fit the contract: fix the call."""

    code: ClassVar[str] = "input"


class TrustError(HyraxError):
    """The bundle holds Python that nobody here has allowed to run: decide."""

    code: ClassVar[str] = "trust"


class PinError(TrustError):
    """The file is another than the one that the caller pinned."""

    code: ClassVar[str] = "trust/pin"


class UntrustedError(TrustError):
    """The bundle's Python is unknown to this user's trust store."""

    code: ClassVar[str] = "trust/unknown"


class TrustStoreError(TrustError):
    """The trust store cannot be read or written, or others may write to it."""

    code: ClassVar[str] = "trust/store"


class DeviceError(HyraxError):
    """This machine cannot run what was asked for."""

    code: ClassVar[str] = "device"


class ReplayError(HyraxError):
    """The captured to_tensor raised, or returned something other than what the bundle records."""

    code: ClassVar[str] = "replay"


class ResultError(ReplayError):
    """to_tensor returned something that is no batch of tensors, or not the tensors that the bundle records."""

    code: ClassVar[str] = "replay/result"


class RequirementError(ReplayError):
    """A module that to_tensor imports is not installed here."""

    code: ClassVar[str] = "replay/requirement"


class UsageError(HyraxError):
    """The command or call was made wrongly (exit code 2)."""

    code: ClassVar[str] = "usage"


class FieldsError(InputError):
    """The caller's `data_dict` breaks the input contract; lists every fault, so one round of fixing is enough."""

    code: ClassVar[str] = "input/fields"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(describe("input", problems))

    def renumbered(self, first_row: int) -> FieldsError:
        """Return the same with rows counted from the start of the file or stream, where the batch began there."""
        moved = (replace(one, row=one.row + first_row) if isinstance(one, RowProblem) else one for one in self.problems)
        return FieldsError(tuple(moved))


class BatchError(InputError):
    """A batch was asked to be cut, masked or streamed in pieces although its rows belong together."""

    code: ClassVar[str] = "input/batch"


class DataFileError(InputError):
    """A file of rows is missing, unreadable, or lacks a column that the contract needs."""

    code: ClassVar[str] = "input/file"


class OutputFileError(InputError):
    """The outputs could not be written; nothing half-written is left behind."""

    code: ClassVar[str] = "input/output-file"


class GoldenError(BundleError):
    """A golden column cannot be encoded, or its bytes do not say what its entry in the manifest says."""

    code: ClassVar[str] = "bundle/golden"


class SessionError(BundleError):
    """onnxruntime refuses the graph itself, on any device."""

    code: ClassVar[str] = "bundle/session"


class NotLoweredError(BundleError):
    """Running without Python was asked for, and the bundle holds no lowered form of its to_tensor."""

    code: ClassVar[str] = "bundle/not-lowered"


class OtherBundleError(BundleError):
    """The file under the path is no longer the bundle that the predictor was made from."""

    code: ClassVar[str] = "bundle/other"


class ProviderError(DeviceError):
    """The device that was asked for is not the one that would run; says why."""

    code: ClassVar[str] = "device/provider"


class RunError(DeviceError):
    """onnxruntime failed while running the graph, or gave other rows than it was given."""

    code: ClassVar[str] = "device/run"


class DriftError(DeviceError):
    """This machine does not compute what the bundle proved; names the stage that drifts."""

    code: ClassVar[str] = "device/drift"


class MeasureError(DeviceError):
    """A process that was started to be timed did not come back with its times."""

    code: ClassVar[str] = "device/measure"


class MissingExtraError(DeviceError):
    """An optional distribution is needed for what was asked; says which extra installs it."""

    code: ClassVar[str] = "device/extra"
