"""A run folder that Hyrax wrote: its settings, its weights and its saved function, read as they are.

    runtime_config.toml                   every setting, under Hyrax's own names
    <train.weights_filename>              a state_dict; or a checkpoint, checkpoint_*.pt
    prepare_inputs.py, or to_tensor.py    the function's text, without its class

Nothing of Hyrax needs to be installed, unless the model itself imports it.
"""

from __future__ import annotations

import ast
import copy
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hyrax_pack.config import load_config
from hyrax_pack.data import DataProvider
from hyrax_pack.errors import ConfigError, DataError, HyraxError, ModelError, Problem, TrainingError
from hyrax_pack.model import ModelSpec, describe_model
from hyrax_pack.resolving import resolve_class, resolve_function, user_code
from hyrax_pack.run.weights import load_weights
from hyrax_pack.workflow.rows_file import open_rows

if TYPE_CHECKING:
    import torch
    from torch import nn

SETTINGS = "runtime_config.toml"
FUNCTIONS = ("prepare_inputs.py", "to_tensor.py")
CHECKPOINTS = "checkpoint*.pt"
DEFAULT_WEIGHTS = "example_model.pth"
# Keys of one [data_request.<group>.<friendly>] that mean the same here.
REQUEST_KEYS = ("dataset_class", "data_location", "fields", "primary_id_field", "join_field", "dataset_config")
# Keys of its [model] that are read as in settings of ours.
MODEL_KEYS = ("batch", "classes", "outputs", "requires")
GROUPS = ("train", "validate", "test", "infer")


@dataclass(frozen=True)
class UpstreamRun:
    """A run folder of Hyrax.

    Attributes
    ----------
    path : Path
    settings : dict
        `runtime_config.toml`, as it stands.
    weights : Path
    function_file : Path or None
        The saved function; None where the class's own is all there is.
    """

    path: Path
    settings: dict[str, Any]
    weights: Path
    function_file: Path | None

    @property
    def form(self) -> Literal["list", "stacked"]:
        """What the function was called with, by the word of its time."""
        return "stacked" if self.function_file is not None and self.function_file.name == FUNCTIONS[0] else "list"


def is_upstream_run(path: Path) -> bool:
    """Whether a folder is a run of Hyrax and not one of ours: it has settings, and weights of another name."""
    return (path / SETTINGS).is_file() and not (path / "metrics.jsonl").exists() and not (path / "run.json").exists()


def open_upstream_run(path: Path, weights: Path | None = None) -> UpstreamRun:
    """Read a run folder of Hyrax.

    Parameters
    ----------
    path : Path
    weights : Path, optional
        Another weights file than the one that the settings name.

    Raises
    ------
    ConfigError
        `runtime_config.toml` is missing or cannot be read.
    TrainingError
        There are no weights.
    """
    path = path.absolute()  # the function's file is looked for in its own folder
    file = path / SETTINGS
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(str(path), [Problem("", f"has no {SETTINGS}: it is no run folder of Hyrax")]) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(file), [Problem("", f"cannot be read: {error}")]) from error
    function = next((path / name for name in FUNCTIONS if (path / name).is_file()), None)
    return UpstreamRun(path, settings, weights or _find_weights(path, settings), function)


def model_settings(run: UpstreamRun) -> Mapping[str, Any]:
    """Return what the run's `[model]` says under our words: batch, classes, outputs, requires.

    Raises
    ------
    ConfigError
        One of them is not of its kind.
    """
    said = run.settings.get("model", {})
    return load_config(tables={"model": {key: said[key] for key in MODEL_KEYS if key in said}}).table("model")


def find_class(run: UpstreamRun, model: str | None, base_dir: Path) -> ModelSpec:
    """Find the model's class: by the run's settings, or by the name given in their place.

    Raises
    ------
    ConfigError
        The settings name none.
    ResolveError, ModelError
        The name leads nowhere, or its class breaks the contract.
    """
    name = model or run.settings.get("model", {}).get("name")
    if not name:
        raise ConfigError(str(run.path / SETTINGS), [Problem("model.name", "is not set; give --model FILE.py:Class")])
    return describe_model(resolve_class(str(name), base_dir))


def saved_function(run: UpstreamRun) -> Any | None:
    """Load the saved function; None where the run has none. Hyrax saves one function, under any name.

    Raises
    ------
    ModelError
        The file holds no function.
    """
    if run.function_file is None:
        return None
    names = [
        node.name
        for node in ast.parse(run.function_file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    ]
    if not names:
        raise ModelError(f"{run.function_file}: holds no function")
    name = run.function_file.stem if run.function_file.stem in names else names[-1]
    found: Any = resolve_function(f"{run.function_file}:{name}", run.path)
    return found.__func__ if isinstance(found, staticmethod) else found


def open_data(run: UpstreamRun, rows: Path | None, form: Literal["list", "stacked"], base_dir: Path) -> DataProvider:
    """Open the rows given as a file, or else the data set that the run's settings ask for.

    Raises
    ------
    DataError
        Neither can be opened; says how to give rows as a file.
    """
    labels = run.settings.get("model", {}).get("labels") or ["label"]
    if rows is not None:
        return open_rows(rows, form, labels=labels)
    cure = "give some of its rows as a file: --golden rows.npz"
    request = _request(run.settings)
    if not request:
        raise DataError(f"{run.path / SETTINGS}: names no data set; {cure}")
    tables = {
        "general": {"base_dir": str(base_dir)},
        "data_request": request,
        "data_set": {
            name: table for name, table in run.settings.get("data_set", {}).items() if isinstance(table, dict)
        },
    }
    try:
        provider = DataProvider(load_config(tables=tables), form)
        provider.group("train").data_dict([0])
    except HyraxError as error:
        raise DataError(f"{run.path}: its data set cannot be opened here: {error}; {cure}") from error
    return provider


def restore_model(run: UpstreamRun, spec: ModelSpec, data_sample: Any) -> nn.Module:
    """Make the model as Hyrax did, with the whole of its settings, and put the weights in.

    Parameters
    ----------
    data_sample : tensor or tuple of (tensor or None)
        `to_tensor` of one row.

    Raises
    ------
    ModelError
        `__init__` raises.
    TrainingError
        The weights are those of another model.
    """
    first = data_sample[0] if isinstance(data_sample, tuple) else data_sample
    second = tuple(first.shape[1:]) if spec.init_takes == "shape" else data_sample
    with user_code(f"{spec.name}.__init__", ModelError):
        model: nn.Module = spec.cls(copy.deepcopy(run.settings), second)
    state = read_state(run.weights)
    with user_code(f"{run.weights}: these are not the weights of {spec.name}", TrainingError):
        model.load_state_dict(state)
    return model.eval()


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read a state_dict, or the one inside a checkpoint; names that a parallel wrapper made are put right.

    Raises
    ------
    TrainingError
        The file holds neither.
    """
    state: dict[str, Any] = load_weights(path)
    inner = state.get("model")
    if isinstance(inner, dict):
        state = inner
    return {name.removeprefix("module."): value for name, value in state.items()}


def _find_weights(path: Path, settings: dict[str, Any]) -> Path:
    train = settings.get("train", {})
    named = train.get("weights_filename") or train.get("weights_filepath") or DEFAULT_WEIGHTS
    if (path / str(named)).is_file():
        return path / str(named)
    checkpoints = sorted(path.glob(CHECKPOINTS), key=_epoch)
    if not checkpoints:
        raise TrainingError(
            f"{path}: has neither {named} nor a checkpoint; name the file in {SETTINGS}: weights_filename under [train]"
        )
    return checkpoints[-1]


def _epoch(checkpoint: Path) -> tuple[int, str]:
    found = re.search(r"\d+", checkpoint.stem)
    return int(found[0]) if found else -1, checkpoint.name


def _request(settings: dict[str, Any]) -> dict[str, Any]:
    """The data sets, under our groups: older settings have one level less, or call it `model_inputs`."""
    asked = settings.get("data_request") or settings.get("model_inputs") or {}
    if not any(group in asked for group in GROUPS):
        asked = {"train": asked} if asked else {}
    return {
        group: {friendly: _kept(request) for friendly, request in asked[group].items() if isinstance(request, dict)}
        for group in GROUPS
        if isinstance(asked.get(group), dict)
    }


def _kept(request: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key in REQUEST_KEYS}
