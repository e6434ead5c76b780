"""The proof that a captured text, alone in a fresh process, does what the live function does, and nothing else.

Two processes run the text on the same batches under two hash seeds, each batch twice; the results must be the live
function's, bit for bit. The same runs tell whether rows touch one another, which fields are read, and whether the input
is changed.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.replay import Returned, as_slots

from hyrax_pack.capturing import fresh_process
from hyrax_pack.capturing.captured import Captured
from hyrax_pack.capturing.coupling import BATCH_SIZES, Coupling, Plan, measure_coupling, plan_batches
from hyrax_pack.capturing.extreme_company import find_coupling
from hyrax_pack.errors import HyraxError, Problem, ProofError
from hyrax_pack.resolving.user_code import user_code

TIMEOUT_S = 600
_HASH_SEEDS = ("0", "1")

MakeBatch = Callable[[Sequence[int]], dict[str, Any]]


@dataclass(frozen=True)
class Proof:
    """What running the captured text has shown.

    Attributes
    ----------
    mutates_input : bool
        The function changes what it is given, so it must be given a copy.
    fields_read : frozenset of str
        Paths such as `data/image`; what is not among them changes nothing and may be missing.
    batch : str
        `independent`, where a row gives the same alone and in any company; else `joint`.
    notes : tuple of str
        What a user should know.
    forms : dict of str to str
        How each field was given: `list`, `stacked`, or `collated` for anything else.
    returns : str
        `array` or `tuple`.
    batch_sizes : tuple of int
        Sizes at which the function was run.
    greatest_difference : float
        Between a row alone and the same row in a batch, over all sizes.
    """

    mutates_input: bool
    fields_read: frozenset[str]
    batch: Literal["independent", "joint"]
    notes: tuple[str, ...]
    forms: dict[str, str]
    returns: Literal["array", "tuple"]
    batch_sizes: tuple[int, ...]
    greatest_difference: float


class _LiveError(HyraxError):
    """The live function raised; becomes a ProofError."""


def prove(captured: Captured, live: Callable[[Any], Any], make_batch: MakeBatch, row_indices: Sequence[int]) -> Proof:
    """Run the captured text in two fresh processes and hold it against the live function.

    Parameters
    ----------
    captured : Captured
        The text.
    live : callable
        The function it was captured from.
    make_batch : callable
        Gives the data_dict of some rows, in the form that training uses.
    row_indices : sequence of int
        Real rows; 64 or more show most. Fewer are repeated.

    Raises
    ------
    ProofError
        It raises, gives other values, differs from run to run, prints, or leaves a mark on the machine.
    """
    if not len(row_indices):
        raise ProofError(_source(captured), [Problem("", "there are no rows to prove it on; give it at least one")])
    plan = plan_batches(row_indices, make_batch)
    with tempfile.TemporaryDirectory(prefix="hyrax-proof-") as folder:
        runs = [_start(Path(folder), seed, captured, plan) for seed in _HASH_SEEDS]
        try:
            lives = _run_live(captured, live, plan)
            answers = [run.finish(captured) for run in runs]
        finally:
            for run in runs:
                run.process.kill()
                run.process.communicate()
    problems = _problems(lives, answers, plan)
    if problems:
        raise ProofError(_source(captured), problems)
    coupling = measure_coupling(plan, [slots for _, slots in answers[0]["results"]])
    if coupling.independent and (found := find_coupling(live, make_batch, row_indices)):
        coupling = replace(coupling, independent=False, notes=(*coupling.notes, f"rows touch one another: {found}"))
    return _proof(answers[0], plan, coupling)


@dataclass(frozen=True)
class _Run:
    """One fresh process, and where it works and answers."""

    process: subprocess.Popen[str]
    work: Path
    answer: Path

    def finish(self, captured: Captured) -> fresh_process.Answer:
        try:
            printed, _ = self.process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            what = f"did not end within {TIMEOUT_S} s; give it fewer or smaller rows"
            raise ProofError(_source(captured), [Problem("", what)]) from error
        if not self.answer.is_file():
            what = f"the fresh process ended with {self.process.returncode}: {_last_line(printed)}"
            raise ProofError(_source(captured), [Problem("", what)])
        found: fresh_process.Answer = pickle.loads(self.answer.read_bytes())
        if failure := found.get("failure"):
            raise ProofError(_source(captured), [_failure(failure)])
        found["printed"] = printed
        found["files"] = sorted(path.name for path in self.work.iterdir())
        return found


def _start(folder: Path, seed: str, captured: Captured, plan: Plan) -> _Run:
    """Start the text on the batches of the plan.

    `-I` would ignore PYTHONHASHSEED, and the proof would differ from day to day; `-P -s` in an environment that holds
    no other PYTHON variable is the same isolation.
    """
    work = folder / f"work-{seed}"
    work.mkdir()
    job, answer = folder / "job.pickle", folder / f"answer-{seed}.pickle"
    if not job.exists():
        job.write_bytes(_pickled_job(captured, plan))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        [sys.executable, "-P", "-s", "-B", fresh_process.__file__, str(job), str(answer)],
        cwd=work,
        env={**environment, "PYTHONHASHSEED": seed},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return _Run(process, work, answer)


def _pickled_job(captured: Captured, plan: Plan) -> bytes:
    try:
        batches = pickle.dumps([(len(batch.rows), batch.data_dict) for batch in plan.batches])
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        what = f"the rows hold what cannot leave this process ({error}); fields are arrays, numbers, strings or bytes"
        raise ProofError(_source(captured), [Problem("", what)]) from error
    return pickle.dumps(
        {
            "text": captured.text,
            "modules": [requirement.module for requirement in captured.requirements],
            "folders": list(_folders_of(captured)),
            "batches": batches,
            "watched": plan.largest,
        }
    )


def _folders_of(captured: Captured) -> dict[str, None]:
    """Where the runtime, numpy and the requirements are: perhaps only for this user, or through PYTHONPATH."""
    tops = [one.module.partition(".")[0] for one in captured.requirements if one.distribution]
    specs = [importlib.util.find_spec(top) for top in ("hyrax_runtime", "numpy", *tops)]
    files = [Path(spec.origin) for spec in specs if spec and spec.origin]
    return {str(file.parent.parent if file.name == "__init__.py" else file.parent): None for file in files}


def _run_live(captured: Captured, live: Callable[[Any], Any], plan: Plan) -> list[Returned]:
    results = []
    for batch in plan.batches:
        rows = len(batch.rows)
        try:
            with user_code(f"the live function, on {_rows(rows)}", _LiveError), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the fresh process collects them
                given = copy_input(batch.data_dict)
                with np.errstate(all="ignore"):  # as the text is run everywhere
                    returned = as_slots(live(given), rows=rows)
        except HyraxError as error:
            cause = error.__cause__
            key = cause.args[0] if isinstance(cause, KeyError) and cause.args else None
            raise ProofError(_source(captured), [Problem("", f"{error}{_cure_for_key(key)}")]) from error
        copies = tuple(None if slot is None else slot.copy() for slot in returned.slots)
        results.append(Returned(copies, returned.returns))
    return results


def _problems(lives: list[Returned], answers: list[fresh_process.Answer], plan: Plan) -> list[Problem]:
    problems = []
    for line, what in sorted({(line, what) for answer in answers for what, line in answer["marks"]}):
        problems.append(Problem(_text_line(line), f"it {what}; remove that"))
    if printed := next((answer["printed"] for answer in answers if answer["printed"].strip()), ""):
        problems.append(Problem("", f"it prints ({_last_line(printed)!r}) at every call; remove that"))
    if files := {name for answer in answers for name in answer["files"]}:
        problems.append(Problem("", f"it leaves files behind: {', '.join(sorted(files))}; remove that"))
    if sizes := {rows for answer in answers for rows in answer["unsteady"]}:
        what = f"two calls on the same {_rows(min(sizes))} differ; it keeps state, or is random: remove that"
        problems.append(Problem("", what))
        return problems
    if where := _first_difference(answers[0]["results"], answers[1]["results"], plan):
        what = f"two runs differ ({where}); it depends on the order of a set or on memory: sort, and fill np.empty"
        problems.append(Problem("", what))
    elif where := _first_difference([(one.returns, list(one.slots)) for one in lives], answers[0]["results"], plan):
        what = f"the text gives something else than the live function ({where}); what else does the function look at?"
        problems.append(Problem("", what))
    return problems


def _first_difference(wanted: list[Any], found: list[Any], plan: Plan) -> str | None:
    """Where two lists of results, batch by batch, first differ; None where they are bit for bit the same."""
    for batch, (returns, slots), (other_returns, other_slots) in zip(plan.batches, wanted, found, strict=True):
        rows = len(batch.rows)
        if returns != other_returns or len(slots) != len(other_slots):
            return f"{_rows(rows)}: {returns} of {len(slots)} and {other_returns} of {len(other_slots)}"
        for place, (one, other) in enumerate(zip(slots, other_slots, strict=True)):
            if not fresh_process.is_same(one, other):
                return f"{_rows(rows)}, slot {place}: {_shown(one, other)}"
    return None


def _shown(one: Any, other: Any) -> str:
    """Two unequal slots: their first unequal values, or their dtypes and shapes."""
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return " and ".join("None" if slot is None else f"{slot.dtype} {slot.shape}" for slot in (one, other))
    width = one.dtype.itemsize
    pairs = zip(_pieces(one.tobytes(), width), _pieces(other.tobytes(), width), strict=True)
    at = next(index for index, (left, right) in enumerate(pairs) if left != right)
    return f"{one.flat[at].item()!r} and {other.flat[at].item()!r}"


def _pieces(raw: bytes, width: int) -> list[bytes]:
    return [raw[start : start + width] for start in range(0, len(raw), width)]


def _proof(answer: fresh_process.Answer, plan: Plan, coupling: Coupling) -> Proof:
    notes = [*plan.notes, *coupling.notes]
    if changed := ", ".join(sorted(answer["changed"])):
        notes.append(f"to_tensor changes its input ({changed}); it is always given a copy")
    for what, line in sorted(answer["warnings"]):
        place = f" ({_text_line(line)})" if line else ""
        notes.append(f"to_tensor warns{place}: {what}")
    return Proof(
        mutates_input=bool(answer["changed"]),
        fields_read=frozenset(answer["read"]),
        batch="independent" if coupling.independent else "joint",
        notes=tuple(notes),
        forms=answer["forms"],
        returns=answer["results"][0][0],
        batch_sizes=tuple(size for size in BATCH_SIZES if any(len(batch.rows) == size for batch in plan.batches)),
        greatest_difference=coupling.greatest_difference,
    )


def _failure(failure: dict[str, Any]) -> Problem:
    where = _text_line(failure["line"]) if failure["line"] else ""
    code = f" in `{failure['code']}`" if failure["code"] else ""
    if failure["marks"]:
        what, line = failure["marks"][0]
        return Problem(_text_line(line), f"it {what}; remove that")
    what = f"on {_rows(failure['rows'])}, {failure['kind']}: {failure['message']}{code}{_cure_for_key(failure['key'])}"
    return Problem(where, what)


def _cure_for_key(key: Any) -> str:
    return f"; where rows may come without it, write `.get({key!r})`, which gives None" if key is not None else ""


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _text_line(line: int) -> str:
    return f"to_tensor.py:{line}" if line else ""


def _last_line(printed: str) -> str:
    return (printed.strip().splitlines() or ["nothing was said"])[-1][:200]


def _source(captured: Captured) -> str:
    return f"to_tensor ({captured.origin}) run alone in a fresh process"
