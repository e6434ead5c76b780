"""Train; and bring a run folder back: the model with its weights, its data, and the to_tensor that trained it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hyrax_runtime.replay import as_slots, compile_protected

from hyrax_pack.capturing import Captured, capture, captured_before, same_code
from hyrax_pack.capturing.model_code import ModelCode, code_sha256, describe_code
from hyrax_pack.config import Config, load_config
from hyrax_pack.data import DataProvider, Observation, identify, identity_differences, observe_group
from hyrax_pack.data.tensors import to_torch
from hyrax_pack.errors import ChangedSinceError, ModelError, StaleTextError, TrainingError
from hyrax_pack.model import ModelSpec, build_model, describe_model, model_class
from hyrax_pack.resolving import user_code
from hyrax_pack.run import Run, load_into, open_run
from hyrax_pack.run.folder import CODE_FILE, CONFIG_FILE, DATA_FILE, TEXT_FILE
from hyrax_pack.run.surroundings import training_packages
from hyrax_pack.training.origin import changes_of_code
from hyrax_pack.workflow.arguments import check_word, check_words

if TYPE_CHECKING:
    from torch import nn

    from hyrax_pack.data.tensors import Batch

Settings = Config | Mapping[str, Any] | str | Path
Which = Literal["best", "last"]
Accept = Literal["code", "weights"]


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
    code_sha256 : str
        Of the code that inference runs, as it is now.
    accepted : tuple of str
        What is not as it was trained, and was accepted all the same.
    """

    run: Run
    spec: ModelSpec
    model: nn.Module
    provider: DataProvider
    captured: Captured
    function: Callable[[Any], Any]
    code_sha256: str
    accepted: tuple[str, ...] = ()

    def batch(self, data_dict: Mapping[str, Any]) -> Batch:
        """Return what the model is called with for these rows: to_tensor's result as tensors."""
        return to_torch(as_slots(self.function(data_dict), rows=len(data_dict["object_id"])))


def train(
    config: Settings | None,
    *,
    resume: str | Path | None = None,
    accept: Collection[Literal["code", "data"]] = (),
    progress: bool | None = None,
) -> Run:
    """Train a model, from the beginning or from where a run stands.

    Parameters
    ----------
    config : Config, mapping, path, or None
        Settings as `load_config` gives them, as nested dicts, or as a TOML file; None only with `resume`.
    resume : path, optional
        A run folder to go on with.
    accept : collection of str
        `code` or `data`: go on although it is not what the run was started with. That is recorded in the run.
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

    check_words("accept", accept, Literal["code", "data"])
    settings = None if config is None else as_config(config)
    return train_run(settings, resume=resume, accept=accept, progress=progress)


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
    run: Run | str | Path,
    *,
    weights: Which = "best",
    to_tensor: Literal["class", "run"] = "class",
    accept: Collection[Accept] = (),
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
    accept : collection of str
        `code` or `weights`: bring the run back although they are not what trained, or what training wrote.

    Raises
    ------
    StaleTextError
        The class's to_tensor is not the one that trained.
    ChangedSinceError
        The code that inference runs, or the weights, have changed since.
    TrainingError
        The run folder lacks something, or its to_tensor.py is not what was executed.
    HyraxError
        The class or the data cannot be used any more.
    """
    check_word("weights", weights, Which)
    check_word("to_tensor", to_tensor, Literal["class", "run"])
    check_words("accept", accept, Accept)
    run = open_run(run) if isinstance(run, str | Path) else run
    config = run.config
    text = run.to_tensor_text
    weights_file = run.weights(weights)
    accepted = _check_weights(run, weights_file, accept)
    cls = model_class(config)
    spec = describe_model(cls)
    captured = _captured_then(run, spec, text, accept_other=to_tensor == "run")
    provider = DataProvider(config, form=spec.form)
    function = compile_protected(text, on_copy=True)
    sample = provider.group("train").data_dict([0])
    with user_code("to_tensor", ModelError):
        result = function(sample)
    model = build_model(cls, config, to_torch(as_slots(result, rows=1)))
    code = describe_code(spec, model)
    accepted += _check_code(run, code, accept)
    load_into(model, weights_file)
    model.eval()
    return Trained(run, spec, model, provider, captured, function, code_sha256(code), tuple(accepted))


def describe_changes(trained: Trained) -> list[str]:
    """Say, each in a line, what is not as it was when the run was trained and does not stand in the way of export."""
    said = [f"accepted: {change}" for change in trained.accepted]
    said += [f"accepted in training: {change}" for change in trained.run.facts.get("accepted", ())]
    now = training_packages()
    said += [
        f"trained with {name} {version}, exported with {now.get(name)}"
        for name, version in trained.run.facts.get("packages", {}).items()
        if now.get(name) != version
    ]
    recorded = trained.run.recorded(DATA_FILE) or {"groups": {}}
    here = {name: trained.provider.group(name) for name in recorded["groups"] if trained.provider.has_group(name)}
    changes = identity_differences(recorded["groups"], {name: identify(group) for name, group in here.items()})
    return said + [f"the data is not what trained: {change}" for change in changes]


def observed_in_training(trained: Trained) -> Observation:
    """Return what training saw of every field; where that was not recorded, what there is to see now.

    Raises
    ------
    DataError
        The settings name data for inference that is not here.
    """
    recorded = trained.run.recorded(DATA_FILE)
    if recorded is None or recorded["observed"] is None:
        return observe_group(trained.provider.group("train"))
    return Observation.from_plain(recorded["observed"])


def provenance_of(trained: Trained) -> dict[str, Any]:
    """Return what a bundle says of the training: versions, the code's digest, and what was accepted."""
    facts = trained.run.facts
    accepted = [*facts.get("accepted", ()), *trained.accepted]
    found: dict[str, Any] = {"code_sha256": trained.code_sha256, "trained_with": facts.get("packages", {})}
    return found | ({"accepted_changes": accepted} if accepted else {})


def capture_of(spec: ModelSpec, config: Config) -> Captured:
    """Capture the to_tensor of a class, or the default one where the class has none."""
    owner = spec.cls if spec.tensor_name else spec.tensor_function
    return capture(owner, requires=config.get("model.requires"))


def _check_weights(run: Run, file: Path, accept: Collection[str]) -> list[str]:
    """Refuse weights that training did not write, unless accepted: then say so."""
    if run.are_as_trained(file):
        return []
    changes = [f"{file.name} is not the file that training wrote"]
    if "weights" not in accept:
        cure = "Put it back, or train again; to export it all the same, without the run's figures: --accept weights"
        raise ChangedSinceError(str(run.path), "weights", changes, cure)
    return [f"weights: {change}" for change in changes]


def _check_code(run: Run, now: ModelCode, accept: Collection[str]) -> list[str]:
    """Refuse code of inference that is not what trained, unless accepted: then say so."""
    recorded = run.recorded(CODE_FILE)
    if recorded is None:
        raise TrainingError(f"{run.path / CODE_FILE}: no such file: nobody can tell which code trained; put it back")
    changes = changes_of_code(run, recorded, now, inference=True)
    if changes and "code" not in accept:
        cure = "Put it back, or train again; to export the code as it is now, without the run's figures: --accept code"
        raise ChangedSinceError(str(run.path), "code", changes, cure)
    return [f"code: {change}" for change in changes]


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
