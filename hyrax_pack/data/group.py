"""The rows of one group, train, validate, test or infer, as `data_dict`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from hyrax_runtime.contract import OBJECT_ID, Element, Form
from numpy.typing import NDArray

from hyrax_pack.data.protocol import said_of
from hyrax_pack.data.source import Source
from hyrax_pack.data.values import element_of, stack
from hyrax_pack.errors import DataError

if TYPE_CHECKING:
    from hyrax_pack.data.provider import DataProvider

# Which fields of which source, in the order of data_dict.
Plan = tuple[tuple[Source, tuple[str, ...]], ...]


@dataclass(frozen=True)
class FieldDescription:
    """How `to_tensor` gets one field, and what the data set says of it.

    `path` is `friendly/field`, or `object_id` for the ids beside the data sets; `form` and `element` as in
    `hyrax_runtime.contract.FieldContract`.
    """

    path: str
    form: Form
    element: Element
    unit: str | None
    description: str | None


class Group:
    """Rows 0 … len - 1 of one group.

    A group pickles as its name and the settings, and opens its data again where it is unpickled: an open file cannot
    travel to another process.
    """

    def __init__(
        self,
        provider: DataProvider,
        name: str,
        primary: Source,
        rows: NDArray[np.int64],
        joined: Mapping[str, NDArray[np.int64] | None],
        plans: tuple[Plan, Plan | DataError],
    ) -> None:
        self.name = name
        self.form = provider.form
        self._provider = provider
        self._primary = primary
        self._rows = rows
        self._joined = joined
        self._plan, self._inference_plan = plans

    def __len__(self) -> int:
        return len(self._rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (self._provider, self.name)

    def data_dict(self, indices: Sequence[int] | NDArray[np.int64], *, inference: bool = False) -> dict[str, Any]:
        """Return some rows as `to_tensor` gets them.

        Parameters
        ----------
        indices : sequence of int
            Rows of this group, in any order.
        inference : bool
            Give what is there at inference: what `[data_request.infer]` lists, or else everything but the labels.

        Returns
        -------
        dict
            `{friendly: {field: rows in their form}, "object_id": the ids}`.

        Raises
        ------
        DataError
            The data set fails on a row; rows do not stack; or `[data_request.infer]` names data that is not here.
        """
        numbers = np.asarray(indices, dtype=np.int64)
        data: dict[str, Any] = {
            source.friendly: source.entry(fields, self._rows_of(source, numbers))
            for source, fields in self.plan(inference=inference)
        }
        ids = self.ids(numbers)
        data[OBJECT_ID] = stack(ids, OBJECT_ID) if self.form == "stacked" and ids else ids
        return data

    def ids(self, indices: Sequence[int] | NDArray[np.int64]) -> list[Any]:
        """Return the ids of some rows, as the data set gives them; without an id field, their positions in it."""
        rows = self._rows[np.asarray(indices, dtype=np.int64)]
        if self._primary.id_field is None:
            return list(rows)
        return self._primary.read(self._primary.id_field, rows.tolist())

    @property
    def positions(self) -> NDArray[np.int64]:
        """Where the rows stand in the (primary) data set."""
        return self._rows

    def columns(
        self, indices: Sequence[int] | NDArray[np.int64], paths: Collection[str] | None = None
    ) -> dict[str, list[Any]]:
        """Return some rows as the data sets give them, before any collate function, by the paths of the fields."""
        numbers = np.asarray(indices, dtype=np.int64)
        found: dict[str, list[Any]] = {}
        for source, fields in self.plan():
            named = {f"{source.friendly}/{field}": field for field in fields}
            rows = self._rows_of(source, numbers)
            found |= {path: source.read(named[path], rows) for path in named if paths is None or path in paths}
        return found

    @property
    def id_field(self) -> str | None:
        """The path of the field that the ids come from, `friendly/field`; None where they are positions."""
        name = self._primary.id_field
        return None if name is None else f"{self._primary.friendly}/{name}"

    def plan(self, *, inference: bool = False) -> Plan:
        """Return which fields of which data set are read."""
        chosen = self._inference_plan if inference else self._plan
        if isinstance(chosen, DataError):
            raise chosen
        return chosen

    def paths(self, *, inference: bool = False) -> tuple[str, ...]:
        """Return the paths of the fields that are read, `friendly/field`, in the order of `data_dict`."""
        return tuple(
            f"{source.friendly}/{field}" for source, fields in self.plan(inference=inference) for field in fields
        )

    def describe_fields(self, *, inference: bool = False) -> tuple[FieldDescription, ...]:
        """Say of every field of `data_dict` in which form it comes, and what the data set says of it.

        With a collate function these are the fields of its result.
        """
        described = []
        for source, fields in self.plan(inference=inference):
            entry = source.entry(fields, self._rows_of(source, np.zeros(1, dtype=np.int64)))
            for field, values in entry.items():
                place = f"{source.friendly}/{field}"
                described.append(
                    FieldDescription(
                        path=place,
                        # A list from a collate function is replayed as a list.
                        form="list" if isinstance(values, list) else source.form_of(field),
                        element=element_of(values[0], place) if isinstance(values, list) else "array",
                        unit=said_of(source.dataset, "units", field),
                        description=said_of(source.dataset, "descriptions", field),
                    )
                )
        ids = self.ids([0])
        element = "array" if self.form == "stacked" else element_of(ids[0], OBJECT_ID)
        return (*described, FieldDescription(OBJECT_ID, self.form, element, None, None))

    def _rows_of(self, source: Source, numbers: NDArray[np.int64]) -> list[int]:
        rows = self._rows[numbers]
        joined = self._joined[source.friendly]
        found: list[int] = (rows if joined is None else joined[rows]).tolist()
        return found


def _open_again(provider: DataProvider, name: str) -> Group:
    return provider.group(name)
