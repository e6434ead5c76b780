"""Two processes train as one with their batches together, whatever train_step does with its optimizers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from hyrax_pack.errors import Interrupted
from hyrax_pack.run import Run, newest_run
from hyrax_pack.training import train_run
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


def test_torchrun_trains_one_run(train: Train, config: MakeConfig, tmp_path: Path) -> None:
    alone = train(data_loader__batch_size=16)
    settings = tmp_path / "settings.toml"
    settings.write_text(config(data_loader__batch_size=8).to_toml())
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n"
        "from hyrax_pack.config import load_config\n"
        "from hyrax_pack.training import train_run\n"
        "torch.set_num_threads(1)\n"
        f"train_run(load_config({str(settings)!r}), progress=False, track=False)\n"
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([*launcher, str(script)], env=environment, check=True, capture_output=True, timeout=120)
    assert len([path for path in (tmp_path / "results").iterdir() if not path.name.startswith(".")]) == 2
    assert weights_differ_by(alone, newest_run(tmp_path / "results")) < 2e-6
    assert not torch.distributed.is_initialized()
