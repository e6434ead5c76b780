"""Train; and bring a run folder back: the model with its weights, its data, and the to_tensor that trained it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hyrax_runtime.replay import as_slots, compile_protected

from hyrax_pack.capturing import Captured, capture, captured_before, same_code
from hyrax_pack.capturing.model_code import ModelCode, code_sha256, describe_code
from hyrax_pack.config import Config, load_config, read_config
from hyrax_pack.data import DataProvider
from hyrax_pack.data.tensors import to_torch
from hyrax_pack.errors import ChangedSinceError, ModelError, StaleTextError, TrainingError
from hyrax_pack.model import ModelSpec, build_model, describe_model
from hyrax_pack.model.quieting import without_torchs_own_talk
from hyrax_pack.resolving import user_code
from hyrax_pack.run import Run, load_into, open_run
from hyrax_pack.run.answers import Answers
from hyrax_pack.run.folder import CODE_FILE, CONFIG_FILE, TEXT_FILE, WeightsFacts
from hyrax_pack.training.origin import changes_of_code
from hyrax_pack.workflow.arguments import check_word, check_words
from hyrax_pack.workflow.changed_text import rows_made_alike
from hyrax_pack.workflow.class_of_run import class_of_run
from hyrax_pack.workflow.holding import held_still
from hyrax_pack.workflow.other_settings import describe_settings, settings_of_export
from hyrax_pack.workflow.recognising import check_answers, check_tensors, recorded_answers

if TYPE_CHECKING:
    from torch import nn

    from hyrax_pack.data.tensors import Batch

Settings = Config | Mapping[str, Any] | str | Path
Which = Literal["best", "last"]
Accept = Literal["code", "weights", "answers"]

_SAME_TENSORS = (
    "to_tensor has changed since training, and makes the same tensors, bit for bit, of a few hundred training rows, "
    "with labels and without: as it is now, it goes into the bundle"
)


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
        What answers otherwise than in training, within what the devices explain; what was given anew.
    config : Config
        The run's settings, with what was given at export.
    settings : mapping of str to object
        What was given, by its key.
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
    config: Config = field(kw_only=True)
    settings: Mapping[str, Any] = field(kw_only=True)

    @property
    def figures(self) -> dict[str, float]:
        """The figure of these very weights; none where something was accepted that did not train them."""
        return {} if self.weights is None or self.accepted else {self.weights.metric: self.weights.score}

    def batch(self, data_dict: Mapping[str, Any]) -> Batch:
        """Return what the model is called with for these rows: to_tensor's result as tensors."""
        return to_torch(as_slots(self.function(data_dict), rows=len(data_dict["object_id"])))


@without_torchs_own_talk()
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
    if resume is not None:
        _know_class_of(Path(resume))
    return train_run(settings, resume=resume, accept=accept, progress=progress)


def _know_class_of(resume: Path) -> None:
    """Find the class of a run that goes on where it was registered by a script: its settings have the bare name."""
    run = open_run(resume.parent if resume.is_file() else resume)
    if run.facts["state"] != "finished" and "class_from" in run.facts and "." not in str(run.config.get("model.name")):
        class_of_run(run, run.config, goes_on=True)


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
    settings: Config | None = None,
) -> Trained:
    """Bring a run back.

    Parameters
    ----------
    run : Run or path
        A run folder.
    weights : str
        `best` (by validation loss where there is one) or `last`.
    to_tensor : str
        `class` refuses a run whose class now makes other tensors; `run` uses the run's own text all the same.
    settings : Config, optional
        Settings for what no weight depends on, such as the names of outputs; others have to be the run's.
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
    with held_still(run, run.weights(weights)) as weights_file:
        return _bring_back(run, weights_file, own_text=to_tensor == "run", accept=accept, settings=settings)


def _bring_back(
    run: Run, weights_file: Path, *, own_text: bool, accept: Collection[str], settings: Config | None
) -> Trained:
    """Bring a run back with the weights of a file, which nobody replaces meanwhile."""
    config, changes = settings_of_export(run, settings)
    text = run.to_tensor_text
    facts = run.facts_of(weights_file)
    accepted = _check_weights(run, weights_file, facts, accept)
    answers = recorded_answers(run, weights_file, facts)
    cls = class_of_run(run, config)
    spec = describe_model(cls)
    provider = DataProvider(config, form=spec.form)
    captured = _captured(run, spec, text, provider, own=own_text)
    notes = [] if captured.sha256 == run.to_tensor_sha256 else [_SAME_TENSORS]
    function = compile_protected(captured.text, on_copy=True)
    sample = provider.group("train").data_dict([0])
    with user_code("to_tensor", ModelError):
        result = function(sample)
    model = build_model(cls, config, to_torch(as_slots(result, rows=1)))
    code = describe_code(spec, model)
    accepted += _check_code(run, code, accept)
    if answers is not None:
        accepted += check_tensors(run, answers, provider, function, accept="answers" in accept)
    lost = _fill(model, weights_file, answers)
    if answers is not None and answers.failure is None and facts is not None:
        # of other code, other answers are what was accepted
        others, more = check_answers(run, answers, model, spec, lost, accept="answers" in accept or bool(accepted))
        accepted += others
        notes += more
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
        notes=(*notes, *describe_settings(run, changes)),
        config=config,
        settings=changes,
    )


def _fill(model: nn.Module, weights: Path, answers: Answers | None) -> list[str]:
    """Put weights, and the state that is not in them, into a model; say what could not be put back."""
    from hyrax_pack.training.state import ModelState

    state = ModelState(model)
    load_into(model, weights)
    lost = [] if answers is None else state.restore_for_inference(answers.state)
    model.eval()
    return lost


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


def _captured(run: Run, spec: ModelSpec, text: str, provider: DataProvider, *, own: bool) -> Captured:
    """The text that the run executed, as a capture; or the class's own, where it makes the same tensors."""
    if own:
        return captured_before(text, f"{run.path.name}/{TEXT_FILE}")
    now = capture_of(spec, provider.config)
    if same_code(now.text, text):
        return replace(now, text=text, sha256=run.to_tensor_sha256)
    if rows_made_alike(text, now.text, provider) is not None:
        return now
    raise StaleTextError(
        f"{now.origin}: to_tensor has changed since {run.path.name} was trained with it, and makes other tensors "
        f"of the same rows (its own text: {run.path / TEXT_FILE}). Put it back or train again; "
        "or export the run's own text with --to-tensor run"
    )
