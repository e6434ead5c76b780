"""One data set under its friendly name: which fields of it are read, and in which form they are handed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from hyrax_runtime.contract import OBJECT_ID, Form

from hyrax_pack.config import Config
from hyrax_pack.config.checking import nearest
from hyrax_pack.data import protocol
from hyrax_pack.data.values import element_of, native, row_shape, stack
from hyrax_pack.errors import DataError
from hyrax_pack.resolving import resolve_function, user_code

# So many rows, spread over the data set, decide whether a field's rows have one shape.
_PROBED = 32


@dataclass(frozen=True)
class Source:
    """One data set of a group.

    Attributes
    ----------
    where : str
        Its place in the configuration, `data_request.train.data`.
    friendly : str
        Its name in `data_dict`.
    dataset : object
        The data set (see `protocol`).
    fields : tuple of str
        What is read when nothing is said: the request's `fields`, or all.
    form : str
        `list` or `stacked`: what the model class asks for, where no collate function decides.
    id_field : str or None
        The field with the ids of the rows; None: their positions.
    is_primary : bool
        Whether the request names the id field itself, and so makes its rows the rows of the group.
    join_field : str or None
        The field that holds the primary data set's ids.
    collate : callable or None
        Rows, each a dict, to this data set's entry of `data_dict`.
    """

    where: str
    friendly: str
    dataset: Any
    fields: tuple[str, ...]
    form: Literal["list", "stacked"]
    id_field: str | None
    is_primary: bool
    join_field: str | None
    collate: Callable[[list[dict[str, Any]]], Any] | None

    def __len__(self) -> int:
        return self.length

    @cached_property
    def length(self) -> int:
        """How many rows the data set has, asked once."""
        with user_code(f"{self.where}: {type(self.dataset).__name__}.__len__", DataError):
            return len(self.dataset)

    @cached_property
    def available(self) -> tuple[str, ...]:
        """Every field that the data set has."""
        return protocol.field_names(self.dataset)

    def read(self, field: str, rows: Sequence[int]) -> list[Any]:
        """Return the values of one field, as the data set gives them, in native byte order."""
        get = protocol.getter(self.dataset, field)
        values: list[Any] = []

        def where() -> str:
            return f"{self.place(field)}, row {rows[len(values)]}"

        with user_code(where, DataError):
            for row in rows:
                values.append(native(get(row), where))
        return values

    def entry(self, fields: Sequence[str], rows: Sequence[int]) -> Any:
        """Return this data set's entry of `data_dict` for some rows: collated, or a list or array for each field."""
        columns = {field: self.read(field, rows) for field in fields}
        if self.collate is not None:
            return self._collated(columns, len(rows))
        return {field: self._in_form(field, values) for field, values in columns.items()}

    def form_of(self, field: str) -> Form:
        """Return the form in which `to_tensor` gets a field."""
        if self.collate is not None or protocol.field_collate(self.dataset, field) is not None:
            return "collated"
        if self.form == "stacked" and field in self.available and not self._is_uniform(field):
            return "list"
        return self.form

    def check_row(self, field: str) -> None:
        """Read the first row of a field, so that one that nobody can use is named before anything starts."""
        element_of(self.read(field, [0])[0], f"{self.place(field)}, row 0")

    def place(self, field: str) -> str:
        """Say where a field comes from: `data/image (DigitsDataset.get_image)`."""
        return f"{self.friendly}/{field} ({type(self.dataset).__name__}.{protocol.GETTER}{field})"

    def check_field(self, field: str, key: str = "fields") -> None:
        """Refuse a field that the data set lacks."""
        if field not in self.available:
            raise DataError(
                f"{self.where}.{key}: {type(self.dataset).__name__} has no field '{field}'; "
                f"{nearest(field, self.available)}"
            )

    def _in_form(self, field: str, values: list[Any]) -> Any:
        own = protocol.field_collate(self.dataset, field)
        if own is not None:
            with user_code(f"{self.friendly}: {type(self.dataset).__name__}.{protocol.COLLATE}{field}", DataError):
                made = own(values)
                return native(made, partial(self._collated_by, f"{protocol.COLLATE}{field}", field))
        return stack(values, self.place(field)) if values and self.form_of(field) == "stacked" else values

    def _collated(self, columns: Mapping[str, list[Any]], count: int) -> Any:
        assert self.collate is not None
        rows = [{field: values[row] for field, values in columns.items()} for row in range(count)]
        name = getattr(self.collate, "__name__", "collate")
        with user_code(f"{self.friendly}: {name}({', '.join(columns)})", DataError):
            entry = self.collate(rows)
        if not isinstance(entry, Mapping):
            raise DataError(
                f"{self.friendly}: {name} returned a {type(entry).__name__}; expected a dict of field to values"
            )
        return {field: native(made, partial(self._collated_by, name, field)) for field, made in entry.items()}

    def _collated_by(self, name: str, field: str) -> str:
        return f"{self.friendly}/{field}, as {name} gives it"

    def _is_uniform(self, field: str) -> bool:
        """Whether the rows of a field have one shape: as the data set says, or as rows spread over it show."""
        if field not in self._uniform:
            shapes = getattr(self.dataset, "row_shapes", None)
            if isinstance(shapes, Mapping) and field in shapes:
                self._uniform[field] = shapes[field] is not None
            else:
                spread = np.unique(np.linspace(0, self.length - 1, _PROBED).astype(np.int64)).tolist()
                self._uniform[field] = len({row_shape(value) for value in self.read(field, spread)}) == 1
        return self._uniform[field]

    @cached_property
    def _uniform(self) -> dict[str, bool]:
        return {}


def open_source(
    config: Config,
    where: str,
    friendly: str,
    request: Mapping[str, Any],
    *,
    dataset: Any,
    form: Literal["list", "stacked"],
) -> Source:
    """Say what is read of an opened data set, and check what is asked of it.

    Raises
    ------
    DataError
        The data set has no rows, no fields, or lacks a field that is asked for (with the nearest name); or its first
        row holds something that is no number, text or array.
    """
    available = protocol.field_names(dataset)
    source = Source(
        where=where,
        friendly=friendly,
        dataset=dataset,
        fields=tuple(dict.fromkeys(request.get("fields") or available)),
        form=form,
        id_field=request.get("primary_id_field") or (OBJECT_ID if OBJECT_ID in available else None),
        is_primary=bool(request.get("primary_id_field")),
        join_field=request.get("join_field") or None,
        collate=_collate(config, dataset),
    )
    if not available:
        raise DataError(f"{where}: {type(dataset).__name__} has no field; a data set has a method get_<field>(row)")
    for field in source.fields:
        source.check_field(field)
    for key, asked in (("primary_id_field", source.id_field), ("join_field", source.join_field)):
        if asked is not None:
            source.check_field(asked, key)
    if source.length == 0:
        raise DataError(f"{where}: {type(dataset).__name__} has no rows; check data_location")
    for field in source.fields:
        source.check_row(field)
    return source


def _collate(config: Config, dataset: Any) -> Callable[[list[dict[str, Any]]], Any] | None:
    """The data set's own function, else the configured one."""
    name = config.get("data_loader.collate_fn")
    own = protocol.own_collate(dataset)
    return resolve_function(name, config.base_dir) if own is None and name is not None else own
