"""The proof that a captured text, alone in a fresh process, does what the live function does, and nothing else.

Two processes, as unlike as they can be made, run the text on the same batches, each batch twice; the results must be
the live function's, bit for bit. The same runs tell whether rows touch one another, which fields are read, and whether
the input is changed.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.replay import Returned, as_slots

from hyrax_pack.capturing.captured import Captured
from hyrax_pack.capturing.circumstances import FIRST, OTHER, UNKNOWN, WORDS, one_by_one
from hyrax_pack.capturing.coupling import CROWD, Batch, Coupling, MakeBatch, Plan, measure_coupling, plan_batches
from hyrax_pack.capturing.extremes import literals_of
from hyrax_pack.capturing.fresh_process import Answer, is_same
from hyrax_pack.capturing.labels import changed_by_labels
from hyrax_pack.capturing.module_attributes import describe, taken_from_modules
from hyrax_pack.capturing.rounding import Call, Slots
from hyrax_pack.capturing.running import (
    as_in_production,
    last_line,
    pickled_job,
    rows_in_words,
    running,
    source_of,
)
from hyrax_pack.errors import HyraxError, Problem, ProofError
from hyrax_pack.resolving.user_code import user_code


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


def prove(
    captured: Captured,
    live: Callable[[Any], Any],
    make_batch: MakeBatch,
    row_indices: Sequence[int],
    *,
    with_labels: MakeBatch | None = None,
    batch_size: int | None = None,
) -> Proof:
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
    with_labels : callable, optional
        Gives the same rows as training has them, with labels: they must make no difference.
    batch_size : int, optional
        Of training: tried too.

    Raises
    ------
    ProofError
        It raises, gives other values, differs from run to run, looks at labels, prints, or leaves a mark on the
        machine.
    """
    if not len(row_indices):
        raise ProofError(source_of(captured), [Problem("", "there are no rows to prove it on; give it at least one")])
    asked_about = literals_of(captured.text).sizes(2, 4 * CROWD)
    plan = plan_batches(row_indices, make_batch, [*([batch_size] if batch_size else []), CROWD, *asked_about])
    job = pickled_job(captured, plan)
    with tempfile.TemporaryDirectory(prefix="hyrax-proof-") as name:
        folder = Path(name)
        with running(folder, job, [FIRST, OTHER]) as runs:
            lives = _run_live(captured, live, plan, lambda given: given)
            crowds = _run_crowds(plan, _quiet_call(live))
            first, other = (run.finish(captured) for run in runs)
        failed = [_failure(captured, first["failure"])] if "failure" in first else []
        missing = failed and first["failure"]["kind"] == "ModuleNotFoundError"  # then nothing can be taken from it
        if problems := failed if missing else _what_is_not_the_same(captured, first) or failed:
            raise ProofError(source_of(captured), problems)
        problems = _what_it_does(captured, [first, other])
        problems = problems or _what_it_depends_on(captured, folder, job, plan, first, other)
    problems = problems or _what_the_live_one_gives(captured, live, plan, lives, first)
    problems = problems or _what_labels_do(captured, live, plan, with_labels)
    if problems:
        raise ProofError(source_of(captured), problems)
    coupling = measure_coupling(
        plan, [slots for _, slots in first["results"]], crowds, _quiet_call(live), first["read"]
    )
    if coupling.independent and (found := first["coupled"] or other["coupled"]):
        coupling = replace(coupling, independent=False, notes=(*coupling.notes, f"rows touch one another: {found}"))
    return _proof(captured, first, plan, coupling, {len(batch.rows) for batch, _ in crowds})


def _run_live(
    captured: Captured, live: Callable[[Any], Any], plan: Plan, given_as: Callable[[Any], Any]
) -> list[Returned]:
    """What the live function gives for every batch, each given anew."""
    returned = _returned_by(captured, live)
    return [returned(copy_input(given_as(batch.data_dict)), len(batch.rows)) for batch in plan.batches]


def _returned_by(captured: Captured, live: Callable[[Any], Any]) -> Callable[[Any, int], Returned]:
    """The live function as one that gives slots of its own, or raises a ProofError."""

    def returned(given: Any, rows: int) -> Returned:
        try:
            with user_code(f"the live function, on {rows_in_words(rows)}", _LiveError), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the fresh process collects them
                with np.errstate(all="ignore"):  # as the text is run everywhere
                    found = as_slots(live(given), rows=rows)
        except HyraxError as error:
            cause = error.__cause__
            key = cause.args[0] if isinstance(cause, KeyError) and cause.args else None
            raise ProofError(source_of(captured), [Problem("", f"{error}{_cure_for_key(key)}")]) from error
        return Returned(tuple(None if slot is None else slot.copy() for slot in found.slots), found.returns)

    return returned


def _what_labels_do(
    captured: Captured, live: Callable[[Any], Any], plan: Plan, with_labels: MakeBatch | None
) -> list[Problem]:
    if with_labels is None:
        return []
    batch, returned = plan.batches[plan.largest], _returned_by(captured, live)
    training = with_labels([plan.indices[row] for row in batch.rows])
    return changed_by_labels(lambda given: returned(given, len(batch.rows)), training, batch.data_dict)


def _run_crowds(plan: Plan, call: Call) -> list[tuple[Batch, Slots]]:
    """What the live function gives for the larger batches; an error, which everybody hears of, is passed over."""
    given = ((batch, as_in_production(copy_input(batch.data_dict))) for batch in plan.crowds)
    return [(batch, slots) for batch, rows in given if (slots := call(rows, len(batch.rows))) is not None]


def _quiet_call(live: Callable[[Any], Any]) -> Call:
    """The live function as one that gives None where it refuses with an error."""

    def call(data_dict: dict[str, Any], rows: int) -> Slots | None:
        with suppress(HyraxError), user_code("to_tensor", _LiveError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.errstate(all="ignore"):
                slots = as_slots(live(data_dict), rows=rows).slots
            return [None if slot is None else slot.copy() for slot in slots]
        return None

    return call


def _what_it_does(captured: Captured, answers: list[Answer]) -> list[Problem]:
    """What is wrong with how it comes to its results: marks on the machine, the order of sets, what it keeps."""
    problems = []
    for line, what in sorted({(line, what) for answer in answers for what, line in _marks(answer)}):
        problems.append(Problem(captured.place(line), _in_words(what)))
    if printed := next((answer["printed"] for answer in answers if answer["printed"].strip()), ""):
        problems.append(Problem("", f"it prints ({last_line(printed)!r}) at every call; remove that"))
    if files := {name for answer in answers for name in answer["files"]}:
        problems.append(Problem("", f"it leaves files behind: {', '.join(sorted(files))}; remove that"))
    for line, source in answers[0].get("unordered", ()):
        what = f"the result depends on the order of a set (`{source}`), which differs from run to run: sort it"
        problems.append(Problem(captured.place(line), what))
    unfilled = answers[0].get("unfilled")
    if unfilled:
        what = (
            f"{unfilled} memory that nobody has filled: np.zeros or np.full instead of np.empty, `out=` beside `where=`"
        )
        problems.append(Problem("", what))
    kept = {name for answer in answers for name in answer.get("kept", ())}
    for name in sorted(kept):
        problems.append(Problem("", f"`{name}` is another after a call than before, and lives on; make it inside"))
    if not (kept or unfilled) and (
        rows := min((rows for answer in answers for rows in answer.get("unsteady", ())), default=0)
    ):
        what = (
            f"two calls on the same {rows_in_words(rows)} differ; it keeps state, is random, or uses np.empty unfilled"
        )
        problems.append(Problem("", what))
    return problems


def _in_words(mark: str) -> str:
    reads = mark.startswith(("reads", "looks"))
    return f"it {mark}; {'give what it finds as a field, or write it into the text' if reads else 'remove that'}"


def _marks(answer: Answer) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = answer["failure"]["marks"] if "failure" in answer else answer["marks"]
    return found


def _what_it_depends_on(
    captured: Captured, folder: Path, job: bytes, plan: Plan, first: Answer, other: Answer
) -> list[Problem]:
    """Where two unlike processes differ: in what, and which of the things in which they are unlike makes it so."""
    where = _difference(captured, first, other, plan)
    if not where:
        return []
    names, each = zip(*one_by_one(), strict=True)
    with running(folder, job, each) as runs:
        answers = [run.finish(captured) for run in runs]
    unlike = [_difference(captured, first, answer, plan) for answer in answers]
    causes = [WORDS[name] for name, found in zip(names, unlike, strict=True) if found]
    return [Problem("", f"two runs differ ({where}); {'; '.join(causes) or UNKNOWN}")]


def _difference(captured: Captured, first: Answer, other: Answer, plan: Plan) -> str | None:
    if "failure" in other:
        return f"one of them ends: {_failure(captured, other['failure'])}"
    return _first_difference(first["results"], other["results"], plan)


def _what_is_not_the_same(captured: Captured, answer: Answer) -> list[Problem]:
    """What the text takes from modules, where this process has something else in its place."""
    problems = []
    for name, line in taken_from_modules(captured.text).items():
        here, there = describe(name), answer["taken"][name]
        if here != there:
            what = f"`{name}` is {here} here, and {there} where nobody has changed it; give your own another name"
            problems.append(Problem(captured.place(line), what))
    return problems


def _what_the_live_one_gives(
    captured: Captured, live: Callable[[Any], Any], plan: Plan, lives: list[Returned], answer: Answer
) -> list[Problem]:
    """Where the text gives something else than the live function, which got the rows as the data set gives them."""
    where = _first_difference([(one.returns, list(one.slots)) for one in lives], answer["results"], plan)
    if not where:
        return []
    as_there = _run_live(captured, live, plan, as_in_production)
    if _first_difference([(one.returns, list(one.slots)) for one in as_there], answer["results"], plan):
        what = f"the text gives something else than the live function ({where}); what else does the function look at?"
    else:
        what = (
            f"it looks at how the rows lie in memory ({where}), and production gives them in the order of C; "
            'use order="C" where it says order="K" or "A", and values instead of bytes'
        )
    return [Problem("", what)]


def _first_difference(wanted: list[Any], found: list[Any], plan: Plan) -> str | None:
    """Where two lists of results, batch by batch, first differ; None where they are bit for bit the same."""
    for batch, (returns, slots), (other_returns, other_slots) in zip(plan.batches, wanted, found, strict=True):
        rows = rows_in_words(len(batch.rows))
        if returns != other_returns or len(slots) != len(other_slots):
            return f"{rows}: {returns} of {len(slots)} and {other_returns} of {len(other_slots)}"
        for place, (one, other) in enumerate(zip(slots, other_slots, strict=True)):
            if not is_same(one, other):
                return f"{rows}, slot {place}: {_shown(one, other)}"
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


def _proof(captured: Captured, answer: Answer, plan: Plan, coupling: Coupling, crowds: set[int]) -> Proof:
    notes = [*plan.notes, *coupling.notes]
    if changed := ", ".join(sorted(answer["changed"])):
        notes.append(f"to_tensor changes its input ({changed}); it is always given a copy")
    if gone_over := ", ".join(sorted(answer["gone_over"])):
        notes.append(f"to_tensor goes over all fields, so that {gone_over} must be there too; name those it uses")
    for what, line in sorted(answer["warnings"]):
        place = f" ({captured.place(line)})" if line else ""
        notes.append(f"to_tensor warns{place}: {what}")
    return Proof(
        mutates_input=bool(answer["changed"]),
        fields_read=frozenset(answer["read"]),
        batch="independent" if coupling.independent else "joint",
        notes=tuple(notes),
        forms=answer["forms"],
        returns=answer["results"][0][0],
        batch_sizes=tuple(sorted({len(batch.rows) for batch in plan.batches} | crowds)),
        greatest_difference=coupling.greatest_difference,
    )


def _failure(captured: Captured, failure: dict[str, Any]) -> Problem:
    where = captured.place(failure["line"]) if failure["line"] else ""
    code = f" in `{failure['code']}`" if failure["code"] else ""
    if failure["marks"]:
        what, line = failure["marks"][0]
        return Problem(captured.place(line), _in_words(what))
    rows, cure = rows_in_words(failure["rows"]), _cure_for_key(failure["key"])
    return Problem(where, f"on {rows}, {failure['kind']}: {failure['message']}{code}{cure}")


def _cure_for_key(key: Any) -> str:
    return f"; where rows may come without it, write `.get({key!r})`, which gives None" if key is not None else ""
