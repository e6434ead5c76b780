"""ONNX models written byte by byte, so that these tests need no onnx package and can write what it never would."""

from __future__ import annotations

import struct

EXTERNAL = 1
FLOAT, INT64, STRING = 1, 7, 8


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def value_info(name: str, elem_type: int, *shape: int | str) -> bytes:
    dims = b"".join(block(1, number(1, dim) if isinstance(dim, int) else block(2, dim)) for dim in shape)
    return block(1, name) + block(2, block(1, number(1, elem_type) + block(2, dims)))


def entry(key: str, value: str) -> bytes:
    return block(1, key) + block(2, value)


def tensor(name: str, elem_type: int, shape: tuple[int, ...], rest: bytes) -> bytes:
    return b"".join(number(1, dim) for dim in shape) + number(2, elem_type) + block(8, name) + rest


def external(
    name: str,
    shape: tuple[int, ...],
    *pairs: tuple[str, str],
    elem_type: int = FLOAT,
    location: int = EXTERNAL,
    rest: bytes = b"",
) -> bytes:
    """A float tensor kept outside, by the entries given."""
    entries = b"".join(block(13, entry(key, value)) for key, value in pairs)
    return tensor(name, elem_type, shape, entries + number(14, location) + rest)


def in_weights(name: str, shape: tuple[int, ...], offset: int, length: int) -> bytes:
    return external(name, shape, ("location", "weights.bin"), ("offset", str(offset)), ("length", str(length)))


def floats(name: str, shape: tuple[int, ...], *values: float) -> bytes:
    return tensor(name, FLOAT, shape, block(9, struct.pack(f"<{len(values)}f", *values)))


def node(op_type: str, inputs: list[str], outputs: list[str], *attributes: bytes, domain: str | None = None) -> bytes:
    out = b"".join(block(1, name) for name in inputs) + b"".join(block(2, name) for name in outputs)
    out += block(4, op_type) + b"".join(block(5, attribute) for attribute in attributes)
    return out if domain is None else out + block(7, domain)


def attribute_tensor(name: str, content: bytes) -> bytes:
    return block(1, name) + block(5, content) + number(20, 4)


def attribute_graph(name: str, content: bytes) -> bytes:
    return block(1, name) + block(6, content) + number(20, 5)


def graph(
    nodes: list[bytes],
    inputs: list[bytes],
    outputs: list[bytes],
    initializers: list[bytes] = [],  # noqa: B006 - never changed
    rest: bytes = b"",
) -> bytes:
    out = b"".join(block(1, one) for one in nodes) + block(2, "g") + b"".join(block(5, one) for one in initializers)
    return out + b"".join(block(11, one) for one in inputs) + b"".join(block(12, one) for one in outputs) + rest


def model(
    content: bytes, *, ir_version: int = 10, opsets: tuple[tuple[str, int], ...] = (("", 21),), rest: bytes = b""
):
    imports = b"".join(block(8, (block(1, domain) if domain else b"") + number(2, v)) for domain, v in opsets)
    return number(1, ir_version) + block(7, content) + imports + rest
