"""What a graph is held against: anything that answers a batch of slots with named arrays, the same way each time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from hyrax_pack.errors import ExportError, OutputFormError
from hyrax_pack.exporting.slots import Layout, Slots
from hyrax_pack.exporting.watching import OperatorWatch, UserCode, first_line, line_of_error

Outputs = dict[str, NDArray[Any]]


class Answering(ABC):
    """A trained model, or a graph that was made elsewhere.

    Attributes
    ----------
    layout : Layout
    declaring_joint, renaming : str
        How its owner declares the batch joint, or gives an output another name: for refusals.
    """

    layout: Layout
    declaring_joint = 'set batch = "joint" under [model]'
    renaming = "give it another key, or name the outputs by [model] outputs"

    @abstractmethod
    def run(self, slots: Slots, *, wide: bool = False) -> Outputs:
        """Answer for a batch, in float32 as trained, or in float64 throughout.

        Returns
        -------
        dict of str to ndarray
            Output name to values, in the model's order.

        Raises
        ------
        Exception
            Whatever the model itself raises, for these values or in this precision.
        """

    @abstractmethod
    def run_other_kernels(self, slots: Slots) -> Outputs:
        """Answer in float32 by other code that is as right: another order of the same additions."""

    @abstractmethod
    def check_repeatable(self, slots: Slots, rows: int) -> tuple[str, ...]:
        """Refuse what answers another way the second time; return the names of outputs that are None."""

    def watch(self, slots: Slots) -> OperatorWatch:
        """Say which operators run at which lines, where that can be known."""
        return OperatorWatch()

    def run_checked(self, slots: Slots, rows: int, what: str) -> Outputs:
        """Answer in float32, and check that every output has one row for each row given.

        Raises
        ------
        ExportError
            The model raises for these rows.
        OutputFormError
            An output has lost its batch axis, or has no form that a graph can give.
        """
        outputs = guarded(lambda: self.run(slots), f"the model, given {what}")
        check_rows(outputs, rows, what)
        return outputs


def otherwise(answering: Answering, slots: Slots) -> Outputs:
    """Compute the same answer another way, for its noise: in float64 where that runs, else by other code."""
    with UserCode():
        return answering.run(slots, wide=True)
    return answering.run_other_kernels(slots)


def check_rows(outputs: Outputs, rows: int, what: str) -> None:
    """Refuse outputs that have not one row for each row given."""
    for name, values in outputs.items():
        if values.ndim == 0 or len(values) != rows:
            raise OutputFormError(lost_axis(name, values.shape, what, f"({rows}, ...)"))


def guarded(call: Callable[[], Outputs], doing: str) -> Outputs:
    """Run the user's code, and turn what it raises into an ExportError that names the line."""
    outputs: Outputs = {}
    with UserCode() as attempt:
        outputs = call()
    if isinstance(attempt.error, ExportError):
        raise attempt.error
    if attempt.error is not None:
        where = line_of_error(attempt.error)
        said = f"{type(attempt.error).__name__}: {first_line(attempt.error)}"
        raise ExportError(f"{doing}, raises {said}{where and f' ({where})'}") from attempt.error
    return outputs


def lost_axis(name: str, shape: tuple[int, ...], what: str, wanted: str) -> str:
    """Say that an output has not the batch as its first axis, and the usual reason."""
    cure = (
        "a squeeze() without an axis removes the batch axis of a batch of one: name the axis, squeeze(1)"
        if what.startswith("1 row")
        else "return one row for each row of the batch"
    )
    return f"output {name!r} has shape {shape} for {what}, not {wanted}: {cure}"
