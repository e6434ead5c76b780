"""The input contract: what `to_tensor` was given in training, field by field, and the check of a caller's data.

Form. `to_tensor` is always called with the form that training used: a *list* per field (rows exactly as the data set
gave them), a *stacked* array, or whatever a collate function returned (*collated*). `a + b` differs between a list and
an array, so the form is part of the contract and the caller's data is converted to it.
"""

from __future__ import annotations

from typing import Literal

from hyrax_runtime.frozen import Frozen

Kind = Literal["array", "ragged", "string", "bytes"]
Form = Literal["list", "stacked", "collated"]
Element = Literal["array", "scalar", "python"]
Dim = int | str

BATCH_AXIS = "N"
OBJECT_ID = "object_id"


class FieldContract(Frozen):
    """One field of `data_dict`.

    Attributes
    ----------
    path : str
        `friendly/field`; the ids beside the data sets are the field `object_id`.
    kind : str
        `array` (rows of one shape), `ragged` (rows of differing shape), `string` or `bytes`.
    dtype : str
        numpy's name in native byte order, such as `float32`; `str` or `bytes` for those kinds.
    shape : tuple of int or str
        The shape of one row; a free dimension is named `<field>.<axis>`, such as `flux.1` (axis counted with N as 0).
    form : str
        `list`, `stacked` or `collated`: what the function is called with.
    element : str
        In list form, what one row is: an ndarray (`array`), a numpy scalar (`scalar`), or a plain Python value
        (`python`: int, float, bool, str, bytes, or nested lists of them).
    read : bool
        Whether `to_tensor` reads it. What is not read is optional, and ignored.
    least, greatest : float or None
        Of the finite values seen; None where there is none. They never refuse anything.
    nan_share : float
        The share of values that were NaN, 0..1.
    unit, description : str or None
        Where the data set offers them.
    """

    path: str
    kind: Kind
    dtype: str
    shape: tuple[Dim, ...]
    form: Form
    element: Element
    read: bool
    least: float | None = None
    greatest: float | None = None
    nan_share: float = 0.0
    unit: str | None = None
    description: str | None = None

    @property
    def friendly(self) -> str | None:
        """The data set's name; None for the ids beside the data sets."""
        return self.path.split("/", 1)[0] if "/" in self.path else None

    @property
    def field(self) -> str:
        """The name within its data set."""
        return self.path.split("/", 1)[-1]


class InputContract(Frozen):
    """Every field that training saw, in the order of `data_dict`.

    Attributes
    ----------
    fields : tuple of FieldContract
    batch : str
        `independent` (rows do not touch one another) or `joint` (the caller's batch is the unit and is never split,
        merged or masked).
    id_field : str or None
        The path of the field that training took `object_id` from, such as `data/candid`; None where it counted rows.
    asked_absent : tuple of str
        Paths that `to_tensor` asks for and that were not there when it was proven: with them it would be another
        function, so a caller who gives one is refused.
    """

    fields: tuple[FieldContract, ...]
    batch: Literal["independent", "joint"]
    id_field: str | None = None
    asked_absent: tuple[str, ...] = ()

    @property
    def read(self) -> tuple[FieldContract, ...]:
        """The fields that `to_tensor` reads: what a caller must give."""
        return tuple(field for field in self.fields if field.read)
