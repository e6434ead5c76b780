"""The weights of the best and the last epoch, each with the answers of its model beside it."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from hyrax_pack.errors import TrainingError
from hyrax_pack.model import build_model
from hyrax_pack.resolving import user_code
from hyrax_pack.run import Run, load_into, load_weights
from hyrax_pack.run.answers import Answers, answers_path, drop_aside, find_answers, read_answers, set_aside
from hyrax_pack.run.folder import WeightsFacts, Which, digest_of
from hyrax_pack.run.writing import replace_by_whatever
from hyrax_pack.training.checkpoints import Position, save_tensors
from hyrax_pack.training.early import words_on_names
from hyrax_pack.training.preparing import Parts
from hyrax_pack.training.seeding import random_state, restore_random_state
from hyrax_pack.training.state import Memento, ModelState
from hyrax_pack.training.witnessing import answer, ask


class WeightsFiles:
    """Writes weights and answers of one run."""

    def __init__(self, run: Run, parts: Parts, state: ModelState, say: Callable[[str], None]) -> None:
        self._run, self._parts, self._state, self._say = run, parts, state, say
        self._failed = self._verified = False
        if parts.spec.save is None:
            _check_readable(parts.model)
        if not any(map(torch.nn.parameter.is_lazy, (*parts.model.parameters(), *parts.model.buffers()))):
            answers = self._ask()  # a night of training is saved where it fails
            for words in words_on_names(answers.outputs, run.config) if answers.failure is None else ():
                say(words)

    def write(self, position: Position) -> None:
        """Write last.pt, and weights.pt where the epoch that has just ended is the best.

        Raises
        ------
        TrainingError
            The class's own save does not write a file.
        StorageError
            The disk refuses; what stood there still stands.
        """
        answers = self._ask()
        if position.best_epoch == position.epoch - 1:
            self._write("best", answers, position)
        self._write("last", answers, position)
        self._verified = True

    def _ask(self) -> Answers:
        parts = self._parts
        answers = answer(parts.model, parts.spec, parts.questions, parts.device, self._state)
        if answers.failure is not None and not self._failed:
            self._failed = True
            self._say(f"Inference does not answer, so export will fail: {answers.failure}")
        return answers

    def _write(self, which: Which, answers: Answers, position: Position) -> None:
        path, spec, model = self._run.weights_path(which), self._parts.spec, self._parts.model

        def announce(temporary: Path) -> None:
            digest, beside = digest_of(temporary), answers_path(path)
            set_aside(path)
            save_tensors(beside, vars(replace(answers, weights_sha256=digest)))
            facts = WeightsFacts(digest, digest_of(beside), position.epoch - 1, position.metric, position.score)
            self._run.note_weights(path.name, facts)

        if spec.save is not None:
            with (
                replace_by_whatever(path, f"{spec.name}.{spec.save}", announce=announce) as temporary,
                user_code(f"{spec.name}.{spec.save}", TrainingError),
            ):
                getattr(model, spec.save)(temporary)
        else:
            state = model.state_dict()
            for name, value in state.items():
                if torch.is_tensor(value):  # on the CPU, so that a plain torch.load reads it where there is no GPU
                    state[name] = value.detach().cpu()
            save_tensors(path, state, announce=announce)
        drop_aside(path)
        if not self._verified:
            self._verify(path, answers)

    def _verify(self, path: Path, answers: Answers) -> None:
        """Read back what was written first: what nobody can read is better known after one epoch than after all."""
        read_answers(answers_path(path))
        if self._parts.spec.load is None:
            load_weights(path)
        elif answers.failure is None:
            self._verify_own_load(path, answers)

    def _verify_own_load(self, path: Path, answers: Answers) -> None:
        """Whether the class's own load brings back, into a new model, what its own save wrote."""
        parts, config = self._parts, self._run.config
        before, random = Memento(parts.model, parameters=False), random_state()
        try:
            model = build_model(parts.spec.cls, config, parts.sample)
            load_into(model, path)
            ModelState(model).restore_for_inference(answers.state)
            found = ask(model.to(parts.device), parts.spec, parts.questions.batch, parts.device)
        finally:
            before.put_back()
            restore_random_state(random)
        name = next((name for name, tensor in answers.outputs.items() if not _is_equal(tensor, found.get(name))), None)
        if name is not None:
            spec = parts.spec
            self._say(
                f"{spec.name}.{spec.load} does not bring back what {spec.name}.{spec.save} wrote: a model made anew "
                f"answers otherwise ({name}), so export will refuse this run."
            )


def _check_readable(model: torch.nn.Module) -> None:
    """Refuse what get_extra_state gives where no weights file can hold it, before the first epoch."""
    extra = {name: value for name, value in model.state_dict().items() if not torch.is_tensor(value)}
    for name, value in extra.items():
        buffer = io.BytesIO()
        torch.save(value, buffer)
        buffer.seek(0)
        try:
            torch.load(buffer, weights_only=True)
        except pickle.UnpicklingError as error:
            owner = type(model.get_submodule(name.rpartition(".")[0])).__name__
            found = re.findall(r"GLOBAL ([\w.]+)", str(error))
            raise TrainingError(
                f"{owner}.get_extra_state gives what no weights file can hold ({', '.join(found) or 'an object'}): "
                "return tensors and plain values"
            ) from error


def load_best(run: Run, model: torch.nn.Module, state: ModelState) -> None:
    """Put the best epoch's weights, and the state that belongs to them, into the model."""
    path = run.weights("best")
    if run.facts_of(path) is None:
        raise TrainingError(f"{path}: not the file that training wrote; put it back, or start a new run")
    load_into(model, path)
    answers = find_answers(path, digest_of(path))
    if answers is not None:
        state.restore_for_inference(read_answers(answers).state)


def _is_equal(one: torch.Tensor, other: torch.Tensor | None) -> bool:
    return other is not None and one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())
