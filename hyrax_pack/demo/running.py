"""Write the demo's two files, run the four commands on them, and compare torch with the bundle."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hyrax_pack.errors import HyraxError, UsageError

FILES = ("digits_cnn.py", "digits.toml")
TRAIN = "hyrax-pack train -c digits.toml"
EXPORT = "hyrax-pack export digits.hyrax"
VERIFY = "hyrax-run verify digits.hyrax"
PREDICT = "hyrax-run predict digits.hyrax test.npz -o predictions.npz"

_PROGRAMS = {
    "hyrax-pack": "from hyrax_pack.cli import main; main()",
    # Production has no torch; the demo proves that none is needed.
    "hyrax-run": "import sys; sys.modules['torch'] = None; from hyrax_runtime.cli import main; sys.exit(main())",
}


class DemoError(HyraxError):
    """A command of the demo failed; it has said why itself."""

    code = "demo"


@dataclass(frozen=True)
class Answers:
    """What torch says of the test rows: labels (N,), scores (N, classes)."""

    labels: NDArray[np.int64]
    scores: NDArray[np.float32]


def run_demo(folder: Path) -> None:
    """Run the demo in `folder`, which is made; its own files of an earlier demo are reused.

    Raises
    ------
    UsageError
        `folder` holds a file of the demo's name with other content.
    DemoError
        A command failed.
    """
    _write_files(folder)
    seconds: dict[str, float] = {}
    results = _run(TRAIN, folder, seconds).stdout.splitlines()
    run = Path(results[-1])
    _run(EXPORT, folder, seconds)
    answers = _ask_torch(run, folder / "test.npz")
    _run(VERIFY, folder, seconds)
    _run(PREDICT, folder, seconds)
    predictions = np.load(folder / "predictions.npz")["output_0"]
    _print_table(folder / "digits.hyrax", answers, predictions, seconds)


def _write_files(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        target, text = folder / name, files(__package__).joinpath(name).read_text(encoding="utf-8")
        if target.exists() and target.read_text(encoding="utf-8") != text:
            raise UsageError(f"{target} exists and is not the demo's own; run the demo in another folder")
        target.write_text(text, encoding="utf-8")
    print(f"wrote {', '.join(str(folder / name) for name in FILES)}", flush=True)


def _run(line: str, folder: Path, seconds: dict[str, float]) -> subprocess.CompletedProcess[str]:
    print(f"\n{folder}$ {line}", flush=True)
    program, *arguments = line.split()
    start = time.perf_counter()
    finished = subprocess.run(
        [sys.executable, "-c", _PROGRAMS[program], *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds[f"{program} {arguments[0]}"] = time.perf_counter() - start
    print(finished.stdout, end="", flush=True)
    if finished.returncode:
        raise DemoError(f"demo: `{line}` in {folder} ended with exit code {finished.returncode}")
    return finished


def _ask_torch(run: Path, test_file: Path) -> Answers:
    """Run the trained torch model on the test rows, and write the raw rows for the bundle."""
    import torch

    from hyrax_pack.workflow import load_trained

    trained = load_trained(run)
    group = trained.provider.group("test")
    rows = range(len(group))
    labelled = group.data_dict(rows)["data"]
    raw = group.data_dict(rows, inference=True)
    images = np.stack(raw["data"]["image"])
    np.savez(test_file, image=images, object_id=np.asarray(raw["object_id"]))
    print(f"\nwrote {test_file}: {len(images)} images that training has not seen", flush=True)
    with torch.no_grad():
        scores = trained.model(trained.batch(raw)).numpy()
    return Answers(labels=np.asarray(labelled["label"]), scores=scores)


def _print_table(bundle: Path, answers: Answers, predictions: NDArray[np.float32], seconds: dict[str, float]) -> None:
    in_torch = float((answers.scores.argmax(axis=1) == answers.labels).mean())
    in_bundle = float((predictions.argmax(axis=1) == answers.labels).mean())
    table = Table("what", "torch", "bundle, without torch", title="The same numbers")
    table.add_row("test accuracy", f"{in_torch:.4f}", f"{in_bundle:.4f}")
    table.add_row("greatest output difference", "", f"{np.abs(answers.scores - predictions).max():.2g}")
    table.add_row("file size", "", f"{bundle.stat().st_size / 1024:.0f} KiB")
    for step, taken in seconds.items():
        table.add_row(step, "", f"{taken:.1f} s")
    width = max(80, shutil.get_terminal_size().columns)
    Console(file=sys.stdout, width=width).print(table)
    if in_torch != in_bundle:
        raise DemoError("demo: torch and the bundle disagree on the test rows")
