"""What to_tensor asks for and was never given: `data.get("ivar")` where no row has one.

The function would be another one with it, and no proof has seen that one: the contract says so, and whoever gives it at
predict is refused. Labels are let pass: training has them, and they make no difference at inference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from hyrax_runtime.contract import OBJECT_ID, InputContract
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.replay import compile_function

from hyrax_pack.capturing.recording import Noted, record
from hyrax_pack.workflow.evidence import Evidence


def with_asked_absent(
    contract: InputContract, text: str, evidence: Evidence, labels: Iterable[str], asked: Sequence[str]
) -> InputContract:
    """Return the contract with the paths that the text asks for, and that neither training nor inference has.

    Parameters
    ----------
    labels : iterable of str
        Names or paths of fields that inference does not have, and that nobody misses there.
    asked : sequence of str
        Paths that lowering has found, which looks into branches that no row takes.
    """
    in_training = evidence.group.paths()
    known = {*in_training, *(path.partition("/")[0] for path in in_training)}
    let_pass = {name.rpartition("/")[2] for name in (OBJECT_ID, *labels)}
    found = {*asked, *_asked_in_vain(text, evidence)} - known
    return replace(contract, asked_absent=tuple(sorted(one for one in found if one.rpartition("/")[2] not in let_pass)))


def _asked_in_vain(text: str, evidence: Evidence) -> set[str]:
    noted = Noted()
    for rows in (evidence.sample, evidence.held_out):
        with suppress(Exception):  # user code may refuse a dict that is not quite one
            compile_function(text)(record(copy_input(evidence.data_dict(rows)), noted))
    return noted.absent
