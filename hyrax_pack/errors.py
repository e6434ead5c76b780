"""The errors of the packing side; each is a `hyrax_runtime.errors.HyraxError`.

    TOML --config--> settings --resolving--> class --model--> contract kept --data--> rows
         ConfigError          ResolveError         ModelError         DataError
    train --> run folder        TrainingError
    to_tensor --> text          CaptureError, and ProofError where the text run alone gives something else
    forward --> graph           ExportError, and ParityError where graph and model disagree
    to_tensor --> graph         LoweringError (only under --lower require)
    --> file                    PackError

`ConfigError` is wrong usage (exit code 2); all others end a command with exit code 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from hyrax_runtime.errors import HyraxError, Problem, UsageError, describe

__all__ = [
    "CaptureError",
    "ChangedSinceError",
    "ConfigError",
    "DataError",
    "ExportError",
    "HyraxError",
    "Interrupted",
    "LossError",
    "LoweringError",
    "ModelError",
    "PackError",
    "ParityError",
    "Problem",
    "ProofError",
    "ResolveError",
    "StorageError",
    "TrainingError",
    "UsageError",
    "describe",
]


class ConfigError(UsageError):
    """A configuration file or `--set` is wrong; lists every fault."""

    code: ClassVar[str] = "config"

    def __init__(self, source: str, problems: Sequence[Problem] = ()) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(describe(source, problems) if problems else source)


class ResolveError(HyraxError):
    """A name in the configuration leads to no class or function."""

    code: ClassVar[str] = "resolve"


class ModelError(HyraxError):
    """The model class breaks the contract of `@hyrax_model`; lists every fault."""

    code: ClassVar[str] = "model"

    def __init__(self, source: str, problems: Sequence[Problem] = ()) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(describe(source, problems) if problems else source)


class DataError(HyraxError):
    """A data set is missing, unreadable, or lacks a field that was asked for."""

    code: ClassVar[str] = "data"


class TrainingError(HyraxError):
    """Training stopped; says what is saved and how to go on."""

    code: ClassVar[str] = "training"


class StorageError(TrainingError):
    """A file of the run folder cannot be written or is not what it was; what was saved before stands."""

    code: ClassVar[str] = "training/storage"

    @classmethod
    def of(cls, path: Path, error: OSError) -> StorageError:
        """The system's refusal, with the path and what to do."""
        return cls(
            f"{path}: cannot be written: {error.strerror or error}. What was saved before is untouched. "
            f"Make room or permission, then go on with: hyrax-pack train --resume {path.parent}"
        )


class ChangedSinceError(TrainingError):
    """The model's code, the data or the weights are not what the run was made with.

    `what` is `code`, `data` or `weights`; `changes` says each change in a line.
    """

    code: ClassVar[str] = "training/changed-since"

    def __init__(self, source: str, what: str, changes: Sequence[str], cure: str) -> None:
        self.what = what
        self.changes = tuple(changes)
        super().__init__(describe(source, [Problem(f"the {what}", change) for change in changes], cure))


class LossError(TrainingError):
    """The loss is not a number."""

    code: ClassVar[str] = "training/loss"


class Interrupted(TrainingError):  # noqa: N818 - nothing went wrong: the user stopped it
    """Training was asked to stop, finished its step and saved everything."""

    code: ClassVar[str] = "training/interrupted"


class CaptureError(HyraxError):
    """`to_tensor` cannot be carried as text that means the same anywhere; lists every reason."""

    code: ClassVar[str] = "capture"

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(describe(source, self.problems))


class ProofError(CaptureError):
    """The captured text, run alone in a fresh process, does not do what the live function does."""

    code: ClassVar[str] = "capture/proof"


class StaleTextError(HyraxError):
    """The class's `to_tensor` is no longer the one that trained."""

    code: ClassVar[str] = "capture/changed-since"


class ExportError(HyraxError):
    """The model did not become an ONNX graph."""

    code: ClassVar[str] = "export"


class AbsentLabelError(ExportError):
    """`to_tensor` needs a label, and there is none at inference."""

    code: ClassVar[str] = "export/absent-label"


class OperatorError(ExportError):
    """The model uses an operator that has no ONNX form; `operator` names it, `line` the model's line where known."""

    code: ClassVar[str] = "export/operator"

    def __init__(self, message: str, *, operator: str, line: str | None = None) -> None:
        self.operator = operator
        self.line = line
        super().__init__(message)


class BranchError(ExportError):
    """The model branches on the values of its data: a graph would hold the one branch that the sample took."""

    code: ClassVar[str] = "export/branch"


class StaticShapeError(ExportError):
    """The model's code, or the graph made of it, fixes the size of the batch or of another free dimension."""

    code: ClassVar[str] = "export/static-shape"


class OutputFormError(ExportError):
    """What inference returns is not named tensors with the batch axis first."""

    code: ClassVar[str] = "export/outputs"


class RandomnessError(ExportError):
    """Inference answers differently for the same rows: random numbers, or state that it changes."""

    code: ClassVar[str] = "export/random"


class CoupledRowsError(ExportError):
    """A row's answer depends on the other rows of its batch, and `[model] batch = "joint"` is not set."""

    code: ClassVar[str] = "export/coupled-rows"


class NoiseError(ExportError):
    """Rounding moves an output of the model by so much that no comparison could prove a graph."""

    code: ClassVar[str] = "export/noise"


class NotFiniteError(ExportError):
    """Weights are not finite, or an output is NaN on every row: nothing compared with NaN proves anything."""

    code: ClassVar[str] = "export/not-finite"


class ParityError(ExportError):
    """The ONNX graph does not compute what the model computes.

    `output` and `trial` (the batch, in words) say where; `difference` and `tolerance` by how much, where both have a
    value there.
    """

    code: ClassVar[str] = "parity"

    def __init__(
        self,
        message: str,
        *,
        output: str | None = None,
        trial: str | None = None,
        difference: float | None = None,
        tolerance: float | None = None,
    ) -> None:
        self.output = output
        self.trial = trial
        self.difference = difference
        self.tolerance = tolerance
        super().__init__(message)


class LoweringError(HyraxError):
    """`to_tensor` must be one graph with the network and cannot be, or the two do not fit together."""

    code: ClassVar[str] = "lowering"


class PackError(HyraxError):
    """The bundle could not be written."""

    code: ClassVar[str] = "pack"
