"""What the rewritten text calls, besides functions: the trace's side of rewriting.py."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.failing import may_fail
from hyrax_pack.lowering.tracing import rewriting
from hyrax_pack.lowering.tracing.rows import Stale
from hyrax_pack.lowering.tracing.shadows import Shadowed
from hyrax_pack.lowering.tracing.subjects import watched_subject
from hyrax_pack.lowering.tracing.walking import Loops

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


def hooks_of(trace: Trace, bound: Sequence[frozenset[str]]) -> dict[str, Callable[..., Any]]:
    """Return what the rewritten text calls, by name; `bound` says what its loops bind."""
    loops = Loops(trace, bound)
    return {
        rewriting.CALL: trace.call,
        rewriting.SUBJECT: lambda value: watched_subject(trace, value),
        rewriting.SAME: lambda a, b: _is_same(trace, a, b),
        rewriting.LIST: trace.new_list,
        rewriting.LOOP: loops.enter,
        rewriting.MEETS: loops.meets_rows,
        rewriting.LEAVE: loops.leave,
        rewriting.STALE: lambda: Stale(trace),
        rewriting.GATHER: loops.gather,
        rewriting.GATHER_NOW: loops.gather_now,
        rewriting.REFUSE_ROWS: loops.refuse_rows,
        rewriting.KEEP: loops.keep,
        rewriting.GUARD: lambda: _guarded(trace),
        rewriting.HAND_OUT: lambda value: _handed_out(trace, value),
    }


def _is_same(trace: Trace, a: Any, b: Any) -> bool:
    """Answer `a is b`."""
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Stale):
            one.refuse()
        if isinstance(one, Shadowed) and isinstance(other, bool | np.bool_):
            trace.refuse("the identity of a truth value from the data", construct="is", hint="use == or the value")
    return a is b


@contextlib.contextmanager
def _guarded(trace: Trace) -> Iterator[None]:
    """Watch the body of a `try`: what fails by the values of the data is caught there, and not in a graph."""
    before = trace.graph.count_nodes()
    yield
    if any(map(may_fail, trace.graph.nodes_since(before))):
        trace.refuse(
            "an error that depends on the values is caught",
            construct="try",
            hint="choose with np.where before it can happen",
        )


def _handed_out(trace: Trace, value: Any) -> Any:
    """Answer `yield value`."""
    if trace.loop is not None:
        trace.refuse("rows are handed out one by one", construct="yield", hint="return a list of all of them")
    return value
