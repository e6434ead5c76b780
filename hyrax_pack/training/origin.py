"""What a run was started with: the model's code and its data. A run that goes on with others would be neither run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hyrax_pack.capturing.model_code import ModelCode, code_differences, describe_code, from_plain
from hyrax_pack.data import Group, Observation, identify, identity_differences, observe_group
from hyrax_pack.data.sameness import Shared, rows_in_both
from hyrax_pack.errors import ChangedSinceError, DataError
from hyrax_pack.model import ModelSpec
from hyrax_pack.run import Run
from hyrax_pack.run.folder import CODE_FILE, DATA_FILE

if TYPE_CHECKING:
    from torch import nn

_PUT_BACK = "Put it back to go on, or start a new run; to go on all the same: --accept {what}"


def record_or_check_code(run: Run, spec: ModelSpec, model: nn.Module, *, accept: Collection[str], first: bool) -> None:
    """Record the model's code at the first start; from then on refuse any other.

    Raises
    ------
    ChangedSinceError
        The code has changed, training's part of it or inference's, and `code` is not in `accept`.
    """
    code = describe_code(spec, model)
    recorded = run.recorded(CODE_FILE)
    changes = [] if recorded is None else changes_of_code(run, recorded, code, inference=False)
    if changes and "code" not in accept:
        raise _refusal(run, "code", changes)
    if first and (changes or recorded is None):
        run.record(CODE_FILE, {name: part.to_plain() for name, part in code.items()})
        _note_accepted(run, "code", changes)


def changes_of_code(run: Run, recorded: Mapping[str, Any], now: ModelCode, *, inference: bool) -> list[str]:
    """Say how the code differs from what was recorded; what training itself changes is no code."""
    before = from_plain(recorded)
    state = run.kept_outside
    kept = [{name: part for name, part in code.items() if name not in state} for code in (before, now)]
    return code_differences(*kept, inference=inference)


def record_or_check_data(
    run: Run, groups: Sequence[Group], *, own: Collection[str], accept: Collection[str], first: bool
) -> list[str]:
    """Record at the first start which rows there are, and what is seen of their fields; then refuse any other.

    Parameters
    ----------
    own : collection of str
        Groups with data of their own: their rows may be in the training data all the same.

    Returns
    -------
    list of str
        What a user should know of the rows, when they are recorded.

    Raises
    ------
    ChangedSinceError
        The data has changed, and `data` is not in `accept`.
    """
    identity = {group.name: identify(group) for group in groups}
    recorded = run.recorded(DATA_FILE)
    changes = identity_differences(recorded["groups"], identity) if recorded is not None else []
    if changes and "data" not in accept:
        raise _refusal(run, "data", changes)
    if first and (changes or recorded is None):
        observation = _observed(groups)
        observed = None if observation is None else observation.to_plain()
        train = groups[0]
        found = {group.name: rows_in_both(group, train) for group in groups if group.name in own}
        shared = {name: rows for name, rows in found.items() if rows is not None}
        counts = {name: rows.count for name, rows in shared.items()}
        run.record(DATA_FILE, {"groups": identity, "observed": observed, "in_training": counts})
        _note_accepted(run, "data", changes)
        return [_words_on_shared(name, rows) for name, rows in shared.items()]
    return []


def _words_on_shared(name: str, rows: Shared) -> str:
    return (
        f"{rows.count:,} rows of {name} are in the training data too, such as {rows.example}: figures of "
        f"{name} say little about new rows. Leave them out of one, or name the same class and data_location for both "
        "groups, so that [split] deals the rows out."
    )


def _observed(groups: Sequence[Group]) -> Observation | None:
    """What is seen of the fields that are there at inference; None where the settings name some that are not here."""
    try:
        training, *others = (observe_group(group) for group in groups)
    except DataError:  # export says it, training needs nothing of it
        return None
    for other in others:
        training = training.widened(other)
    return training


def _refusal(run: Run, what: str, changes: Sequence[str]) -> ChangedSinceError:
    return ChangedSinceError(str(run.path), what, changes, _PUT_BACK.format(what=what))


def _note_accepted(run: Run, what: str, changes: Sequence[str]) -> None:
    if changes:
        before = run.facts.get("accepted", [])
        run.note({"accepted": [*before, *(f"{what}: {change}" for change in changes)]})
