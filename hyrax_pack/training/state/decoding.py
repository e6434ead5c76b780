"""What `encoding` wrote down, back where it was: what stands there now is filled in place."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from hyrax_pack.run.weights import settle_lazy
from hyrax_pack.training.state.encoding import DEVICE, Encoded, Own, has_state
from hyrax_pack.training.state.generators import GENERATORS
from hyrax_pack.training.state.modules import attributes_of, fill_buffers
from hyrax_pack.training.state.plain_objects import (
    BOUND,
    bound_to,
    fill_object,
    find_class,
    find_code,
    inner_name,
    new_object,
    object_state,
    refill,
)

_FACTORIES = {"list": list, "dict": dict, "set": set, "int": int, "float": float}


class Lost(Exception):  # noqa: N818 - a verdict on one value
    """A value that cannot be put back: what it belongs to is not there."""


def decode(encoded: Encoded, current: Any, own: Own | None = None) -> Any:
    """Decode one value on its own; see `Decoder`."""
    return Decoder(own or Own()).decode(encoded, current)


class Decoder:
    """Decodes what one encoder gave, in the same order."""

    def __init__(self, own: Own) -> None:
        self._own = own
        self._decoded: dict[int, Any] = {}
        self._filled: dict[int, Any] = {}

    def decode(self, encoded: Encoded, current: Any) -> Any:
        """Give the value; `current`, the one that stands there now, is filled with it where it can be.

        Raises
        ------
        Lost
            What the value belongs to is not there.
        """
        if not isinstance(encoded, list):
            return encoded
        kind, *content = encoded
        if kind in _READ_PLAIN:
            return _READ_PLAIN[kind](self, content, current)
        number, *content = content
        there = current if id(current) not in self._filled else None
        if there is not None:
            self._filled[id(there)] = there
        value = self._decode_whole(kind, number, content, there, current)
        self._decoded[number] = value
        return value

    def _decode_whole(self, kind: str, number: int, content: list[Any], there: Any, current: Any) -> Any:
        if kind == "tensor":
            return self._tensor(content, there)
        if kind == "array":
            return _fill_array(_read_array(*content), there)
        if kind == "dict":
            return self._dict(number, content, there, current)
        if kind == "object":
            return self._object(number, content, there)
        if kind == "bound":
            return self._bound(content, current)
        if kind == "module":
            return self._module(content, current)
        if kind in ("state", "optimizer"):
            return self._state(kind, content, current)
        for name, of_kind, _read, write in GENERATORS:
            if kind == name:
                if not isinstance(current, of_kind):
                    raise Lost(f"a {name} that was made after __init__; make it there")
                write(current, self.decode(content[0], None))
                return current
        return self._sequence(kind, number, content, there, current)

    def _tensor(self, content: list[Any], there: Any) -> torch.Tensor:
        value, gradient, requires_grad, is_parameter, on_device = content
        fits = isinstance(there, torch.Tensor) and (there.shape, there.dtype) == (value.shape, value.dtype)
        if fits and there.is_leaf:
            with torch.no_grad():
                there.copy_(value)
            tensor: torch.Tensor = there
        else:
            device = there.device if isinstance(there, torch.Tensor) else self._own.device if on_device else None
            moved = value.to(device or "cpu", copy=True)
            tensor = nn.Parameter(moved, requires_grad) if is_parameter else moved
        if tensor.is_floating_point() or tensor.is_complex():
            tensor.requires_grad_(requires_grad)
        tensor.grad = None if gradient is None else gradient.to(tensor.device, copy=True)
        return tensor

    def _sequence(self, kind: str, number: int, content: list[Any], there: Any, current: Any) -> Any:
        items, longest = content
        made = _NEW[kind](longest)
        target = there if type(there) is type(made) and getattr(there, "maxlen", longest) == longest else made
        now = list(current) if type(current) is type(made) and kind in ("list", "tuple", "deque", "size") else []
        now += [None] * (len(items) - len(now))
        if kind in ("list", "set", "deque"):
            self._decoded[number] = target  # it may hold itself
        decoded = [self.decode(item, one) for item, one in zip(items, now, strict=False)]
        if kind in ("tuple", "frozenset", "size"):
            return type(made)(decoded)
        refill(target, decoded)
        return target

    def _dict(self, number: int, content: list[Any], there: Any, current: Any) -> dict[Any, Any]:
        cls, factory, pairs = content
        target = there if isinstance(there, dict) else _new_dict(cls, factory, current)
        self._decoded[number] = target
        now = dict(current) if isinstance(current, dict) else {}
        refill(target, [(key := self.decode(name, None), self.decode(item, _known(now, key))) for name, item in pairs])
        return target

    def _object(self, number: int, content: list[Any], there: Any) -> Any:
        module, name, pairs = content
        cls = find_class(module, name, type(there))
        if cls is None:
            raise Lost(f"an object of {module}.{name}, which is not there")
        target = there if type(there) is cls else new_object(cls)
        self._decoded[number] = target
        now = object_state(target) or {}
        fill_object(target, {name: self.decode(item, now.get(name)) for name, item in pairs})
        return target

    def _bound(self, content: list[Any], current: Any) -> Any:
        name, targets = content
        now = bound_to(current) if isinstance(current, BOUND) else []
        now += [None] * (len(targets) - len(now))
        decoded = [self.decode(target, one) for target, one in zip(targets, now, strict=False)]
        if isinstance(current, BOUND) and name in (getattr(current, "__name__", None), inner_name(current)):
            return current
        if len(decoded) == 1 and callable(getattr(decoded[0], name, None)):
            return getattr(decoded[0], name)
        raise Lost(f"the function {name} that stood there")

    def _state(self, kind: str, content: list[Any], current: Any) -> Any:
        if not has_state(current):
            raise Lost("something with a state_dict that was made after __init__; make it there")
        if kind == "optimizer":
            self._add_groups(current, content[1])
        current.load_state_dict(self.decode(content[0], dict(current.state_dict())))
        return current

    def _module(self, content: list[Any], current: Any) -> nn.Module:
        if not isinstance(current, nn.Module):
            raise Lost("a module that was made after __init__; make it there")
        state, attributes, beside = content
        current.load_state_dict(self.decode(state, dict(current.state_dict())))
        settle_lazy(current)
        now = {path: value for path, _, _, value in attributes_of(current)}
        modules = dict(current.named_modules())
        for path, encoded in attributes:
            owner, _, name = path.rpartition(".")
            restored = self.decode(encoded, now.get(path))
            if owner in modules and restored is not now.get(path, self):
                setattr(modules[owner], name, restored)
        found = self.decode(beside, None)
        fill_buffers(current, found["buffers"])
        for name, parameter in current.named_parameters():
            gradient = found["gradients"].get(name)
            parameter.requires_grad_(name not in found["frozen"])
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
        for name, module in modules.items():
            module.training = name not in found["modes"]
        return current

    def _add_groups(self, optimizer: Any, groups: list[list[str]]) -> None:
        parameters = self._own.parts.get("parameter", {})
        for names in groups[len(optimizer.param_groups) :]:
            if not all(name in parameters for name in names):
                raise Lost("an optimizer with a group of tensors that are no parameters of the model")
            optimizer.add_param_group({"params": [parameters[name] for name in names]})

    def again(self, content: list[Any], _current: Any) -> Any:
        """What was decoded before."""
        if content[0] not in self._decoded:
            raise Lost("it shares a part with something that could not be put back")
        return self._decoded[content[0]]

    def own(self, content: list[Any], _current: Any) -> Any:
        """A part of the model."""
        kind, name = content
        try:
            return self._own.parts[kind][name]
        except KeyError as error:
            raise Lost(f"the model has no {kind} {name} now") from error

    def enum(self, content: list[Any], current: Any) -> Any:
        """A member of an Enum."""
        module, name, plain = content
        cls: Any = find_class(module, name, type(current))
        if cls is None:
            raise Lost(f"a member of {module}.{name}, which is not there")
        return cls(self.decode(plain[1], None)) if isinstance(plain, list) else cls[plain]

    def namedtuple(self, content: list[Any], current: Any) -> Any:
        """A named tuple."""
        module, name, items = content
        cls: Any = find_class(module, name, type(current))
        if cls is None:
            raise Lost(f"a {module}.{name}, which is not there")
        now = [*current] if type(current) is cls else [None] * len(items)
        return cls(*[self.decode(item, one) for item, one in zip(items, now, strict=True)])


def _code(content: list[Any], current: Any) -> Any:
    module, name = content
    if getattr(current, "__qualname__", None) == name:
        return current
    found = find_code(module, name)
    if found is None:
        raise Lost(f"{module}.{name}, which is not there")
    return found


def _device(content: list[Any], current: Any) -> Any:
    """Where something is now stays as it is: a run may go on elsewhere."""
    text, as_text = content
    if isinstance(current, torch.device) or (isinstance(current, str) and DEVICE.fullmatch(current)):
        return current
    return text if as_text else torch.device(text)


def _known(now: Mapping[Any, Any], key: Any) -> Any:
    try:
        return now.get(key)
    except TypeError:
        return None


def _new_dict(name: str, factory: str | None, current: Any) -> dict[Any, Any]:
    if name == "defaultdict":
        return defaultdict(_FACTORIES.get(factory or "") or getattr(current, "default_factory", None))
    return OrderedDict() if name == "OrderedDict" else Counter() if name == "Counter" else {}


def _read_array(raw: torch.Tensor, dtype: str, shape: list[int]) -> np.ndarray[Any, Any]:
    return np.frombuffer(raw.numpy().tobytes(), np.dtype(dtype)).reshape(shape).copy()


def _fill_array(array: np.ndarray[Any, Any], there: Any) -> np.ndarray[Any, Any]:
    fits = isinstance(there, np.ndarray) and (there.shape, there.dtype) == (array.shape, array.dtype)
    if not fits or not there.flags.writeable:
        return array
    there[...] = array
    return there  # type: ignore[no-any-return]


_NEW: dict[str, Callable[[int | None], Any]] = {
    "list": lambda _longest: [],
    "tuple": lambda _longest: (),
    "set": lambda _longest: set(),
    "frozenset": lambda _longest: frozenset(),
    "size": lambda _longest: torch.Size(),
    "deque": lambda longest: deque(maxlen=longest),
}
_READ_PLAIN: dict[str, Callable[[Decoder, list[Any], Any], Any]] = {
    "again": Decoder.again,
    "own": Decoder.own,
    "same": lambda _decoder, _content, current: current,
    "code": lambda _decoder, content, current: _code(content, current),
    "device": lambda _decoder, content, current: _device(content, current),
    "complex": lambda _decoder, content, _current: complex(*content),
    "enum": Decoder.enum,
    "namedtuple": Decoder.namedtuple,
    "scalar": lambda _decoder, content, _current: _read_array(*content)[()],
}
