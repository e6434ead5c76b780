"""The errors of the packing side; each is a `hyrax_runtime.errors.HyraxError`.

    TOML --config--> settings --resolving--> class --model--> contract kept --data--> rows
         ConfigError          ResolveError         ModelError         DataError
    train --> run folder        TrainingError
    to_tensor --> text          CaptureError
    forward --> graph           ExportError, and ParityError where graph and model disagree
    to_tensor --> graph         LoweringError (only under --lower require)
    --> file                    PackError

`ConfigError` is wrong usage (exit code 2); all others end a command with exit code 1.
"""

from __future__ import annotations

from typing import ClassVar

from hyrax_runtime.errors import HyraxError, Problem, UsageError, describe

__all__ = [
    "CaptureError",
    "ConfigError",
    "DataError",
    "ExportError",
    "HyraxError",
    "ModelError",
    "PackError",
    "ParityError",
    "Problem",
    "ResolveError",
    "TrainingError",
    "UsageError",
    "describe",
]


class ConfigError(UsageError):
    """A configuration file or `--set` is wrong; lists every fault."""

    code: ClassVar[str] = "config"


class ResolveError(HyraxError):
    """A name in the configuration leads to no class or function."""

    code: ClassVar[str] = "resolve"


class ModelError(HyraxError):
    """The model class breaks the contract of `@hyrax_model`."""

    code: ClassVar[str] = "model"


class DataError(HyraxError):
    """A data set is missing, unreadable, or lacks a field that was asked for."""

    code: ClassVar[str] = "data"


class TrainingError(HyraxError):
    """Training stopped; says what is saved and how to go on."""

    code: ClassVar[str] = "training"


class CaptureError(HyraxError):
    """`to_tensor` cannot be carried as text that means the same anywhere."""

    code: ClassVar[str] = "capture"


class ExportError(HyraxError):
    """The model did not become an ONNX graph."""

    code: ClassVar[str] = "export"


class ParityError(ExportError):
    """The ONNX graph does not compute what the model computes."""

    code: ClassVar[str] = "parity"


class PackError(HyraxError):
    """The bundle could not be written."""

    code: ClassVar[str] = "pack"
