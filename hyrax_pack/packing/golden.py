"""The golden rows: raw input as the data set gave it, the tensors that to_tensor made of it, the model's answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.golden import encode_column
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.manifest import Golden, GoldenColumn
from hyrax_runtime.replay import as_slots, check_slots

from hyrax_pack.errors import PackError
from hyrax_pack.exporting import Network
from hyrax_pack.packing.writing import MemberSource, member_of


@dataclass(frozen=True)
class GoldenRows:
    """The golden part of the manifest, and the members that hold it."""

    golden: Golden
    sources: tuple[MemberSource, ...]


def make_golden(
    network: Network,
    to_tensor: Callable[[Any], Any],
    contract: InputContract,
    data_dict: Mapping[str, Any],
    rows: int,
) -> GoldenRows:
    """Run the golden rows through to_tensor and the trained model, and encode all three.

    Parameters
    ----------
    network : Network
    to_tensor : callable
        The captured text, compiled: what travels in the file.
    contract : InputContract
        Says which fields are read: those travel.
    data_dict : dict
        The golden rows in the recorded form.
    rows : int

    Raises
    ------
    PackError
        The rows lack a field that to_tensor reads.
    ReplayError
        to_tensor answers in another form than at export.
    """
    returned = as_slots(to_tensor(copy_input(data_dict)), rows=rows)
    check_slots(returned.slots, network.slots, rows)
    outputs = network.compute(returned.slots)
    members: dict[str, bytes] = {}

    def encoded(stage: str, columns: Iterator[tuple[str, Any, Any]]) -> tuple[GoldenColumn, ...]:
        made = []
        for number, (path, kind, values) in enumerate(columns):
            column, files = encode_column(path, kind, values, member=f"golden/{stage}-{number}")
            members.update(files)
            made.append(column)
        return tuple(made)

    tensors = network.layout.feed(returned.slots)
    golden = Golden(
        rows=rows,
        input=encoded("input", _fields(contract, data_dict)),
        tensors=encoded("tensor", ((name, "array", value) for name, value in tensors.items())),
        outputs=encoded("output", ((name, "array", value) for name, value in outputs.items())),
    )
    return GoldenRows(golden, tuple(member_of(name, "golden", data) for name, data in members.items()))


def _fields(contract: InputContract, data_dict: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for field in contract.read:
        yield field.path, field.kind, _values(field, data_dict)


def _values(field: FieldContract, data_dict: Mapping[str, Any]) -> Any:
    holder = data_dict if field.friendly is None else data_dict.get(field.friendly, {})
    if field.field not in holder:
        raise PackError(f"the golden rows lack {field.path}, which to_tensor reads")
    values = holder[field.field]
    if field.kind in ("string", "bytes"):
        return [str(value) if field.kind == "string" else bytes(value) for value in values]
    return values
