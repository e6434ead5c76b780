"""Train; and bring a run folder back: the model with its weights, its data, and the to_tensor that trained it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hyrax_runtime.replay import as_slots, compile_protected

from hyrax_pack.capturing import Captured, capture, captured_before, same_code
from hyrax_pack.capturing.model_code import ModelCode, code_sha256, describe_code
from hyrax_pack.config import Config, load_config, read_config
from hyrax_pack.data import DataProvider, Observation, identify, identity_differences, observe_group
from hyrax_pack.data.tensors import to_torch
from hyrax_pack.errors import ChangedSinceError, ModelError, StaleTextError, TrainingError
from hyrax_pack.model import ModelSpec, build_model, describe_model, model_class
from hyrax_pack.resolving import user_code
from hyrax_pack.run import Run, load_into, open_run
from hyrax_pack.run.answers import Answers
from hyrax_pack.run.folder import CODE_FILE, CONFIG_FILE, DATA_FILE, TEXT_FILE, WeightsFacts
from hyrax_pack.run.listing import summarise
from hyrax_pack.run.records import VALIDATION_LOSS
from hyrax_pack.run.surroundings import training_packages
from hyrax_pack.training.origin import changes_of_code
from hyrax_pack.workflow.arguments import check_word, check_words
from hyrax_pack.workflow.recognising import check_answers, check_tensors, recorded_answers

if TYPE_CHECKING:
    from torch import nn

    from hyrax_pack.data.tensors import Batch

Settings = Config | Mapping[str, Any] | str | Path
Which = Literal["best", "last"]
Accept = Literal["code", "weights", "answers"]


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
    weights : WeightsFacts or None
        Epoch and figure of the weights; None where training did not write them.
    accepted : tuple of str
        What is not as it was trained, and was accepted all the same.
    notes : tuple of str
        What answers otherwise than in training, within what the devices explain.
    """

    run: Run
    spec: ModelSpec
    model: nn.Module
    provider: DataProvider
    captured: Captured
    function: Callable[[Any], Any]
    code_sha256: str
    weights: WeightsFacts | None
    accepted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def figures(self) -> dict[str, float]:
        """The figure of these very weights; none where something was accepted that did not train them."""
        return {} if self.weights is None or self.accepted else {self.weights.metric: self.weights.score}

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
        return read_config(open_run(resume).path / CONFIG_FILE, overrides) if overrides else None
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
        `code`, `weights` or `answers`: bring the run back although they are not what trained, what training wrote, or
        what the model answered then.

    Raises
    ------
    StaleTextError
        The class's to_tensor is not the one that trained.
    ChangedSinceError
        The code that inference runs, the weights, or what the model makes of the same rows have changed since.
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
    facts = run.facts_of(weights_file)
    accepted = _check_weights(run, weights_file, facts, accept)
    answers = recorded_answers(run, weights_file, facts)
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
    if answers is not None:
        accepted += check_tensors(run, answers, provider, function, accept="answers" in accept)
    lost = _fill(model, weights_file, answers)
    notes: list[str] = []
    if answers is not None and answers.failure is None and facts is not None:
        # of other code, other answers are what was accepted
        others, notes = check_answers(run, answers, model, spec, lost, accept="answers" in accept or bool(accepted))
        accepted += others
    return Trained(
        run=run,
        spec=spec,
        model=model,
        provider=provider,
        captured=captured,
        function=function,
        code_sha256=code_sha256(code),
        weights=facts,
        accepted=tuple(accepted),
        notes=tuple(notes),
    )


def _fill(model: nn.Module, weights: Path, answers: Answers | None) -> list[str]:
    """Put weights, and the state that is not in them, into a model; say what could not be put back."""
    from hyrax_pack.training.state import ModelState

    state = ModelState(model)
    load_into(model, weights)
    lost = [] if answers is None else state.restore_for_inference(answers.state)
    model.eval()
    return lost


def describe_changes(trained: Trained) -> list[str]:
    """Say, each in a line, what is not as it was when the run was trained and does not stand in the way of export."""
    facts = trained.run.facts
    said = [f"accepted: {change}" for change in trained.accepted]
    said += [f"accepted in training: {change}" for change in facts.get("accepted", ())]
    before = {**facts.get("packages", {}), **facts.get("requirements", {})}
    now = {**_versions(facts.get("requirements", {})), **training_packages()}
    said += [
        f"trained with {name} {version}, exported with {now.get(name, 'none')}"
        for name, version in before.items()
        if now.get(name) != version
    ]
    recorded = trained.run.recorded(DATA_FILE) or {"groups": {}}
    here = {name: trained.provider.group(name) for name in recorded["groups"] if trained.provider.has_group(name)}
    changes = identity_differences(recorded["groups"], {name: identify(group) for name, group in here.items()})
    said += [f"the data is not what trained: {change}" for change in changes]
    seen = rows_in_training(trained.run)
    said += [f"{count:,} rows of {name} were in training too" for name, count in seen.items()]
    return [*said, *trained.notes, *_state_of_run(trained)]


def _versions(distributions: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in distributions:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _state_of_run(trained: Trained) -> Iterator[str]:
    """What a figure of these weights does not say by itself."""
    summary, weights = summarise(trained.run), trained.weights
    if summary.state != "finished":
        yield f"the run is {summary.state}: {summary.epochs_done} of {summary.epochs} epochs are done"
    if weights is not None:
        validated = any(VALIDATION_LOSS in record for record in trained.run.metrics())
        why = "; its validation loss is no number" if validated and weights.metric != VALIDATION_LOSS else ""
        yield f"weights of epoch {weights.epoch}, {weights.metric} {weights.score:.4g}{why}"


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


def rows_in_training(run: Run) -> dict[str, int]:
    """Return of how many rows of which group training is known to have had the same."""
    found: dict[str, int] = (run.recorded(DATA_FILE) or {}).get("in_training", {})
    return found


def provenance_of(trained: Trained) -> dict[str, Any]:
    """Return what a bundle says of the training: versions, the code's digest, and what was accepted."""
    facts = trained.run.facts
    accepted = [*facts.get("accepted", ()), *trained.accepted]
    found: dict[str, Any] = {"code_sha256": trained.code_sha256, "trained_with": facts.get("packages", {})}
    if trained.weights is not None:
        found["epoch"] = trained.weights.epoch
    return found | ({"accepted_changes": accepted} if accepted else {})


def capture_of(spec: ModelSpec, config: Config) -> Captured:
    """Capture the to_tensor of a class, or the default one where the class has none."""
    owner = spec.cls if spec.tensor_name else spec.tensor_function
    return capture(owner, requires=config.get("model.requires"))


def _check_weights(run: Run, file: Path, facts: WeightsFacts | None, accept: Collection[str]) -> list[str]:
    """Refuse weights that training did not write, unless accepted: then say so."""
    if facts is not None:
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
