"""Train; and bring a run folder back: the model with its weights, its data, and the to_tensor that trained it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hyrax_runtime.replay import as_slots, compile_function

from hyrax_pack.capturing import Captured, capture, captured_before, same_code
from hyrax_pack.config import Config, load_config
from hyrax_pack.data import DataProvider
from hyrax_pack.data.tensors import to_torch
from hyrax_pack.errors import ModelError, StaleTextError
from hyrax_pack.model import ModelSpec, build_model, describe_model, model_class
from hyrax_pack.resolving import user_code
from hyrax_pack.run import Run, load_into, open_run
from hyrax_pack.run.folder import CONFIG_FILE, TEXT_FILE

if TYPE_CHECKING:
    from torch import nn

    from hyrax_pack.data.tensors import Batch

Settings = Config | Mapping[str, Any] | str | Path
Which = Literal["best", "last"]


@dataclass(frozen=True)
class Trained:
    """A run, ready to answer.

    Attributes
    ----------
    run : Run
    spec : ModelSpec
    model : nn.Module
        On the CPU, in evaluation mode, with the run's weights.
    provider : DataProvider
    captured : Captured
        The text that trained it.
    function : callable
        That text, compiled; it works on a copy of what it is given.
    """

    run: Run
    spec: ModelSpec
    model: nn.Module
    provider: DataProvider
    captured: Captured
    function: Callable[[Any], Any]

    def batch(self, data_dict: Mapping[str, Any]) -> Batch:
        """Return what the model is called with for these rows: to_tensor's result as tensors."""
        return to_torch(as_slots(self.function(data_dict), rows=len(data_dict["object_id"])))


def train(config: Settings | None, *, resume: str | Path | None = None, progress: bool | None = None) -> Run:
    """Train a model, from the beginning or from where a run stands.

    Parameters
    ----------
    config : Config, mapping, path, or None
        Settings as `load_config` gives them, as nested dicts, or as a TOML file; None only with `resume`.
    resume : path, optional
        A run folder to go on with.
    progress : bool, optional
        Whether to draw a progress bar; by default where stderr is a terminal.

    Returns
    -------
    Run
        The run folder.

    Raises
    ------
    HyraxError
        The settings, the model, its to_tensor or its data cannot be used, or training stopped; says what is saved.
    """
    from hyrax_pack.training import train_run

    return train_run(None if config is None else as_config(config), resume=resume, progress=progress)


def settings_for(config: Path | None, overrides: Sequence[str] = (), resume: Path | None = None) -> Config | None:
    """Read what a command was given: without a file, `--set` on a resumed run is laid over the run's own settings.

    Raises
    ------
    ConfigError
        The file or a `--set` is wrong.
    """
    if config is None and resume is not None:
        return load_config(open_run(resume).path / CONFIG_FILE, overrides) if overrides else None
    return load_config(config, overrides)


def as_config(settings: Settings) -> Config:
    """Return settings in any of the forms that a caller may have them in as a Config."""
    if isinstance(settings, Config):
        return settings
    return load_config(tables=settings) if isinstance(settings, Mapping) else load_config(settings)


def load_trained(
    run: Run | str | Path, *, weights: Which = "best", to_tensor: Literal["class", "run"] = "class"
) -> Trained:
    """Bring a run back.

    Parameters
    ----------
    run : Run or path
        A run folder.
    weights : str
        `best` (by validation loss where there is one) or `last`.
    to_tensor : str
        `class` refuses a run whose class now captures to other code; `run` uses the run's own text all the same.

    Raises
    ------
    StaleTextError
        The class's to_tensor is not the one that trained.
    TrainingError
        The run folder lacks something, or its to_tensor.py is not what was executed.
    HyraxError
        The class or the data cannot be used any more.
    """
    run = open_run(run) if isinstance(run, str | Path) else run
    config = run.config
    text = run.to_tensor_text
    weights_file = run.weights(weights)
    cls = model_class(config)
    spec = describe_model(cls)
    captured = _captured_then(run, spec, text, accept_other=to_tensor == "run")
    provider = DataProvider(config, form=spec.form)
    function = compile_function(text, on_copy=True)
    sample = provider.group("train").data_dict([0])
    with user_code("to_tensor", ModelError):
        result = function(sample)
    model = build_model(cls, config, to_torch(as_slots(result, rows=1)))
    load_into(model, weights_file)
    model.eval()
    return Trained(run, spec, model, provider, captured, function)


def capture_of(spec: ModelSpec, config: Config) -> Captured:
    """Capture the to_tensor of a class, or the default one where the class has none."""
    owner = spec.cls if spec.tensor_name else spec.tensor_function
    return capture(owner, requires=config.get("model.requires"))


def _captured_then(run: Run, spec: ModelSpec, text: str, *, accept_other: bool) -> Captured:
    """The text that the run executed, as a capture; refused where the class now says something else."""
    if accept_other:
        return captured_before(text, f"{run.path.name}/{TEXT_FILE}")
    now = capture_of(spec, run.config)
    if not same_code(now.text, text):
        raise StaleTextError(
            f"{now.origin}: to_tensor has changed since {run.path.name} was trained with it "
            f"(its own text: {run.path / TEXT_FILE}). Put it back or train again; "
            "or export the run's own text with --to-tensor run"
        )
    return replace(now, text=text, sha256=run.to_tensor_sha256)
