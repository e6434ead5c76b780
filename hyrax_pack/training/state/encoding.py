"""A value that training changes, as plain values and tensors that say their kind, and back.

What is written can be read by torch.load(weights_only=True), which executes nothing. What stands there now is filled in
place: others may hold the same list, tensor or object. What is held twice comes back as one thing held twice, and the
model's own parameters and layers stand in lists and dicts by their names.

    encoded                                        value
    number, text, bytes, None, dtype               itself
    [kind, number, content, ...]                   something that can be shared, under a number of its own
    ["again", number]                              the same thing once more
    ["own", "parameter", "head.weight"]            a part of the model
    ["code", module, name]                         a function or a class
    ["same"]                                       whatever stands there: a lambda, a path, a logger
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from hyrax_pack.training.state.generators import GENERATORS
from hyrax_pack.training.state.modules import attributes_of, buffers_outside
from hyrax_pack.training.state.plain_objects import (
    BOUND,
    CODE,
    bound_to,
    inner_name,
    is_stateless,
    name_of_code,
    object_state,
)

Encoded = Any

_DEEPEST = 50
_ATOMS = (bool, int, float, str, bytes)
DEVICE = re.compile(r"(cpu|mps|xpu|cuda)(:\d+)?")
_SEQUENCES: dict[type, str] = {
    list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", deque: "deque", torch.Size: "size",
}  # fmt: skip


class Unsaved(Exception):  # noqa: N818 - a verdict on one value
    """A value of a kind that a checkpoint cannot hold."""


@dataclass(frozen=True)
class Own:
    """The parts of a model, by name: what stands for them elsewhere is the name and not the content.

    Attributes
    ----------
    parts : mapping
        `parameter` and `module` to name to part; buffers count as parameters.
    device : torch.device or None
        Where tensors go that were on an accelerator.
    """

    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    device: torch.device | None = None

    @classmethod
    def of(cls, model: nn.Module) -> Own:
        """The parts of `model`."""
        tensors = dict(model.named_parameters(remove_duplicate=False)) | dict(
            model.named_buffers(remove_duplicate=False)
        )
        modules = dict(model.named_modules(remove_duplicate=False))
        device = next((tensor.device for tensor in tensors.values()), None)
        return cls({"parameter": tensors, "module": modules}, device)

    def references(self) -> dict[int, tuple[str, str]]:
        """Kind and name of every part, by its id."""
        return {id(part): (kind, name) for kind, parts in self.parts.items() for name, part in parts.items()}


def encode(value: Any, own: Own | None = None) -> Encoded:
    """Encode one value on its own; see `Encoder`."""
    return Encoder(own or Own()).encode(value)


class Encoder:
    """Encodes values that may share parts with one another."""

    def __init__(self, own: Own) -> None:
        self._own = own.references()
        self._numbers: dict[int, tuple[int, Any]] = {}  # with the value, or its id might be given to another
        self._next = self._depth = 0
        # What a module that stands in a list holds, and no checkpoint can.
        self.unsaved_inside: list[str] = []

    def encode(self, value: Any) -> Encoded:
        """Encode one value.

        Raises
        ------
        Unsaved
            The value, or one inside it, is of a kind that a checkpoint cannot hold.
        """
        if isinstance(value, torch.device) or (type(value) is str and DEVICE.fullmatch(value)):
            return ["device", str(value), isinstance(value, str)]
        if value is None or type(value) in _ATOMS or isinstance(value, torch.dtype):
            return value
        if id(value) in self._own:
            return ["own", *self._own[id(value)]]
        if id(value) in self._numbers:
            return ["again", self._numbers[id(value)][0]]
        if is_stateless(value):
            named = name_of_code(value) if isinstance(value, CODE) else None
            return ["same"] if named is None else ["code", *named]
        known = dict(self._numbers)
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                raise Unsaved("nested too deeply")
            return self._encode_whole(value)
        except Unsaved:
            self._numbers = known  # nobody may refer to a part of what is not there
            raise
        finally:
            self._depth -= 1

    def _encode_whole(self, value: Any) -> Encoded:
        if isinstance(value, np.generic):
            return ["scalar", *_array_content(value)]
        if isinstance(value, Enum):
            plain = value.name if value.name is not None else ["value", self.encode(value.value)]
            return ["enum", type(value).__module__, type(value).__qualname__, plain]
        if type(value) is complex:
            return ["complex", value.real, value.imag]
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            items = [self.encode(item) for item in value]
            return ["namedtuple", type(value).__module__, type(value).__qualname__, items]
        number = self._number(value)
        for kind, matches, content in self._kinds():
            if matches(value):
                return [kind if isinstance(kind, str) else kind(value), number, *content(value)]
        raise Unsaved(f"holds {type(value).__module__}.{type(value).__qualname__}")

    def _number(self, value: Any) -> int:
        self._numbers[id(value)] = (self._next, value)
        self._next += 1
        return self._next - 1

    def _kinds(self) -> Iterator[tuple[str | Callable[[Any], str], Callable[[Any], bool], Callable[[Any], list[Any]]]]:
        """Kind, whether a value is of it, and what stands behind its number."""
        yield "tensor", lambda value: isinstance(value, torch.Tensor), self._tensor
        yield "array", lambda value: isinstance(value, np.ndarray), _array_content
        yield lambda value: _SEQUENCES[type(value)], lambda value: type(value) in _SEQUENCES, self._items
        yield "dict", lambda value: isinstance(value, dict), self._pairs
        yield "bound", lambda value: isinstance(value, BOUND), self._bound
        yield "optimizer", lambda value: isinstance(value, Optimizer), self._optimizer
        yield "module", lambda value: isinstance(value, nn.Module), self._module
        yield "state", has_state, lambda value: [self.encode(dict(value.state_dict()))]
        for name, kind, read, _write in GENERATORS:
            yield name, _is_a(kind), lambda value, read=read: [self.encode(read(value))]  # type: ignore[misc]
        yield "object", lambda value: object_state(value) is not None, self._object

    def _tensor(self, value: torch.Tensor) -> list[Any]:
        gradient = value.grad if value.is_leaf else None
        flags = [value.requires_grad and value.is_leaf, isinstance(value, nn.Parameter), value.device.type != "cpu"]
        return [value.detach(), gradient, *flags]

    def _items(self, value: Any) -> list[Any]:
        return [[self.encode(item) for item in value], value.maxlen if isinstance(value, deque) else None]

    def _pairs(self, value: dict[Any, Any]) -> list[Any]:
        pairs = [[self.encode(key), self.encode(item)] for key, item in value.items()]
        factory = getattr(value, "default_factory", None)
        return [type(value).__name__, getattr(factory, "__name__", None), pairs]

    def _object(self, value: Any) -> list[Any]:
        pairs = [[name, self.encode(item)] for name, item in (object_state(value) or {}).items()]
        return [type(value).__module__, type(value).__qualname__, pairs]

    def _bound(self, value: Any) -> list[Any]:
        name = getattr(value, "__name__", None) or inner_name(value)
        return [name, [self.encode(item) for item in bound_to(value)]]

    def _module(self, value: nn.Module) -> list[Any]:
        """A module that is no part of the model, as one in a list: its state_dict, and what stands beside that."""
        attributes = []
        for path, _module, _name, item in attributes_of(value):
            try:
                attributes.append([path, self.encode(item)])
            except Unsaved as verdict:
                self.unsaved_inside.append(f"{type(value).__name__}.{path} ({verdict})")
        named = list(value.named_parameters())
        beside = {
            "buffers": buffers_outside(value),
            "gradients": {name: one.grad for name, one in named if one.grad is not None},
            "frozen": [name for name, one in named if not one.requires_grad],
            "modes": [name for name, module in value.named_modules() if not module.training],
        }
        return [self.encode(dict(value.state_dict())), attributes, self.encode(beside)]

    def _optimizer(self, value: Optimizer) -> list[Any]:
        """Its state, and the names of each group's parameters: a group may have been added since it was made."""
        groups = [[self._own.get(id(one), ("", ""))[1] for one in group["params"]] for group in value.param_groups]
        return [self.encode(value.state_dict()), groups]


def has_state(value: Any) -> bool:
    """Whether a value has a state_dict to read and to load."""
    return callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None))


def same_encoding(one: Encoded, other: Encoded) -> bool:
    """Whether two encoded values are equal to the bit."""
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
            return False
        return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_encoding, one, other))
    return type(one) is type(other) and bool(one == other or one != one)


def size_bytes(encoded: Encoded) -> int:
    """About how many bytes an encoded value takes."""
    if isinstance(encoded, torch.Tensor):
        return encoded.numel() * encoded.element_size()
    if isinstance(encoded, list):
        return sum(map(size_bytes, encoded)) + 8
    return len(encoded) if isinstance(encoded, str | bytes) else 8


def _is_a(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _array_content(value: np.ndarray[Any, Any] | np.generic) -> list[Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "biufcSUmM":
        raise Unsaved(f"holds a numpy array of {array.dtype}")
    raw = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8).copy()
    return [torch.from_numpy(raw), array.dtype.str, list(array.shape)]
