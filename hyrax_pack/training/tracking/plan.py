"""What MLflow and TensorBoard are told of a run beside its metrics."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from typing import Any

from hyrax_pack.config import Config
from hyrax_pack.run import Run

# MLflow's own names for the two.
GIT_COMMIT = "mlflow.source.git.commit"
TO_TENSOR = "to_tensor_sha256"

_LONGEST_NAME = 250
_EPOCH_NAMES = ("training/epoch/", "validation/", "test/")


@dataclass(frozen=True)
class TrackingPlan:
    """Names, parameters and tags of one run.

    Attributes
    ----------
    folder : str
        The run folder.
    uri : str
        MLflow's tracking store.
    experiment, run_name : str
    params : dict
        Of MLflow, and TensorBoard's hyperparameters.
    tags : dict
    """

    folder: str
    uri: str
    experiment: str
    run_name: str
    params: dict[str, str | float]
    tags: dict[str, str]

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> TrackingPlan:
        """What `to_json` gave."""
        return cls(**json.loads(line))


def plan_tracking(run: Run, class_name: str) -> TrackingPlan:
    """Say what there is to say of `run`; the names are those of docs/model-contract.md.

    A server named by the environment (MLFLOW_TRACKING_URI) is used where there is one, else a database in the results
    folder, which all its runs share.
    """
    config = run.config
    tags = {TO_TENSOR: run.to_tensor_sha256}
    if commit := run.facts.get("git_commit"):
        tags[GIT_COMMIT] = commit
        tags["git_changed"] = str(run.facts.get("git_changed", False))
    database = run.path.parent / "mlflow" / "mlflow.db"
    return TrackingPlan(
        folder=str(run.path),
        uri=os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{database}",
        experiment=str(config.get("train.experiment_name")),
        run_name=str(config.get("train.run_name") or run.path.name),
        params=collect_params(config, class_name) | {"Results Directory": str(run.path), "seed": run.facts["seed"]},
        tags=tags,
    )


def collect_params(config: Config, class_name: str) -> dict[str, str | float]:
    """The settings that a person compares runs by.

    The model's name and settings (`<Class>.<key>`), epochs, batch_size, and criterion, optimizer and scheduler with
    their arguments under the arguments' own names.
    """
    params: dict[str, Any] = {"name": config.get("model.name")}
    params |= {f"{class_name}.{key}": value for key, value in config.table(f"model.{class_name}").items()}
    package = str(config.get("model.name")).split(".", 1)[0]
    params |= {f"{class_name}.{key}": value for key, value in config.table(f"{package}.{class_name}").items()}
    params |= {"epochs": config.get("train.epochs"), "batch_size": config.get("data_loader.batch_size")}
    for part in ("criterion", "optimizer", "scheduler"):
        name = config.get(f"{part}.name", None)
        if name is None:
            continue
        params[part] = name
        for key, value in config.arguments(part).items():
            params[key if key not in params else f"{part}.{key}"] = value
    return {key: value if type(value) in (int, float) else str(value) for key, value in params.items()}


def axis_of(name: str) -> str:
    """The field of a record that a metric is drawn over: `epoch` for figures of an epoch, else `step`."""
    return "epoch" if name.startswith(_EPOCH_NAMES) else "step"


def allowed_name(name: str) -> str:
    """A name as MLflow takes it: of letters, digits and `_-. :/`, without empty parts or dots alone, not too long."""
    parts = [re.sub(r"[^\w\-. :]", "_", part) for part in name.split("/")]
    kept = [re.sub(r"^\.+$", "_", part) for part in parts if part]
    return "/".join(kept)[:_LONGEST_NAME] or "_"
