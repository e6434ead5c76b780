"""The engine's time for a step against a bare PyTorch loop with the same class and the same loader, in one run.

    python -m tests.benchmarks.test_engine_overhead [--threads 1] [--epochs 60]

Digits, batches of 64, tracking on. Epochs of both are interleaved, each first in turn, so that a busy machine slows
both alike. Prints the least and the median time of a step and their ratios; the aim is a ratio of at most 1.03. As a
test it makes no claim about time: it shows that both loops do the same work.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import hyrax_pack.demo
from hyrax_pack.config import load_config
from hyrax_pack.run import Journal, Run, create_run
from hyrax_pack.training.epochs import Training
from hyrax_pack.training.parallel import Alone
from hyrax_pack.training.preparing import Parts, prepare_parts
from hyrax_pack.training.progress import Silent
from hyrax_pack.training.stopping import Stop
from hyrax_pack.training.tracking import NoTracking, Tracking, plan_tracking, start_tracking

DEMO = Path(hyrax_pack.demo.__file__).parent
AIM = 1.03


def prepare(folder: Path) -> tuple[Run, Parts]:
    """The demo's class and data."""
    config = load_config(
        DEMO / "digits.toml",
        [f"general.results_dir={folder / 'results'}", "data_loader.batch_size=64", "train.device=cpu"],
    )
    run = create_run(config)
    return run, prepare_parts(run, Alone(), torch.device("cpu"), _say)


def bare_epoch(parts: Parts, epoch: int) -> float:
    """What people write by hand: a loop with the epoch's mean loss."""
    model = parts.model
    model.train()
    total = 0.0
    for loaded in parts.train.epoch(epoch):
        total += model.train_step(loaded.batch)["loss"].item()  # type: ignore[operator]
    return total / len(parts.train)


def engine(run: Run, parts: Parts, tracking: Tracking) -> Callable[[int], None]:
    """The engine's epoch, without its end: checkpoints are not counted."""
    training = Training(
        run,
        parts,
        world=Alone(),
        journal=Journal(run.path / "metrics.jsonl"),
        checkpoint=None,
        reporter=Silent(),
        tracking=tracking,
        stop=Stop(),
    )

    def epoch(number: int) -> None:
        training.position.epoch, training.position.batch = number, 0
        training._train_rows()

    return epoch


def measure(epochs: int, folder: Path) -> list[tuple[float, float]]:
    """Seconds a step of the bare loop and of the engine, epoch by epoch."""
    run, parts = prepare(folder)
    tracking = start_tracking(run.path, _say)
    tracking.begin(plan_tracking(run, parts.spec.name))
    time.sleep(8)  # start-up is not counted: MLflow's own import and database
    engine_epoch = engine(run, parts, tracking)
    times = []
    for number in range(1, epochs + 1):
        pair: dict[str, float] = {}
        loops: list[tuple[str, Callable[[int], object]]] = [
            ("bare", lambda epoch: bare_epoch(parts, epoch)),
            ("engine", engine_epoch),
        ]
        for name, loop in loops if number % 2 else loops[::-1]:
            start = time.perf_counter()
            loop(number)
            pair[name] = (time.perf_counter() - start) / len(parts.train)
        times.append((pair["bare"], pair["engine"]))
    tracking.finish("FINISHED", _say)
    return times[2:]


def report(times: list[tuple[float, float]]) -> str:
    """Both loops' figures and their ratios."""
    bare, engine_times = zip(*times, strict=True)
    lines = []
    for name, choose in (("least", min), ("median", statistics.median)):
        one, other = choose(bare), choose(engine_times)
        lines.append(f"{name:8} bare {one * 1e6:7.0f} us  engine {other * 1e6:7.0f} us  ratio {other / one:.4f}")
    ratios = [other / one for one, other in times]
    lines.append(f"median of the ratios of neighbouring epochs {statistics.median(ratios):.4f}, aim {AIM}")
    return "\n".join(lines)


def test_the_engine_does_the_work_of_the_bare_loop(tmp_path: Path) -> None:
    by_hand = prepare(tmp_path / "by hand")[1]
    for epoch in (1, 2):
        bare_epoch(by_hand, epoch)
    run, parts = prepare(tmp_path / "by the engine")
    epoch_of_engine = engine(run, parts, NoTracking())
    for epoch in (1, 2):
        epoch_of_engine(epoch)
    assert _weights(parts.model) == _weights(by_hand.model)
    assert [int(record["step"]) for record in run.metrics()] == [10, 20, 30, 40]


def _weights(model: nn.Module) -> dict[str, list[float]]:
    return {name: value.flatten().tolist() for name, value in model.state_dict().items()}


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        print(report(measure(options.epochs, Path(folder))))


if __name__ == "__main__":
    main()
