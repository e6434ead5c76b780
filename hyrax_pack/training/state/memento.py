"""A model and everything it holds, as it is now, to be put back in place: nothing of it is replaced by a copy.

Validation by train_step, and the answers that a run records, may leave no trace. Whoever held a tensor, a list or an
object holds the same one afterwards, with what it held before.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from hyrax_pack.resolving.ownership import is_library
from hyrax_pack.training.state.decoding import decode
from hyrax_pack.training.state.encoding import Unsaved, encode
from hyrax_pack.training.state.generators import GENERATOR_CLASSES
from hyrax_pack.training.state.outside import Place, places_outside
from hyrax_pack.training.state.plain_objects import BOUND, bound_to, is_stateless, object_state, refill

# Objects of torch that are nothing but their attributes.
_OF_TORCH = ("torch.optim", "torch.amp", "torch.cuda.amp", "torch.nn", "torch.distributions")
# Objects that hold nothing of a model.
_TOOLS = (
    "torch.utils.hooks",
    "_thread",
    "threading",
    "_io",
    "io",
    "queue",
    "_queue",
    "socket",
    "multiprocessing",
    "weakref",
)
_ATOMS = (type(None), bool, int, float, complex, str, bytes, np.generic, torch.dtype, torch.device)


class Memento:
    """What `model` is at this moment.

    Parameters
    ----------
    model : nn.Module
    parameters : bool
        Whether the content of parameters is kept too; what runs without gradients does not change it.

    Attributes
    ----------
    beyond : list of str
        Paths of what could not be kept: iterators, and objects of libraries that nobody here can look into.
    optimizers : list of Optimizer
        Every optimizer that the model holds, wherever.
    """

    def __init__(self, model: nn.Module, *, parameters: bool = True) -> None:
        self.beyond: list[str] = []
        self.optimizers: list[Optimizer] = []
        self._undo: list[Callable[[], None]] = []
        self._seen: dict[int, Any] = {}
        self._home = type(model).__module__.partition(".")[0]
        self._gradients: list[tuple[torch.Tensor, torch.Tensor | None]] = []
        for parameter in model.parameters():
            self._keep_tensor(parameter, content=parameters)
        for place in places_outside(model):
            self._undo.append(_put_back(place, place.get()))
            self._visit(place.get(), place.path)
        self._visit(model, "")

    def hide_gradients(self) -> None:
        """Take the gradients away: what runs now neither sees them nor adds to them."""
        for tensor, _gradient in self._gradients:
            tensor.grad = None

    def put_gradients_back(self) -> None:
        """Give every tensor the gradient that it had."""
        for tensor, gradient in self._gradients:
            tensor.grad = gradient

    def put_back(self) -> None:
        """Make everything what it was."""
        for undo in self._undo:
            undo()
        self.put_gradients_back()

    def _visit(self, value: Any, path: str) -> None:
        if isinstance(value, _ATOMS) or id(value) in self._seen or is_stateless(value):
            return
        if isinstance(value, torch.Tensor):
            self._keep_tensor(value, content=True)
            return
        self._seen[id(value)] = value
        if isinstance(value, BOUND):
            self._keep_items(bound_to(value), path)
        elif isinstance(value, np.ndarray):
            self._keep_array(value)
        elif isinstance(value, GENERATOR_CLASSES):
            self._undo.append(_restored(value))
        elif isinstance(value, dict | list | set | deque | tuple | frozenset):
            self._keep_items(value, path)
        elif self._is_open(value):
            self._keep_attributes(value, path)
        else:
            self._keep_state(value, path)

    def _keep_tensor(self, tensor: torch.Tensor, *, content: bool) -> None:
        if id(tensor) in self._seen or nn.parameter.is_lazy(tensor):  # nothing is in it yet
            return
        self._seen[id(tensor)] = tensor
        if not tensor.is_leaf:  # a part of a graph: to write into it would break its backward pass
            return
        self._gradients.append((tensor, tensor.grad))
        kept = tensor.detach().clone() if content else None
        learns = tensor.requires_grad

        def undo() -> None:
            tensor.requires_grad_(learns)
            if kept is None or _is_same(tensor, kept):
                return
            if tensor.shape != kept.shape:
                tensor.data = kept
                return
            with torch.no_grad():
                tensor.copy_(kept)

        self._undo.append(undo)

    def _keep_array(self, array: np.ndarray[Any, Any]) -> None:
        if array.flags.writeable:
            kept = array.copy()
            self._undo.append(lambda: np.copyto(array, kept))

    def _keep_items(self, value: Any, path: str) -> None:
        items = list(value.items()) if isinstance(value, dict) else list(value)
        if not isinstance(value, tuple | frozenset):
            self._undo.append(lambda: refill(value, items))
        for key, item in items if isinstance(value, dict) else enumerate(items):
            if isinstance(value, dict):
                self._visit(key, path)
            self._visit(item, f"{path}[{key!r}]" if isinstance(key, str | int) else path)

    def _is_open(self, value: Any) -> bool:
        """Whether an object may be looked into: it is the user's, or one of torch's that training changes."""
        if isinstance(value, nn.Module):
            return True
        cls = type(value)
        of_torch = cls.__module__.startswith(_OF_TORCH)
        return object_state(value) is not None if not of_torch and not is_library(cls, self._home) else of_torch

    def _keep_attributes(self, value: Any, path: str) -> None:
        attributes = dict(vars(value)) if hasattr(value, "__dict__") else {}
        slots = {
            name: item for name, item in (object_state(value) or {}).items() if name not in attributes
        } if not isinstance(value, nn.Module) else {}  # fmt: skip

        def undo() -> None:
            vars(value).clear()
            vars(value).update(attributes)

        if hasattr(value, "__dict__"):
            self._undo.append(undo)
        for name, item in slots.items():
            self._undo.append(_set_slot(value, name, item))
        skipped: tuple[str, ...] = ()
        if isinstance(value, Optimizer):
            self.optimizers.append(value)
            skipped = ("state",)  # it will not step; its moments are twice the model
        for name, item in {**attributes, **slots}.items():
            if name not in skipped:
                self._visit(item, f"{path}.{name}" if path else name)

    def _keep_state(self, value: Any, path: str) -> None:
        """An object of a library: by its own state_dict, or not at all."""
        try:
            self._undo.append(_restored(value))
        except Unsaved:
            if not type(value).__module__.startswith(_TOOLS):
                self.beyond.append(f"{path} ({type(value).__module__}.{type(value).__qualname__})")


def _restored(value: Any) -> Callable[[], None]:
    kept = copy.deepcopy(encode(value))

    def undo() -> None:
        decode(kept, value)

    return undo


def _put_back(place: Place, value: Any) -> Callable[[], None]:
    def undo() -> None:
        if place.get() is not value:
            place.put(value)

    return undo


def _set_slot(owner: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: object.__setattr__(owner, name, value)


def _is_same(tensor: torch.Tensor, kept: torch.Tensor) -> bool:
    return tensor.shape == kept.shape and torch.equal(tensor, kept)
