"""Labels that `to_tensor` asks for at inference, where there are none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hyrax_pack.data.group import Group
from hyrax_pack.errors import HyraxError


def words_on_absent_labels(error: HyraxError, group: Group, with_labels: Callable[[], object]) -> str | None:
    """Say which absent label a failure is about, and how to write it; None where it is not about labels.

    Parameters
    ----------
    error : HyraxError
        What to_tensor raised without labels; its `__cause__` is the user's own error.
    group : Group
    with_labels : callable
        Calls to_tensor with labels.
    """
    there = group.paths(inference=True)
    absent = [path for path in group.paths() if path not in there]
    cause = error.__cause__
    key = cause.args[0] if isinstance(cause, KeyError) and cause.args else None
    for path in absent:
        field = path.rpartition("/")[2]
        if key == field:
            return (
                f"{error}: {path} is a label, and there is none at inference; "
                f'write data.get("{field}", []) where it says ["{field}"]'
            )
    if absent:
        with suppress(HyraxError):
            with_labels()
            return f"{error}; where {', '.join(absent)} is there it works, and at inference there are no labels"
    return None
