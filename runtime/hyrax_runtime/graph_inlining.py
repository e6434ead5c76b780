"""A graph with its weights inside, for runtimes that take one `model.onnx` and nothing else.

Works on graphs that the gate let through: their protobuf has one plain encoding, and only initializers of the main
graph stand outside. Every other byte is copied as it is; no weight is copied in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from hyrax_runtime.errors import UnpackError

LARGEST_PROTOBUF = (1 << 31) - 1
_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_TENSOR_RAW_DATA, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 9, 13, 14
Buffers = list[bytes | memoryview]


def inline_weights(graph: bytes, weights: memoryview | None, where: str) -> Buffers:
    """The model `graph` with each external tensor's bytes in its place, as buffers to be written one after another.

    Parameters
    ----------
    graph : bytes
        A model that `read_graph` accepted.
    weights : memoryview or None
        weights.bin; None where the bundle has none, and so no graph of it has external tensors.
    where : str
        The graph's name in the message.

    Raises
    ------
    UnpackError
        The result is over 2 GiB, which protobuf cannot say.
    """
    out: Buffers = []
    for number, start, value_at, end in _fields(graph, 0, len(graph)):
        if number == _MODEL_GRAPH:
            out += _block(_MODEL_GRAPH, _inline_graph(graph, value_at, end, weights))
        else:
            out.append(graph[start:end])
    size = sum(map(len, out))
    if size > LARGEST_PROTOBUF:
        raise UnpackError(
            f"{where}: {size} bytes with its weights inside, and protobuf ends at {LARGEST_PROTOBUF}; "
            f"unpack without --inline: model.onnx then finds weights.bin beside it"
        )
    return out


def _inline_graph(data: bytes, start: int, end: int, weights: memoryview | None) -> Buffers:
    out: Buffers = []
    for number, field_at, value_at, stop in _fields(data, start, end):
        if number == _GRAPH_INITIALIZER:
            out += _block(_GRAPH_INITIALIZER, _inline_tensor(data, value_at, stop, weights))
        else:
            out.append(data[field_at:stop])
    return out


def _inline_tensor(data: bytes, start: int, end: int, weights: memoryview | None) -> Buffers:
    """A tensor without its external entries, and with the bytes that they name."""
    out: Buffers = []
    entries: dict[bytes, bytes] = {}
    for number, field_at, value_at, stop in _fields(data, start, end):
        if number == _TENSOR_EXTERNAL_DATA:
            pair = {key: data[at:after] for key, _, at, after in _fields(data, value_at, stop)}
            entries[pair[1]] = pair[2]
        elif number != _TENSOR_DATA_LOCATION:
            out.append(data[field_at:stop])
    if entries and weights is not None:
        offset, length = int(entries[b"offset"]), int(entries[b"length"])
        out += _block(_TENSOR_RAW_DATA, [weights[offset : offset + length]])
    return out


def _block(number: int, content: Buffers) -> Buffers:
    """A length-delimited field."""
    return [_varint(number << 3 | 2) + _varint(sum(map(len, content))), *content]


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, start, start of the value and end of each field of a message."""
    while at < end:
        start = at
        tag, at = _read_varint(data, at)
        value_at = at
        wire = tag & 7
        if wire == 0:
            _, at = _read_varint(data, at)
        elif wire == 2:
            length, value_at = _read_varint(data, at)
            at = value_at + length
        else:
            at += 8 if wire == 1 else 4
        yield tag >> 3, start, value_at, at


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
