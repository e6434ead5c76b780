"""Settings that may be given at export: those that no weight depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyrax_pack.config import Config
from hyrax_pack.errors import TrainingError
from hyrax_pack.run import Run
from hyrax_pack.training import other_keys

FREE = ("model.outputs", "model.classes", "model.batch", "model.labels", "model.requires", "onnx.opset_version")


def settings_of_export(run: Run, given: Config | None) -> tuple[Config, dict[str, Any]]:
    """Return the run's settings with those of the given ones that export may change, and these by their keys.

    Raises
    ------
    TrainingError
        Others differ; says which.
    """
    if given is None:
        return run.config, {}
    differing = other_keys(run.config, given)
    changes = {key: given.get(key, None) for key in differing if key in FREE}
    refused = [key for key in differing if key not in FREE]
    if refused:
        found = ", ".join(f"{key} (run: {_shown(run.config, key)}, given: {_shown(given, key)})" for key in refused)
        raise TrainingError(
            f"{run.path}: was trained with other settings: {found}. Export takes {', '.join(FREE)} from -c and --set; "
            "leave the others out, or train again"
        )
    return run.config.replaced({key: False if value is None else value for key, value in changes.items()}), changes


def describe_settings(run: Run, changes: Mapping[str, Any]) -> list[str]:
    """Say, each in a line, what was given at export."""
    return [
        f"{key} is {'not set' if value is None else value!r}, given now; in training: {_shown(run.config, key)}"
        for key, value in changes.items()
    ]


def _shown(config: Config, key: str) -> str:
    value = config.get(key, None)
    return "not set" if value is None else repr(value)
