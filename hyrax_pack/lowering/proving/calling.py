"""Calling the original function as replay does: on copies, and with what it returns as tensors."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hyrax_runtime.errors import ResultError
from hyrax_runtime.replay import as_slots
from numpy.typing import NDArray

from hyrax_pack.lowering.proving.samples import Samples, take_rows

Function = Callable[[Any], Any]
Tensors = tuple[NDArray[Any] | None, ...]


class FunctionRaised(Exception):  # noqa: N818 - a fact about the function
    """The original raised for these rows, or returned what is no tensor."""


def call_original(function: Function, samples: Samples, columns: Mapping[str, NDArray[Any]]) -> Tensors:
    """Return the slots that the original gives for some rows.

    Raises
    ------
    FunctionRaised
        It raised, or returned something that is refused in production too.
    """
    rows = len(next(iter(columns.values())))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            result = function(samples.data_dict(columns))
        except Exception as error:
            raise FunctionRaised(f"{type(error).__name__}: {error}") from error
    try:
        return as_slots(result, rows=rows).slots
    except ResultError as error:
        raise FunctionRaised(str(error)) from error


def raising_rows(function: Function, samples: Samples, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Find the rows for which the original raises when it is given them alone."""
    size = len(next(iter(columns.values())))
    raises = np.zeros(size, np.bool_)
    for row in range(size):
        try:
            call_original(function, samples, take_rows(columns, slice(row, row + 1)))
        except FunctionRaised:
            raises[row] = True
    return raises
