"""Runs of small models, in this process or in a forked one that may be killed."""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from hyrax_pack.config import Config, load_config
from hyrax_pack.run import Run
from hyrax_pack.training import train_run

MODELS = Path(__file__).parent / "models"

Train = Callable[..., Run]
MakeConfig = Callable[..., Config]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Forked children may not use a thread pool that their parent started."""
    torch.set_num_threads(1)


@pytest.fixture
def config(tmp_path: Path) -> MakeConfig:
    """Settings for a class of `models/`, on forty digits, with results in tmp_path."""

    def make(model: str = "plain.py:Plain", **settings: Any) -> Config:
        tables: dict[str, Any] = {
            "general": {"results_dir": str(tmp_path / "results")},
            "model": {"name": str(MODELS / model)},
            "optimizer": {"name": "torch.optim.SGD", "lr": 0.1},
            "train": {"epochs": 2, "seed": 3, "device": "cpu"},
            "data_loader": {"batch_size": 8},
            "data_request": {"train": {"data": {"dataset_class": "RandomDataset", "dataset_config": {"rows": 40}}}},
        }
        for path, value in settings.items():
            *parents, last = path.split("__")
            table = tables
            for name in parents:
                table = table.setdefault(name, {})
            table[last] = value
        return load_config(tables=tables)

    return make


@pytest.fixture
def train(config: MakeConfig) -> Train:
    """Train here, without tracking."""

    def run(model: str = "plain.py:Plain", *, resume: Path | None = None, track: bool = False, **settings: Any) -> Run:
        return train_run(config(model, **settings), resume=resume, progress=False, track=track)

    return run


def in_child(action: Callable[[], object]) -> int:
    """Run `action` in a forked process; its exit code, negative where a signal ended it. 0: done, 9: raised."""
    with warnings.catch_warnings():
        # From Python 3.12 on; torch's threads are idle here, and the child starts none of its own.
        warnings.filterwarnings("ignore", message=".*fork\\(\\) may lead to deadlocks.*", category=DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(120)  # a test that hangs fails
    try:
        action()
    except BaseException:  # noqa: BLE001 - a forked child must not return into pytest
        traceback.print_exc()
        os._exit(9)
    os._exit(0)


def kill_this_process() -> None:
    """What the out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


def contents(run: Run) -> Mapping[str, Any]:
    """Everything of a run that must not depend on whether it was ever killed."""
    names = ["metrics.jsonl", "to_tensor.py"]
    found: dict[str, Any] = {name: (run.path / name).read_bytes() for name in names}
    weights = ("weights.pt", "last.pt", "weights.answers.pt", "last.answers.pt")
    for name in (*weights, *sorted(path.name for path in run.path.glob("checkpoint*.pt"))):
        found[name] = flatten(torch.load(run.path / name, weights_only=True))
    return found


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Nested values as dotted paths to bytes and plain values, which compare with ==."""
    if isinstance(value, torch.Tensor):
        return {path: (str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes())}
    if isinstance(value, Mapping):
        items = [(f"{path}.{key}", item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        items = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    else:
        return {path: repr(value)}
    flat: dict[str, Any] = {}
    for name, item in items:
        flat |= flatten(item, name)
    return flat
