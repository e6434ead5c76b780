"""What a prediction gives back: every output by name, rows in the caller's order, and the rows that were refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.errors import BatchError, HyraxError
from hyrax_runtime.manifest import Output
from hyrax_runtime.nearest import nearest_name

Arrays = dict[str, NDArray[Any]]


class Outputs(Mapping[str, NDArray[Any]]):
    """The outputs of one batch: a mapping of output name to array, first axis rows.

    Attributes
    ----------
    object_id : sequence or None
        The ids as the caller gave them, row by row.
    errors : dict of int to HyraxError
        Why a row was refused, by row number; in its place stands NaN, or 0 where the dtype has none. Empty unless the
        batch was predicted with `on_error="mask"`.
    """

    __slots__ = ("_arrays", "errors", "object_id")

    def __init__(self, arrays: Arrays, object_id: Any = None, errors: dict[int, HyraxError] | None = None) -> None:
        self._arrays = arrays
        self.object_id = object_id
        self.errors: dict[int, HyraxError] = {} if errors is None else errors

    def __getitem__(self, name: str) -> NDArray[Any]:
        try:
            return self._arrays[name]
        except KeyError:
            near = nearest_name(str(name), list(self._arrays))
            hint = f"did you mean {near!r}?" if near else f"the outputs are {', '.join(self._arrays)}"
            raise KeyError(f"no output {name!r}; {hint}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}: {array.dtype} {array.shape}" for name, array in self._arrays.items())
        refused = f"; {len(self.errors)} rows refused" if self.errors else ""
        return f"Outputs({shown}{refused})"


def empty_outputs(declared: Sequence[Output], rows: int = 0) -> Arrays:
    """Return outputs of `rows` rows in which no row has a value; a free dimension is 0."""
    return {output.name: _blank(output, rows) for output in declared}


def put_rows(declared: Sequence[Output], rows: int, pieces: Sequence[tuple[Sequence[int], Arrays]]) -> Arrays:
    """Put pieces of a batch back into one: each piece is the row numbers it holds and its outputs.

    A row in no piece has no value: NaN, 0 or an empty string.

    Raises
    ------
    BatchError
        An output has a free dimension that came out differently in two pieces.
    """
    if len(pieces) == 1 and len(pieces[0][0]) == rows:
        return pieces[0][1]
    if not pieces:
        return empty_outputs(declared, rows)
    whole: Arrays = {}
    for output in declared:
        parts = [(numbers, arrays[output.name]) for numbers, arrays in pieces]
        shapes = {part.shape[1:] for _, part in parts}
        if len(shapes) > 1:
            listed = " and ".join(str(shape) for shape in sorted(shapes))
            raise BatchError(
                f"output {output.name}: pieces of one batch gave rows of shape {listed}; predict them in batches of "
                "like rows, without max_batch"
            )
        (shape,) = shapes
        whole[output.name] = np.full((rows, *shape), _no_value(parts[0][1].dtype), dtype=parts[0][1].dtype)
        for numbers, part in parts:
            whole[output.name][list(numbers)] = part
    return whole


def widened(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return rows without values as ones of another shape: where all of a batch are refused, nothing gives their own.

    Examples
    --------
    >>> widened(np.empty((2, 0)), (1,)).tolist()
    [[nan], [nan]]
    """
    if values.shape[1:] == shape:
        return values
    return np.full((len(values), *shape), _no_value(values.dtype), dtype=values.dtype)


def _blank(output: Output, rows: int) -> NDArray[Any]:
    dtype = np.dtype(object if output.dtype == "str" else output.dtype)
    shape = tuple(0 if isinstance(dim, str) else dim for dim in output.shape[1:])
    return np.full((rows, *shape), _no_value(dtype), dtype=dtype)


def _no_value(dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "fc":
        return np.nan
    return "" if dtype.kind in "OUT" else 0
