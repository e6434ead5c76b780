"""What is seen of every field in the rows that `to_tensor` was given, and the input contract that follows from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from hyrax_runtime.contract import BATCH_AXIS, OBJECT_ID, Dim, FieldContract, InputContract, Kind
from hyrax_runtime.manifest import ITEM_SIZE
from numpy.typing import NDArray

from hyrax_pack.data.group import FieldDescription, Group
from hyrax_pack.errors import DataError, Problem, describe

# Rows of a group that are looked at, evenly spread, and how many are read at a time.
MOST_ROWS = 4096
_AT_A_TIME = 256
# So many rows, spread over the group, are collated one by one.
_ROWS_ALONE = 32
# So many rows with NaN or infinities are remembered of a field.
_MOST_NOT_FINITE = 16


@dataclass(frozen=True)
class Observation:
    """What was seen of every field of some rows.

    Attributes
    ----------
    fields : dict of str to FieldContract
        By path, in the order of `data_dict`; whether they are read is not known here.
    faults : dict of str to list of str
        Why a field can have no contract.
    id_field : str or None
        The path of the field that `object_id` comes from.
    odd : dict of str to tuple of int
        By group: its rows that hold NaN or infinities, and those with a field's least and greatest value.
    """

    fields: Mapping[str, FieldContract]
    faults: Mapping[str, list[str]]
    id_field: str | None
    odd: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def with_nan(self) -> tuple[str, ...]:
        """The paths of the fields in which a NaN was seen."""
        return tuple(path for path, seen in self.fields.items() if seen.nan_share > 0 and path != OBJECT_ID)

    def contract(
        self, fields_read: Collection[str], *, batch: Literal["independent", "joint"] = "independent"
    ) -> InputContract:
        """Return the contract, for the paths that `to_tensor` reads. A field at fault that is not read is left out.

        Raises
        ------
        DataError
            A field that is read has no rows, rows of differing dtype or number of axes, or values of a dtype that
            cannot travel; all of it at once.
        """
        problems = [Problem(path, what) for path in self.faults if path in fields_read for what in self.faults[path]]
        if problems:
            raise DataError(describe("input contract", problems))
        fields = tuple(replace(seen, read=path in fields_read) for path, seen in self.fields.items())
        return InputContract(fields, batch, self.id_field)

    def widened(self, shown: Observation) -> Observation:
        """Return this observation with the row shapes of other rows let in; the ranges stay those seen here.

        A field that the other rows have in another dtype, form or number of axes, or that only they have, is at fault.
        """
        faults = {path: list(found) for path, found in self.faults.items()}
        fields: dict[str, FieldContract] = {}
        for path in [*self.fields, *(path for path in shown.fields if path not in self.fields)]:
            here, there = self.fields.get(path), shown.fields.get(path)
            if here is None and path not in faults:
                faults[path] = ["is in the rows to prove with, and not in those of training"]
            elif here is not None and there is not None and (what := _unlike(here, there)):
                faults.setdefault(path, []).append(f"{what}; give both the same, or train again")
            elif here is not None:
                fields[path] = here if there is None else _let_in(here, there)
        for path, found in shown.faults.items():
            faults.setdefault(path, []).extend(found)
            fields.pop(path, None)
        return Observation(fields, faults, self.id_field, {**shown.odd, **self.odd})

    def to_plain(self) -> dict[str, Any]:
        """The observation as plain values, for JSON."""
        return {"fields": [asdict(seen) for seen in self.fields.values()], "faults": dict(self.faults)} | {
            "id_field": self.id_field,
            "odd": {group: list(rows) for group, rows in self.odd.items()},
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Observation:
        """Read what `to_plain` gave."""
        fields = [FieldContract(**{**row, "shape": tuple(row["shape"])}) for row in plain["fields"]]
        odd = {group: tuple(rows) for group, rows in plain["odd"].items()}
        return cls({seen.path: seen for seen in fields}, dict(plain["faults"]), plain["id_field"], odd)


def observe_group(group: Group) -> Observation:
    """Observe rows of a group, evenly spread and at most 4,096, as inference gets them."""
    rows = np.unique(np.linspace(0, len(group) - 1, min(len(group), MOST_ROWS)).astype(np.int64))
    batches = (rows[start : start + _AT_A_TIME] for start in range(0, len(rows), _AT_A_TIME))
    seen = observe((group.data_dict(batch, inference=True) for batch in batches), group)
    # what was looked at was counted from 0
    return replace(seen, odd={group.name: tuple(int(rows[at]) for places in seen.odd.values() for at in places)})


def observe(data_dicts: Iterable[Mapping[str, Any]], group: Group) -> Observation:
    """Observe dtype, row shape, kind, range and share of NaN of every field, over some batches.

    Parameters
    ----------
    data_dicts : iterable of dict
        Batches of the inference dict, as `Group.data_dict(…, inference=True)` gives them; looked at one by one.
    group : Group
        Where they came from: it says form, element, unit and description.

    Returns
    -------
    Observation
        `odd` counts the rows of all batches from 0.
    """
    described = {each.path: each for each in group.describe_fields(inference=True)}
    seen: dict[str, _Column] = {}
    first = 0
    for data_dict in data_dicts:
        rows = len(data_dict[OBJECT_ID])
        for path, values in _columns(data_dict):
            seen.setdefault(path, _Column()).add(values, range(first, first + rows))
        first += rows
    if any(each.form == "collated" for each in described.values()):
        _add_shapes_of_single_rows(group, seen)
    faults = {path: list(seen.get(path, _Column()).problems()) for path in described}
    fields = {path: seen[path].contract(said) for path, said in described.items() if not faults[path]}
    odd = sorted({row for path in fields if path.rpartition("/")[2] != OBJECT_ID for row in seen[path].odd_rows()})
    found = {path: problems for path, problems in faults.items() if problems}
    return Observation(fields, found, group.id_field, {group.name: tuple(odd)})


def _unlike(before: FieldContract, now: FieldContract) -> str:
    """How a field differs in what no contract can bridge; empty where it does not."""
    for name in ("dtype", "form", "element"):
        was, is_now = getattr(before, name), getattr(now, name)
        if was != is_now:
            return f"{name} {is_now} in the rows to prove with, {was} in those of training"
    if len(before.shape) != len(now.shape):
        return f"shape {now.shape} in the rows to prove with, {before.shape} in those of training"
    return ""


def _let_in(here: FieldContract, there: FieldContract) -> FieldContract:
    shape = tuple(
        one if one == other else f"{here.field}.{axis}"
        for axis, (one, other) in enumerate(zip(here.shape, there.shape, strict=True), start=1)
    )
    ragged = "ragged" in (here.kind, there.kind) or (
        here.kind == "array" and here.form == "list" and shape != here.shape
    )
    return replace(here, shape=shape, kind="ragged" if ragged else here.kind)


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

    dtypes: dict[str, int] = field(default_factory=dict)
    shapes: dict[tuple[int, ...], None] = field(default_factory=dict)
    listed: bool = False
    fault: str | None = None
    values: int = 0
    nans: int = 0
    least: float | None = None
    greatest: float | None = None
    extremes: dict[str, int] = field(default_factory=dict)
    not_finite: list[int] = field(default_factory=list)

    def odd_rows(self) -> Iterator[int]:
        """Rows with the least and the greatest value, and some of those with NaN or infinities."""
        yield from self.extremes.values()
        yield from self.not_finite

    def add(self, values: Any, numbers: Sequence[int]) -> None:
        """Look at one batch: an array whose first axis is rows, or a list of rows; the first fault stays."""
        if self.fault is not None:
            return
        if not isinstance(values, (list, np.ndarray)):
            self.fault = f"a {type(values).__name__}; expected a list of rows or an array, from a collate function too"
            return
        shape = values.shape if isinstance(values, np.ndarray) else (len(values),)
        if shape[:1] != (len(numbers),):
            self.fault = f"{shape} for {len(numbers)} rows; the first axis is {BATCH_AXIS}, one entry for each row"
            return
        if isinstance(values, np.ndarray):
            self._add_array(values, values.shape[1:], numbers)
            return
        self.listed = True
        try:
            rows = [np.asarray(row) for row in values]
        except ValueError:
            self.fault = "a row is a nested list of unequal lengths; give arrays"
            return
        alike: dict[tuple[tuple[int, ...], np.dtype[Any]], list[int]] = {}
        for at, row in enumerate(rows):
            alike.setdefault((row.shape, row.dtype), []).append(at)
        for (shape, _dtype), group in alike.items():
            self._add_array(np.stack([rows[at] for at in group]), shape, [numbers[at] for at in group])

    def problems(self) -> Iterator[str]:
        """What keeps this field from having a contract."""
        if self.fault is not None:
            yield self.fault
            return
        if not self.dtypes:
            yield "no rows were seen"
        if len(self.dtypes) > 1:
            seen = ", ".join(f"{name} in {count} rows" for name, count in self.dtypes.items())
            yield f"rows of different dtypes ({seen}); give every row the same"
        for name in self.dtypes:
            if name not in (*ITEM_SIZE, "str", "bytes"):
                yield f"values of dtype {name} cannot travel; one of {', '.join(ITEM_SIZE)}"
        if set(self.dtypes) & {"str", "bytes"} and set(self.shapes) != {()}:
            yield "arrays of texts; a row may hold one text"
        if len({len(shape) for shape in self.shapes}) > 1:
            shapes = ", ".join(map(str, list(self.shapes)[:3]))
            yield f"rows with different numbers of axes ({shapes}); give every row the same"

    def contract(self, said: FieldDescription) -> FieldContract:
        """Return the contract of a field without problems."""
        dtype = next(iter(self.dtypes))
        return FieldContract(
            path=said.path,
            kind=self._kind(dtype),
            dtype=dtype,
            shape=self._shape(said.path.rpartition("/")[2]),
            form=said.form,
            element=said.element,
            read=False,
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

    def _shape(self, name: str) -> tuple[Dim, ...]:
        sizes = [set(axis) for axis in zip(*self.shapes, strict=True)]
        return tuple(
            next(iter(size)) if len(size) == 1 else f"{name}.{axis}" for axis, size in enumerate(sizes, start=1)
        )

    def _add_array(self, values: NDArray[Any], row_shape: tuple[int, ...], numbers: Sequence[int]) -> None:
        name = {"U": "str", "S": "bytes", "T": "str"}.get(values.dtype.kind, values.dtype.name)
        self.dtypes[name] = self.dtypes.get(name, 0) + len(numbers)
        self.shapes[row_shape] = None
        if values.dtype.kind not in "biuf":
            return
        self.values += values.size
        finite = values
        if values.dtype.kind == "f":
            self.nans += int(np.isnan(values).sum())
            is_finite = np.isfinite(values)
            finite = values[is_finite]
            if finite.size < values.size:
                odd = np.flatnonzero(~is_finite.reshape(len(values), -1).all(axis=1))
                self.not_finite.extend(numbers[at] for at in odd[: _MOST_NOT_FINITE - len(self.not_finite)].tolist())
        if finite.size:
            low, high = float(finite.min()), float(finite.max())
            if self.least is None or low < self.least:
                self.least, self.extremes["least"] = low, numbers[_row_of(values, finite.min())]
            if self.greatest is None or high > self.greatest:
                self.greatest, self.extremes["greatest"] = high, numbers[_row_of(values, finite.max())]


def _row_of(values: NDArray[Any], value: Any) -> int:
    """The first row that holds a value."""
    return int(np.argmax((values == value).reshape(len(values), -1).any(axis=1)))
