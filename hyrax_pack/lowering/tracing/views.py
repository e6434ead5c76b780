"""Writing through views.

A slice, a transpose or a reshape of an array shares its memory: writing into one shows in the other. Values of a graph
cannot be written, so a view knows how to read itself from its base and how to put itself back, and what was read is
read again when the root was written since. numpy's own shadows say whether memory is shared at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyrax_pack.lowering.graph.building import Value

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.arrays import TracedArray


@dataclass(frozen=True)
class View:
    """How a result that may share memory is read from its base, and how the base looks once it was written.

    `read(base)` gives the view's value; `write(base, new)` gives the base's new value. `is_row` where it is one row of
    a batch, picked by its position.
    """

    base: TracedArray
    read: Callable[[Value], Value]
    write: Callable[[Value, Value], Value]
    is_row: bool = False
