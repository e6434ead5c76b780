"""Everything of a model that training changes, as plain values and tensors, and back.

Weights and buffers are in its state_dict. Optimizers, schedulers, gradient scalers and averages of weights have a
state_dict of their own, under whatever attribute the class keeps them. Counters, histories and generators are plain
attributes. All of it is needed for a run that goes on to be the run that was never stopped; what is written can be
read back by torch.load(weights_only=True), which executes nothing.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

# Attributes that torch itself keeps on every module.
_OF_TORCH = frozenset(vars(nn.Module()))
_DEEPEST = 12

Encoded = Any


class Unsaved(Exception):  # noqa: N818 - a verdict on one value
    """A value of a kind that a checkpoint cannot hold."""


def capture_state(model: nn.Module) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The state of `model`, and what of it a checkpoint cannot hold.

    Returns
    -------
    state : dict
        `weights` (the state_dict), `buffers` (those outside it), `attributes` (dotted path -> encoded value).
    unsaved : tuple of str
        Objects with a state_dict whose state holds a kind of value that cannot be saved: they start afresh on resume.
    """
    attributes, unsaved = capture_attributes(model)
    kept = model.state_dict()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name not in kept}
    return {"weights": kept, "buffers": buffers, "attributes": attributes}, unsaved


def capture_attributes(
    model: nn.Module, *, without: type | tuple[()] = ()
) -> tuple[dict[str, Encoded], tuple[str, ...]]:
    """The attributes alone, all but weights and buffers; and of these, all but instances of `without`."""
    attributes: dict[str, Encoded] = {}
    unsaved = []
    for path, _module, _name, value in _attributes(model):
        if isinstance(value, without):
            continue
        try:
            attributes[path] = encode(value)
        except Unsaved as verdict:
            if _has_state(value):
                unsaved.append(f"{path} ({verdict})")
    return attributes, tuple(unsaved)


def restore_state(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Put `state` into `model` and the objects on it."""
    model.load_state_dict(state["weights"])
    buffers = dict(model.named_buffers())
    with torch.no_grad():
        for name, buffer in state["buffers"].items():
            buffers[name].copy_(buffer)
    restore_attributes(model, state["attributes"])


def restore_attributes(model: nn.Module, attributes: Mapping[str, Encoded]) -> None:
    """Put the attributes alone back."""
    current = {path: (module, name, value) for path, module, name, value in _attributes(model)}
    modules = dict(model.named_modules())
    for path, encoded in attributes.items():
        owner, _, attribute = path.rpartition(".")
        if owner not in modules:
            continue
        module, name, value = current.get(path, (modules[owner], attribute, None))
        restored = decode(encoded, value)
        if restored is not value:
            setattr(module, name, restored)


def _attributes(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, Any]]:
    """Dotted path, owner, name and value of every attribute that a user's class may have made."""
    for prefix, module in model.named_modules():
        if type(module).__module__.split(".", 1)[0] == "torch":
            continue  # a layer of torch keeps what training changes in its state_dict
        for name, value in list(vars(module).items()):
            if name not in _OF_TORCH:
                yield f"{prefix}.{name}" if prefix else name, module, name, value


def _has_state(value: Any) -> bool:
    return callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None))


def encode(value: Any, depth: int = 0) -> Encoded:
    """A plain value that says its kind: ["list", [...]], ["state", {...}]; atoms and tensors stand for themselves.

    Raises
    ------
    Unsaved
        The value, or one inside it, is of a kind that a checkpoint cannot hold.
    """
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, torch.Tensor | torch.dtype | torch.device):
        return value.detach() if isinstance(value, torch.Tensor) else value
    if depth > _DEEPEST:
        raise Unsaved("nested too deeply")
    if isinstance(value, np.ndarray | np.generic):
        return _encode_array(value)
    if type(value) in _SEQUENCES:
        items = [encode(item, depth + 1) for item in value]
        return [_SEQUENCES[type(value)], items, value.maxlen if isinstance(value, deque) else None]
    if isinstance(value, dict):
        pairs = [[encode(key, depth + 1), encode(item, depth + 1)] for key, item in value.items()]
        return ["dict", pairs]
    if _has_state(value):
        return ["state", encode(dict(value.state_dict()), depth + 1)]
    for name, kind, read, _write in _GENERATORS:
        if isinstance(value, kind):
            return [name, encode(read(value), depth + 1)]
    raise Unsaved(f"holds {type(value).__module__}.{type(value).__qualname__}")


def decode(encoded: Encoded, current: Any) -> Any:
    """The value; `current`, the one that stands there now, is filled where it has a state or identity of its own."""
    if not isinstance(encoded, list):
        return encoded
    kind, *content = encoded
    if kind == "array":
        return _decode_array(*content)
    if kind == "dict":
        return _decode_dict(content[0], current)
    if kind == "state":
        if _has_state(current):
            current.load_state_dict(decode(content[0], None))
        return current
    for name, of_kind, _read, write in _GENERATORS:
        if kind == name:
            if isinstance(current, of_kind):
                write(current, decode(content[0], None))
            return current
    return _decode_sequence(kind, content[0], content[1], current)


def _encode_array(value: np.ndarray[Any, Any] | np.generic) -> Encoded:
    array = np.asarray(value)
    if array.dtype.kind not in "biufcSU":
        raise Unsaved(f"holds a numpy array of {array.dtype}")
    raw = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8).copy()
    return ["array", torch.from_numpy(raw), array.dtype.str, list(array.shape), isinstance(value, np.generic)]


def _decode_array(raw: torch.Tensor, dtype: str, shape: list[int], scalar: bool) -> Any:
    array = np.frombuffer(raw.numpy().tobytes(), np.dtype(dtype)).reshape(shape).copy()
    return array[()] if scalar else array


def _decode_dict(pairs: list[list[Encoded]], current: Any) -> dict[Any, Any]:
    now = current if isinstance(current, dict) else {}
    decoded = {}
    for key, item in pairs:
        name = decode(key, None)
        decoded[name] = decode(item, now.get(name))
    if isinstance(current, dict):  # a defaultdict, or a dict that others hold too
        current.clear()
        current.update(decoded)
        return current
    return decoded


def _decode_sequence(kind: str, items: list[Encoded], longest: int | None, current: Any) -> Any:
    now = list(current) if type(current) in _SEQUENCES else []
    now += [None] * (len(items) - len(now))
    decoded = [decode(item, there) for item, there in zip(items, now, strict=False)]
    if kind == "list" and type(current) is list:
        current[:] = decoded
        return current
    if kind == "deque":
        return deque(decoded, longest)
    return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](decoded)


_SEQUENCES: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", deque: "deque"}


def _write_legacy(generator: np.random.RandomState, state: dict[str, Any]) -> None:
    generator.set_state(state)


def _write_numpy(generator: np.random.Generator, state: dict[str, Any]) -> None:
    generator.bit_generator.state = state


# Name in the checkpoint, class, how to read its state, how to put it back.
_GENERATORS: tuple[tuple[str, type, Callable[[Any], Any], Callable[[Any, Any], None]], ...] = (
    ("torch.Generator", torch.Generator, lambda one: one.get_state(), lambda one, state: one.set_state(state)),
    ("numpy.Generator", np.random.Generator, lambda one: one.bit_generator.state, _write_numpy),
    ("numpy.RandomState", np.random.RandomState, lambda one: one.get_state(legacy=False), _write_legacy),
    ("random.Random", random.Random, lambda one: one.getstate(), lambda one, state: one.setstate(state)),
)
GENERATOR_CLASSES: tuple[type, ...] = tuple(kind for _, kind, _, _ in _GENERATORS)
