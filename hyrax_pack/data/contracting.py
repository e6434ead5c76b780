"""The input contract, recorded from the rows that `to_tensor` was given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from hyrax_runtime.contract import BATCH_AXIS, OBJECT_ID, Dim, FieldContract, InputContract, Kind
from hyrax_runtime.manifest import ITEM_SIZE
from numpy.typing import NDArray

from hyrax_pack.data.group import FieldDescription, Group
from hyrax_pack.errors import DataError, Problem, describe

# So many rows, spread over the group, are collated one by one.
_ROWS_ALONE = 32


def observe_contract(
    data_dicts: Iterable[Mapping[str, Any]],
    group: Group,
    fields_read: Collection[str],
    *,
    batch: Literal["independent", "joint"] = "independent",
) -> InputContract:
    """Record dtype, row shape, kind, range and share of NaN of every field, over some batches.

    Parameters
    ----------
    data_dicts : iterable of dict
        Batches of the inference dict, as `Group.data_dict(…, inference=True)` gives them; looked at one by one.
    group : Group
        Where they came from: it says form, element, unit and description.
    fields_read : collection of str
        The paths that `to_tensor` reads.
    batch : str
        Whether rows are independent.

    Raises
    ------
    DataError
        A field that is read has no rows, rows of differing dtype or number of axes, or values of a dtype that cannot
        travel; all of it at once. Such a field that is not read is left out.
    """
    described = {each.path: each for each in group.describe_fields(inference=True)}
    seen: dict[str, _Column] = {}
    for data_dict in data_dicts:
        rows = len(data_dict[OBJECT_ID])
        for path, values in _columns(data_dict):
            seen.setdefault(path, _Column(path)).add(values, rows)
    if any(each.form == "collated" for each in described.values()):
        _add_shapes_of_single_rows(group, seen)
    faults = {path: list(seen.get(path, _Column(path)).problems()) for path in described}
    problems = [problem for path in described if path in fields_read for problem in faults[path]]
    if problems:
        raise DataError(describe("input contract", problems))
    sound = [path for path in described if not faults[path]]
    fields = tuple(seen[path].contract(described[path], path in fields_read) for path in sound)
    return InputContract(fields=fields, batch=batch, id_field=group.id_field)


def _add_shapes_of_single_rows(group: Group, seen: Mapping[str, _Column]) -> None:
    """Large batches may all be padded to one length; rows on their own show which axes of a collated field are free."""
    for row in np.unique(np.linspace(0, len(group) - 1, _ROWS_ALONE).astype(np.int64)).tolist():
        for path, values in _columns(group.data_dict([row], inference=True)):
            column = seen.get(path)
            if column is not None and column.fault is None and isinstance(values, np.ndarray):
                column.shapes[values.shape[1:]] = None


def _columns(data_dict: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for friendly, entry in data_dict.items():
        if friendly == OBJECT_ID:
            yield OBJECT_ID, entry
        else:
            yield from ((f"{friendly}/{name}", values) for name, values in entry.items())


@dataclass
class _Column:
    """What was seen of one field."""

    path: str
    dtypes: dict[str, int] = field(default_factory=dict)
    shapes: dict[tuple[int, ...], None] = field(default_factory=dict)
    listed: bool = False
    fault: str | None = None
    values: int = 0
    nans: int = 0
    least: float | None = None
    greatest: float | None = None

    def add(self, values: Any, rows_given: int) -> None:
        """Look at one batch: an array whose first axis is rows, or a list of rows; the first fault stays."""
        if self.fault is not None:
            return
        if not isinstance(values, (list, np.ndarray)):
            self.fault = f"a {type(values).__name__}; expected a list of rows or an array, from a collate function too"
            return
        shape = values.shape if isinstance(values, np.ndarray) else (len(values),)
        if shape[:1] != (rows_given,):
            self.fault = f"{shape} for {rows_given} rows; the first axis is {BATCH_AXIS}, one entry for each row"
            return
        if isinstance(values, np.ndarray):
            self._add_array(values, values.shape[1:], len(values))
            return
        self.listed = True
        try:
            rows = [np.asarray(row) for row in values]
        except ValueError:
            self.fault = "a row is a nested list of unequal lengths; give arrays"
            return
        alike: dict[tuple[tuple[int, ...], np.dtype[Any]], list[NDArray[Any]]] = {}
        for row in rows:
            alike.setdefault((row.shape, row.dtype), []).append(row)
        for (shape, _dtype), group in alike.items():
            self._add_array(np.stack(group), shape, len(group))

    def problems(self) -> Iterable[Problem]:
        """What keeps this field from having a contract."""
        if self.fault is not None:
            yield Problem(self.path, self.fault)
            return
        if not self.dtypes:
            yield Problem(self.path, "no rows were seen")
        if len(self.dtypes) > 1:
            seen = ", ".join(f"{name} in {count} rows" for name, count in self.dtypes.items())
            yield Problem(self.path, f"rows of different dtypes ({seen}); give every row the same")
        for name in self.dtypes:
            if name not in (*ITEM_SIZE, "str", "bytes"):
                yield Problem(self.path, f"values of dtype {name} cannot travel; one of {', '.join(ITEM_SIZE)}")
        if set(self.dtypes) & {"str", "bytes"} and set(self.shapes) != {()}:
            yield Problem(self.path, "arrays of texts; a row may hold one text")
        if len({len(shape) for shape in self.shapes}) > 1:
            shapes = ", ".join(map(str, list(self.shapes)[:3]))
            yield Problem(self.path, f"rows with different numbers of axes ({shapes}); give every row the same")

    def contract(self, said: FieldDescription, read: bool) -> FieldContract:
        """Return the contract of a field without problems."""
        dtype = next(iter(self.dtypes))
        return FieldContract(
            path=self.path,
            kind=self._kind(dtype),
            dtype=dtype,
            shape=self._shape(),
            form=said.form,
            element=said.element,
            read=read,
            least=self.least,
            greatest=self.greatest,
            nan_share=self.nans / self.values if self.values else 0.0,
            unit=said.unit,
            description=said.description,
        )

    def _kind(self, dtype: str) -> Kind:
        if dtype == "str":
            return "string"
        if dtype == "bytes":
            return "bytes"
        return "ragged" if self.listed and len(self.shapes) > 1 else "array"

    def _shape(self) -> tuple[Dim, ...]:
        name = self.path.rsplit("/", 1)[-1]
        sizes = [set(axis) for axis in zip(*self.shapes, strict=True)]
        return tuple(
            next(iter(size)) if len(size) == 1 else f"{name}.{axis}" for axis, size in enumerate(sizes, start=1)
        )

    def _add_array(self, values: NDArray[Any], row_shape: tuple[int, ...], rows: int) -> None:
        name = {"U": "str", "S": "bytes", "T": "str"}.get(values.dtype.kind, values.dtype.name)
        self.dtypes[name] = self.dtypes.get(name, 0) + rows
        self.shapes[row_shape] = None
        if values.dtype.kind not in "biuf":
            return
        self.values += values.size
        finite = values
        if values.dtype.kind == "f":
            self.nans += int(np.isnan(values).sum())
            finite = values[np.isfinite(values)]
        if finite.size:
            low, high = float(finite.min()), float(finite.max())
            self.least = low if self.least is None else min(self.least, low)
            self.greatest = high if self.greatest is None else max(self.greatest, high)
