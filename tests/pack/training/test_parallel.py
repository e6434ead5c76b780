"""Two processes train as one with their batches together, whatever train_step does with its optimizers."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from hyrax_pack.errors import Interrupted, TrainingError
from hyrax_pack.run import Run, newest_run
from hyrax_pack.training import train_run
from hyrax_pack.workflow import load_trained
from tests.pack.training.conftest import MakeConfig, Train, in_child


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def in_two(action: Callable[[], object]) -> list[int]:
    """Run `action` in two forked processes, as torchrun would; their exit codes."""
    port = str(free_port())

    def process(rank: int) -> Callable[[], None]:
        def body() -> None:
            places = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
            os.environ.update({**places, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port})
            action()

        return body

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(in_child, [process(0), process(1)]))


def weights_differ_by(one: Run, other: Run) -> float:
    a, b = one.load_state("last"), other.load_state("last")
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def named(run: Run, name: str) -> list[float]:
    return [record[name] for record in run.metrics() if name in record]


@pytest.mark.parametrize("rows", [40, 41, 49], ids=["whole batches", "a last batch of one row", "of nine"])
@pytest.mark.parametrize("model", ["plain.py:Plain", "two_optimizers.py:Adversaries"])
def test_two_processes_give_the_weights_of_one_with_the_doubled_batch(
    train: Train, config: MakeConfig, tmp_path: Path, model: str, rows: int
) -> None:
    settings: dict[str, Any] = {
        "split__train": rows / 60,
        "split__validate": 7 / 60,
        "data_request__train__data": {"dataset_class": "RandomDataset", "dataset_config": {"rows": 60}},
        "train__epochs": 3,
    }
    alone = train(model, data_loader__batch_size=20, **settings)
    both = config(model, data_loader__batch_size=10, **settings)
    assert in_two(lambda: train_run(both, progress=False, track=False)) == [0, 0]
    pair = newest_run(tmp_path / "results")
    assert pair != alone
    assert weights_differ_by(alone, pair) < 2e-6
    assert named(pair, "training/epoch/loss") == pytest.approx(named(alone, "training/epoch/loss"), abs=1e-6)
    assert named(pair, "validation/loss") == pytest.approx(named(alone, "validation/loss"), abs=1e-6)


def test_a_pair_that_is_stopped_goes_on_as_if_it_never_was(config: MakeConfig, tmp_path: Path) -> None:
    """The second process is asked to stop; both do, after the next step that is logged."""
    settings: dict[str, Any] = {
        "model__Failing": {"what": "interrupt", "at": 4},
        "data_loader__batch_size": 2,
        "split__validate": 0.3,
    }
    both = config("failing.py:Failing", **settings)

    def undisturbed() -> None:
        os.environ["HARMLESS"] = "1"
        train_run(both, progress=False, track=False)

    def stopped() -> None:
        if os.environ["RANK"] == "0":
            os.environ["HARMLESS"] = "1"
        with pytest.raises(Interrupted, match="after batch 7 of 7"):
            train_run(both, progress=False, track=False)

    assert in_two(undisturbed) == [0, 0]
    expected = newest_run(tmp_path / "results")
    assert in_two(stopped) == [0, 0]
    resumed = newest_run(tmp_path / "results")

    def resume() -> None:
        os.environ["HARMLESS"] = "1"
        train_run(None, resume=resumed.path, progress=False, track=False)

    assert in_two(resume) == [0, 0]
    assert weights_differ_by(expected, resumed) == 0
    assert (expected.path / "metrics.jsonl").read_bytes() == (resumed.path / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("apart.py:ByGrad", r"layer\.weight is not the same in all 2 processes after step 2\."),
        ("apart.py:GradIntoOptimizer", r"layer\.weight is not the same in all 2 processes after step 2\."),
        ("apart.py:LineSearch", r"torch\.optim\.LBFGS asks for a loss as often as"),
    ],
)
def test_processes_that_come_apart_stop(config: MakeConfig, model: str, words: str) -> None:
    def refused() -> None:
        with pytest.raises(TrainingError, match=words):
            train_run(config(model), progress=False, track=False)

    assert in_two(refused) == [0, 0]


def test_a_learned_tensor_that_is_no_parameter_is_learned_together(
    train: Train, config: MakeConfig, tmp_path: Path
) -> None:
    alone = train("apart.py:Temperature", data_loader__batch_size=16)
    both = config("apart.py:Temperature", data_loader__batch_size=8)
    assert in_two(lambda: train_run(both, progress=False, track=False)) == [0, 0]
    assert named(newest_run(tmp_path / "results"), "training/epoch/temperature") == pytest.approx(
        named(alone, "training/epoch/temperature"), abs=1e-6
    )


def test_validation_is_by_the_buffers_that_are_saved(config: MakeConfig, tmp_path: Path) -> None:
    both = config("apart.py:Normalised", split__validate=0.4)
    assert in_two(lambda: train_run(both, progress=False, track=False)) == [0, 0]
    trained = load_trained(newest_run(tmp_path / "results"), weights="last")
    group = trained.provider.group("validate")
    with torch.no_grad():
        found = trained.model.validate_batch(trained.batch(group.data_dict(range(len(group)))))
    assert float(found["loss"]) == pytest.approx(named(trained.run, "validation/loss")[-1], rel=1e-5)


def test_the_line_that_the_pages_show_trains_one_run(train: Train, config: MakeConfig, tmp_path: Path) -> None:
    alone = train(data_loader__batch_size=16)
    settings = tmp_path / "digits.toml"
    settings.write_text(config(data_loader__batch_size=8).to_toml())
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text()
    (line,) = re.findall(r"\$ torchrun (.+)", page)
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--master-port={free_port()}", *line.split()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        launcher, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    assert len([path for path in (tmp_path / "results").iterdir() if "-train-" in path.name]) == 2
    pair = newest_run(tmp_path / "results")
    assert done.stdout.splitlines() == [str(pair.path)]
    assert weights_differ_by(alone, pair) < 2e-6
    assert not torch.distributed.is_initialized()
