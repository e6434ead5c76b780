"""From the run folder to everything that the loop needs: class, captured to_tensor, data, model, device."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from hyrax_runtime.replay import compile_function
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hyrax_pack.capturing import capture, same_code
from hyrax_pack.data.provider import DataProvider
from hyrax_pack.data.splitting import REST
from hyrax_pack.errors import TrainingError
from hyrax_pack.model import ModelSpec, build_model
from hyrax_pack.run import Run, load_into, write_file
from hyrax_pack.run.folder import TEXT_FILE
from hyrax_pack.run.surroundings import describe_commit, training_packages
from hyrax_pack.training.data_random import DataGenerators
from hyrax_pack.training.early import check_function
from hyrax_pack.training.loading import Batches, TensorFunction, changes_input
from hyrax_pack.training.naming import load_classes
from hyrax_pack.training.origin import record_or_check_code, record_or_check_data
from hyrax_pack.training.parallel import World
from hyrax_pack.training.seeding import seed_everything
from hyrax_pack.training.witnessing import Questions, gather_questions

if TYPE_CHECKING:
    from hyrax_pack.data.tensors import Batch

# Rows on which the function is tried once, to see whether it changes what it is given.
_TRIED_ROWS = 3


@dataclass(frozen=True)
class Parts:
    """What one run trains with.

    `validate` and `test` are None where the configuration gives those groups no rows; `data_random` holds the random
    generators of their data sets; `sample` is what the model was made with, `questions` what its inference is asked.
    """

    spec: ModelSpec
    model: nn.Module
    device: torch.device
    train: Batches
    validate: Batches | None
    test: Batches | None
    data_random: DataGenerators
    sample: Batch
    questions: Questions

    def close(self) -> None:
        """End the processes that read data."""
        for batches in (self.train, self.validate, self.test):
            if batches is not None:
                batches.close()


def prepare_parts(
    run: Run, world: World, device: torch.device, say: Callable[[str], None], accept: Collection[str] = ()
) -> Parts:
    """Load the class, capture its to_tensor, open the data, build the model.

    `accept` holds `code` or `data` where a run may go on with others than it was started with.

    Raises
    ------
    HyraxError
        The class, its function, the data or the initial weights cannot be used; each says what to do.
    """
    config, seed = run.config, int(run.facts["seed"])
    spec = load_classes(config, seed)
    text = _captured_text(run, spec, world, say)
    provider = DataProvider(config, form=spec.form)
    function = _tensor_function(text, provider, say)

    def batches(name: str) -> Batches:
        shuffle = name == "train" and bool(config.get("train.shuffle"))
        pin = device.type == "cuda" and bool(config.get("data_loader.pin_memory"))
        group = provider.group(name)
        return Batches(group, function, config, seed=seed, shuffle=shuffle, rank=world.rank, size=world.size, pin=pin)

    train = batches("train")
    validate, test = (batches(name) if provider.has_group(name) else None for name in ("validate", "test"))
    groups = [each.group for each in (train, validate, test) if each is not None]
    if provider.has_group(REST):
        say(f"[split] gives {len(provider.group(REST)):,} rows to no group: this run does not see them.")
    data_random = DataGenerators(groups)
    sample = train.sample()
    untouched = data_random.state()
    own = [group.name for group in groups[1:] if provider.has_own_data(group.name)]
    for words in record_or_check_data(run, groups, own=own, accept=accept, first=world.rank == 0):
        say(words)
    data_random.restore(untouched)
    seed_everything(seed)  # again: how much randomness looking at the data took must not reach what is asked
    asked = (validate or train).group
    questions = gather_questions(asked, function)
    check_function(asked, function, questions, config, run.facts.get("to_tensor_origin", spec.name))
    data_random.restore(untouched)
    seed_everything(seed)  # nor the weights
    model = build_model(spec.cls, config, sample)
    record_or_check_code(run, spec, model, accept=accept, first=world.rank == 0)
    initial = config.path("train.model_weights_file")
    if initial is not None:
        load_into(model, initial)
    model.to(device)
    world.same_start(model)
    seed_everything(seed + world.rank)  # dropout differs from process to process
    _heed_batch_norm(model, train, world, say)
    return Parts(spec, model, device, train, validate, test, data_random, sample, questions)


def _captured_text(run: Run, spec: ModelSpec, world: World, say: Callable[[str], None]) -> str:
    """The text that this run executes: captured at its first start, its own from then on."""
    owner = spec.cls if spec.tensor_name else spec.tensor_function
    captured = capture(owner, requires=run.config.get("model.requires"))
    if run.facts.get("to_tensor_sha256") is None and world.rank == 0:
        for note in (*captured.notes, *spec.notes):
            say(note)
        write_file(run.path / TEXT_FILE, captured.text)
        run.note(
            {
                "to_tensor_sha256": captured.sha256,
                "to_tensor_origin": captured.origin,
                "class_from": _origin_of(spec.cls),
                "packages": training_packages(),
                "requirements": {
                    each.distribution: each.version for each in captured.requirements if each.distribution
                },
                **describe_commit(_folder_of(spec.cls, run)),
            }
        )
    world.share(None)  # the first process has written by now
    text = run.to_tensor_text
    if not same_code(text, captured.text):
        raise TrainingError(
            f"{captured.origin}: to_tensor is not the one that this run was started with ({run.path / TEXT_FILE}). "
            "Put it back to go on, or start a new run."
        )
    return text


def _folder_of(cls: type, run: Run) -> Path:
    """Where the class's file is; for a class of a notebook, where the settings start."""
    file = _origin_of(cls).get("file")
    return run.config.base_dir if file is None else Path(file).parent


def _origin_of(cls: type) -> dict[str, str]:
    """The class's name, and its file; a class of a notebook has none."""
    try:
        file = Path(inspect.getfile(cls)).absolute()
    except (TypeError, OSError):
        file = None
    return {"name": cls.__qualname__} | ({"file": str(file)} if file is not None and file.is_file() else {})


def _tensor_function(text: str, provider: DataProvider, say: Callable[[str], None]) -> TensorFunction:
    """The compiled text; on a copy where it is known to change the data set's own arrays."""
    group = provider.group("train")
    if changes_input(compile_function(text), group.data_dict(range(min(len(group), _TRIED_ROWS)))):
        say("to_tensor changes the arrays it is given; it gets a copy of every batch, so that the data stays as it is.")
        return TensorFunction(text, on_copy=True)
    return TensorFunction(text)


def _heed_batch_norm(model: nn.Module, train: Batches, world: World, say: Callable[[str], None]) -> None:
    """Batch normalisation has no variance to learn from in a batch of one row: leave such a last batch out."""
    if not any(isinstance(module, _BatchNorm) for module in model.modules()):
        return
    if world.size > 1:
        say("Batch normalisation: each process normalises by its own rows; the first one's averages are kept.")
    fewest = train.last_rows // world.size
    if fewest <= 1 < train.batch_size // world.size and len(train) > 1:
        train.drop_last = True
        rows = "1 row" if train.last_rows == 1 else f"{train.last_rows} rows"
        say(f"The model has batch normalisation: the last training batch ({rows}) is left out.")
