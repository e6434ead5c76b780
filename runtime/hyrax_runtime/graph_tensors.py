"""The tensors of a graph: their values inside, in one field, or in weights.bin, where exactly they say.

onnxruntime reads external data of a subgraph or attribute from the disk whatever it is given, takes a path for a
location, and prefers one field where a tensor has its values in two. None of that is left open here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from hyrax_runtime.container import TENSOR_ALIGN
from hyrax_runtime.errors import ExternalDataError, ProtobufError
from hyrax_runtime.frozen import Frozen
from hyrax_runtime.onnx_messages import Message, integers, name_of, text_of

WEIGHTS_NAME = "weights.bin"
MAX_DIM = 1 << 40
MAX_RANK = 32
# Types of whole bytes that may stand in weights.bin, bfloat16 and the 8-bit floats with them.
_ITEM_SIZE = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2}
_ITEM_SIZE |= dict.fromkeys(range(17, 21), 1)
_DECIMAL = re.compile(rb"0|[1-9][0-9]{0,18}")
_OUTSIDE = {"external_data", "data_location"}
_DESCRIPTION = {"dims", "packed_dims", "data_type", "name", "doc_string", "metadata_props"}
_CURE = "Export the bundle again with hyrax-pack 1.x"


class Extent(Frozen):
    """The bytes of weights.bin that one tensor takes."""

    offset: int
    length: int
    tensor: str


def check_tiling(tensors: Iterable[Extent], size: int | None, where: str) -> tuple[tuple[int, int], ...]:
    """Require that `tensors`, of all graphs together, tile weights.bin; answer the padding as (offset, length).

    Graphs share tensors by naming the same bytes. Tensors stand in order, each at the first multiple of 64 after the
    one before; the last ends the file. `size` is None where there is no weights.bin.

    Raises
    ------
    ExternalDataError
        Tensors overlap, leave bytes over, or reach beyond the end.
    """
    extents = {(tensor.offset, tensor.length): tensor for tensor in tensors}
    if size is None:
        if extents:
            name = next(iter(extents.values())).tensor
            raise ExternalDataError(f"{where}: tensor {name!r} is in {WEIGHTS_NAME}, which is no member. {_CURE}")
        return ()
    gaps: list[tuple[int, int]] = []
    end = 0
    for offset, length in sorted(extents):
        expected = end + -end % TENSOR_ALIGN
        if offset != expected or offset + length > size:
            name = extents[offset, length].tensor
            raise ExternalDataError(
                f"{where}: tensor {name!r} takes {length} bytes from {offset} of {WEIGHTS_NAME}; "
                f"expected it at {expected}, within {size}. {_CURE}"
            )
        if expected > end:
            gaps.append((end, expected - end))
        end = offset + length
    if end != size:
        raise ExternalDataError(
            f"{where}: {size - end} bytes at the end of {WEIGHTS_NAME} belong to no tensor. {_CURE}"
        )
    return tuple(gaps)


def require_inside(tensor: Message, where: str) -> None:
    """Refuse a tensor of an attribute or subgraph whose values are not all inside.

    Raises
    ------
    ExternalDataError, ProtobufError
        They are elsewhere; they stand in two fields.
    """
    _require_one_field(tensor, where)
    if "external_data" in tensor or tensor.get("data_location", 0) != 0:
        name = text_of(tensor.get("name", b""))
        raise ExternalDataError(
            f"{where}: tensor {name!r} of an attribute or subgraph is kept outside the graph; "
            f"only initializers of the main graph may be. {_CURE}"
        )


def read_extents(initializers: Iterable[Message], where: str) -> Iterator[Extent]:
    """Where the external ones among the initializers of the main graph stand.

    Raises
    ------
    ExternalDataError, ProtobufError
        One stands half inside, outside weights.bin, or in other bytes than its type and shape make.
    """
    for tensor in initializers:
        _require_one_field(tensor, where)
        location = tensor.get("data_location", 0)
        if location == 0 and "external_data" not in tensor:
            continue
        name = name_of(tensor, where)
        if location != 1 or "external_data" not in tensor:
            raise ExternalDataError(f"{where}: tensor {name!r} is half external: location {location}. {_CURE}")
        if tensor.keys() - _OUTSIDE - _DESCRIPTION:
            raise ExternalDataError(f"{where}: tensor {name!r} is both inside the graph and outside. {_CURE}")
        yield _read_extent(tensor, name, where)


def _require_one_field(tensor: Message, where: str) -> None:
    """Values in two fields would be one tensor for one reader and another for the next."""
    fields = tensor.keys() - _OUTSIDE - _DESCRIPTION
    if len(fields) > 1:
        name = text_of(tensor.get("name", b""))
        raise ProtobufError(f"{where}: tensor {name!r} has values in {' and '.join(sorted(fields))}. {_CURE}")


def _read_extent(tensor: Message, name: str, where: str) -> Extent:
    """Where an external tensor stands: exactly location, offset and length, as its type and shape make them."""
    place = f"{where}: tensor {name!r}"
    pairs = [(entry.get("key", b""), entry.get("value", b"")) for entry in tensor["external_data"]]
    entries = dict(pairs)
    if len(pairs) != 3 or entries.keys() != {b"location", b"offset", b"length"}:
        keys = ", ".join(sorted(text_of(key) for key, _ in pairs))
        raise ExternalDataError(f"{place}: external data with {keys}; expected location, offset and length. {_CURE}")
    if entries[b"location"] != WEIGHTS_NAME.encode():
        location = text_of(entries[b"location"])
        raise ExternalDataError(f"{place}: external data in {location[:80]!r}; expected {WEIGHTS_NAME!r}. {_CURE}")
    numbers = {key: entries[key] for key in (b"offset", b"length")}
    for key, value in numbers.items():
        if not _DECIMAL.fullmatch(value):
            raise ExternalDataError(
                f"{place}: {text_of(key)} {text_of(value)[:40]!r}; expected a plain decimal. {_CURE}"
            )
    offset, length = int(numbers[b"offset"]), int(numbers[b"length"])
    if offset % TENSOR_ALIGN:
        raise ExternalDataError(f"{place}: offset {offset}; expected a multiple of {TENSOR_ALIGN}. {_CURE}")
    dims = integers(tensor, "dims", place)
    item_size = _ITEM_SIZE.get(tensor.get("data_type", 0))
    known = item_size is not None and len(dims) <= MAX_RANK and all(0 < dim <= MAX_DIM for dim in dims)
    if not known or length != math.prod(dims) * (item_size or 0):
        data_type = tensor.get("data_type", 0)
        raise ExternalDataError(
            f"{place}: length {length}; its type {data_type} and shape {dims[:MAX_RANK]} differ. {_CURE}"
        )
    return Extent(offset, length, name)
