"""Reading ONNX's protobuf without the onnx package: strict, closed, one encoding only.

protobuf has a reader merge repeated fields, skip unknown ones and take any of several encodings; two readers of one
file may then see two graphs. Here every field is on a list with the one wire type it has, and whatever is not there,
repeats what stands once, or is written in a longer form than needed is refused. The field numbers are those of
onnx.proto for IR version 14.
"""

from __future__ import annotations

from typing import Any, Literal

from hyrax_runtime.errors import OperatorError, ProtobufError
from hyrax_runtime.frozen import Frozen

MAX_DEPTH = 64
MAX_FIELDS = 4_000_000
Kind = Literal["int", "bytes", "fixed32", "fixed64", "refused"]
Message = dict[str, Any]
_WIRE_TYPE = {"int": 0, "fixed64": 1, "bytes": 2, "refused": 2, "fixed32": 5}


class Field(Frozen):
    """One field of a message; `of` names the message that it holds, `once` the group of which one member may stand."""

    name: str
    kind: Kind
    once: str | None
    of: str | None


def _table(*rows: str) -> dict[int, Field]:
    """`number name kind[*]` or `number name Message[*]`, with `*` for repeated and `|group` for a oneof, by tag."""
    table: dict[int, Field] = {}
    for row in rows:
        number, name, kind = row.split()
        kind, _, group = kind.partition("|")
        repeated, kind = kind.endswith("*"), kind.rstrip("*")
        of = kind if kind[0].isupper() else None
        once = None if repeated else group or name
        wire = "bytes" if of else kind
        field = Field(name, wire, once, of)  # type: ignore[arg-type]  # the rows below hold no other kinds
        table[int(number) << 3 | _WIRE_TYPE[wire]] = field
        if repeated and kind in ("int", "fixed32", "fixed64"):  # may be packed as well
            table[int(number) << 3 | 2] = Field(f"packed_{name}", "bytes", None, None)
    return table


MESSAGES: dict[str, dict[int, Field]] = {
    "Model": _table(
        "1 ir_version int", "8 opset_import OpsetId*", "2 producer_name bytes", "3 producer_version bytes",
        "4 domain bytes", "5 model_version int", "6 doc_string bytes", "7 graph Graph", "14 metadata_props Entry*",
        "20 training_info refused*", "25 functions refused*", "26 configuration refused*",
    ),
    "OpsetId": _table("1 domain bytes", "2 version int"),
    "Entry": _table("1 key bytes", "2 value bytes"),
    "Graph": _table(
        "1 node Node*", "2 name bytes", "5 initializer Tensor*", "10 doc_string bytes", "11 input Value*",
        "12 output Value*", "13 value_info Value*", "14 quantization_annotation Annotation*",
        "15 sparse_initializer refused*", "16 metadata_props Entry*",
    ),
    "Annotation": _table("1 tensor_name bytes", "2 quant_parameter_tensor_names Entry*"),
    "Node": _table(
        "1 input bytes*", "2 output bytes*", "3 name bytes", "4 op_type bytes", "5 attribute Attribute*",
        "6 doc_string bytes", "7 domain bytes", "8 overload refused", "9 metadata_props Entry*",
        "10 device_configurations refused*",
    ),
    "Attribute": _table(
        "1 name bytes", "21 ref_attr_name refused", "13 doc_string bytes", "20 type int", "2 f fixed32", "3 i int",
        "4 s bytes", "5 t Tensor", "6 g Graph", "22 sparse_tensor refused", "14 tp Type", "7 floats fixed32*",
        "8 ints int*", "9 strings bytes*", "10 tensors Tensor*", "11 graphs Graph*", "23 sparse_tensors refused*",
        "15 type_protos Type*",
    ),
    "Tensor": _table(
        "1 dims int*", "2 data_type int", "3 segment refused", "4 float_data fixed32*", "5 int32_data int*",
        "6 string_data bytes*", "7 int64_data int*", "8 name bytes", "12 doc_string bytes", "9 raw_data bytes",
        "13 external_data Entry*", "14 data_location int", "10 double_data fixed64*", "11 uint64_data int*",
        "16 metadata_props Entry*",
    ),
    "Value": _table("1 name bytes", "2 type Type", "3 doc_string bytes", "4 metadata_props Entry*"),
    "Type": _table(
        "1 tensor_type TensorType|value", "4 sequence_type ElementType|value", "5 map_type MapType|value",
        "9 optional_type ElementType|value", "8 sparse_tensor_type refused", "7 opaque_type refused",
        "6 denotation bytes",
    ),
    "TensorType": _table("1 elem_type int", "2 shape Shape"),
    "ElementType": _table("1 elem_type Type"),
    "MapType": _table("1 key_type int", "2 value_type Type"),
    "Shape": _table("1 dim Dim*"),
    "Dim": _table("1 dim_value int|value", "2 dim_param bytes|value", "3 denotation bytes"),
}  # fmt: skip


class MessageReader:
    """Reads messages of one buffer; `where` names it in errors.

    A message becomes a dict of its fields: integers as unsigned 64-bit values, floats and text as bytes, messages as
    dicts, repeated fields as lists.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self._data = data
        self._where = where
        self._left = MAX_FIELDS

    def read_model(self) -> Message:
        """The whole buffer as a model.

        Raises
        ------
        ProtobufError
            It is not the one plain encoding of a model.
        OperatorError
            It holds a part of ONNX that no graph of a bundle may have, such as functions.
        """
        return self._read("Model", 0, len(self._data), 1)

    def _read(self, name: str, at: int, end: int, depth: int) -> Message:
        """The message `name` between two positions. Varints of one byte, nearly all there are, are read in place."""
        if depth > MAX_DEPTH:
            raise self._fault(at, f"nested deeper than {MAX_DEPTH}")
        data, table = self._data, MESSAGES[name]
        message: Message = {}
        seen: set[str] = set()
        while at < end:
            start = at
            tag = data[at]
            at += 1
            if tag >= 128:
                tag, at = self._varint(start, end)
            field = table.get(tag)
            if field is None:
                raise self._fault(start, f"field {tag >> 3} of wire type {tag & 7} is no field of {name}")
            if field.once is not None:
                if field.once in seen:
                    raise self._fault(start, f"{name}.{field.once} stands twice")
                seen.add(field.once)
            value: Any
            kind = field.kind
            if kind in ("bytes", "int"):
                if at < end and data[at] < 128:
                    value = data[at]
                    at += 1
                else:
                    value, at = self._varint(at, end)
            if kind == "bytes":
                stop = at + value
                if stop > end:
                    raise self._fault(start, f"{name}.{field.name} runs past its message")
                value = data[at:stop] if field.of is None else self._read(field.of, at, stop, depth + 1)
                at = stop
            elif kind == "refused":
                raise OperatorError(f"{self._where}: {name}.{field.name} is no part of a bundle's graph; {_CURE}")
            elif kind != "int":
                stop = at + (4 if kind == "fixed32" else 8)
                if stop > end:
                    raise self._fault(start, f"{name}.{field.name} runs past its message")
                value, at = data[at:stop], stop
            if field.once is None:
                message.setdefault(field.name, []).append(value)
            else:
                message[field.name] = value
            self._left -= 1
        if self._left < 0:
            raise self._fault(at, f"more than {MAX_FIELDS} fields")
        return message

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """A varint of at most 64 bits in its shortest form, and where it ends."""
        start, value, shift = at, 0, 0
        while at < end:
            byte = self._data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                if value >> 64 or (byte == 0 and at - start > 1):
                    break
                return value, at
            shift += 7
            if shift > 63:
                break
        raise self._fault(start, "no varint of at most 64 bits in its shortest form")

    def _fault(self, at: int, what: str) -> ProtobufError:
        return ProtobufError(f"{self._where}: byte {at}: {what}; expected the plain protobuf of an ONNX model. {_CURE}")


_CURE = "Export the bundle again with hyrax-pack 1.x"


def integers(message: Message, name: str, where: str) -> list[int]:
    """A repeated integer field, packed or not. Raises ProtobufError for a broken pack."""
    values: list[int] = list(message.get(name, ()))
    for pack in message.get(f"packed_{name}", ()):
        reader, at = MessageReader(pack, f"{where} {name}"), 0
        while at < len(pack):
            value, at = reader._varint(at, len(pack))
            values.append(value)
    return values


def name_of(message: Message, where: str, key: str = "name") -> str:
    """The name of a tensor, input, output or dimension. Raises ProtobufError where it is no UTF-8."""
    data: bytes = message.get(key, b"")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtobufError(f"{where}: the name {text_of(data)[:80]!r} is no UTF-8. {_CURE}") from error


def text_of(data: bytes) -> str:
    """Bytes for a message, or for comparison with the names of a closed list."""
    return data.decode("utf-8", "backslashreplace")
