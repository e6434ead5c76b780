"""Start a captured text in fresh processes, and take in what they answer."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyrax_pack.capturing import fresh_process
from hyrax_pack.capturing.captured import Captured
from hyrax_pack.capturing.circumstances import Circumstances
from hyrax_pack.capturing.coupling import Plan
from hyrax_pack.capturing.module_attributes import taken_from_modules
from hyrax_pack.errors import Problem, ProofError

TIMEOUT_S = 600


def source_of(captured: Captured) -> str:
    """How a ProofError names what it is about."""
    return f"to_tensor ({captured.origin}) run alone in a fresh process"


def rows_in_words(count: int) -> str:
    """`1 row`, `2 rows`."""
    return "1 row" if count == 1 else f"{count} rows"


def last_line(printed: str) -> str:
    """The last line of what was printed."""
    return (printed.strip().splitlines() or ["nothing was said"])[-1][:200]


@dataclass(frozen=True)
class FreshProcess:
    """One fresh process, where it works and where it answers."""

    process: subprocess.Popen[str]
    work: Path
    answer: Path

    def finish(self, captured: Captured) -> fresh_process.Answer:
        """Wait for the answer.

        Raises
        ------
        ProofError
            It did not end, or ended without an answer.
        """
        try:
            printed, _ = self.process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            what = f"did not end within {TIMEOUT_S} s; give it fewer or smaller rows"
            raise ProofError(source_of(captured), [Problem("", what)]) from error
        if not self.answer.is_file():
            what = f"the fresh process ended with {self.process.returncode}: {last_line(printed)}"
            raise ProofError(source_of(captured), [Problem("", what)])
        found: fresh_process.Answer = pickle.loads(self.answer.read_bytes())
        found["printed"] = printed
        found["files"] = sorted(path.name for path in self.work.iterdir())
        return found


@contextmanager
def running(folder: Path, job: bytes, each: Sequence[Circumstances]) -> Iterator[list[FreshProcess]]:
    """Run a job in several processes at the same time; whatever still runs at the end of the block is ended."""
    job_file = folder / "job.pickle"
    job_file.write_bytes(job)
    runs = [_start(folder, job_file, one) for one in each]
    try:
        yield runs
    finally:
        for run in runs:
            run.process.kill()
            run.process.communicate()


def pickled_job(captured: Captured, plan: Plan) -> bytes:
    """What a fresh process needs to know.

    Raises
    ------
    ProofError
        The rows hold what cannot leave this process.
    """
    try:
        batches = pickle.dumps([(len(batch.rows), as_in_production(batch.data_dict)) for batch in plan.batches])
        together, alone, rows = plan.company
        company = pickle.dumps((as_in_production(together), as_in_production(alone), rows))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        what = f"the rows hold what cannot leave this process ({error}); fields are arrays, numbers, strings or bytes"
        raise ProofError(source_of(captured), [Problem("", what)]) from error
    return pickle.dumps(
        {
            "text": captured.text,
            "modules": [requirement.module for requirement in captured.requirements],
            "taken": list(taken_from_modules(captured.text)),
            "folders": list(_folders_of(captured)),
            "batches": batches,
            "company": company,
            "watched": plan.largest,
        }
    )


def as_in_production(values: Any) -> Any:
    """The same rows as the runtime gives them: arrays in the order of C and of this machine's bytes.

    Examples
    --------
    >>> as_in_production({"x": [np.zeros((2, 3), ">f4", order="F")]})["x"][0].flags.c_contiguous
    True
    """
    if type(values) is np.ndarray and not values.dtype.hasobject:
        return np.ascontiguousarray(values, values.dtype.newbyteorder("=")).reshape(values.shape)
    if isinstance(values, dict):
        return {key: as_in_production(value) for key, value in values.items()}
    if type(values) is list:
        return [as_in_production(value) for value in values]
    return tuple(map(as_in_production, values)) if type(values) is tuple else values


def _start(folder: Path, job: Path, circumstances: Circumstances) -> FreshProcess:
    work, home = (folder / f"{name}-{circumstances.name}" for name in ("work", "home"))
    work.mkdir()
    home.mkdir()
    answer = folder / f"answer-{circumstances.name}.pickle"
    command = [sys.executable, "-P", "-s", "-B", fresh_process.__file__, str(job), str(answer)]
    process = subprocess.Popen(
        command + (["backwards"] if circumstances.backwards else []),
        cwd=work,
        env=circumstances.environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return FreshProcess(process, work, answer)


def _folders_of(captured: Captured) -> dict[str, None]:
    """Where the runtime, numpy and the requirements are: perhaps only for this user, or through PYTHONPATH."""
    tops = [one.module.partition(".")[0] for one in captured.requirements if one.distribution]
    specs = [importlib.util.find_spec(top) for top in ("hyrax_runtime", "numpy", *tops)]
    files = [Path(spec.origin) for spec in specs if spec and spec.origin]
    return {str(file.parent.parent if file.name == "__init__.py" else file.parent): None for file in files}
