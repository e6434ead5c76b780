"""`@hyrax_model`: check a class against the contract when it is decorated, and make its name known."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, TypeVar

from hyrax_pack.errors import ModelError, Problem
from hyrax_pack.model.hooks import FORWARD, HOOKS, INIT, TENSOR, Hook, find_hook, near_misses, own_attribute
from hyrax_pack.resolving import register_class

Cls = TypeVar("Cls", bound=type)


def hyrax_model(cls: Cls) -> Cls:
    """Make a `torch.nn.Module` subclass a model that can be trained, exported and named in a configuration.

    The class is returned as it is.

    Raises
    ------
    ModelError
        The class is no `torch.nn.Module`, lacks `__init__`, `forward` or `train_step`, has a `to_tensor` that is not
        static, or a method that looks like a misspelt hook. All of it at once.
    """
    check_class(cls)
    register_class(cls)
    return cls


def check_class(cls: Any) -> None:
    """Check a class against the contract, as the decorator does."""
    from torch import nn

    if not isinstance(cls, type):
        raise ModelError(f"@hyrax_model: {cls!r} is a {type(cls).__name__}; it decorates a class")
    if not issubclass(cls, nn.Module):
        bases = ", ".join(base.__name__ for base in cls.__bases__)
        raise ModelError(f"{cls.__name__}({bases}): is no torch.nn.Module; write class {cls.__name__}(torch.nn.Module)")
    problems = [*_hook_problems(cls), *_signature_problems(cls), *_tensor_problems(cls)]
    if problems:
        raise ModelError(f"@hyrax_model {cls.__name__}", problems)


def _hook_problems(cls: type) -> Iterator[Problem]:
    taken = {name for hook in HOOKS for name in hook.names}
    for hook in HOOKS:
        if find_hook(cls, hook) is not None:
            continue
        slips = near_misses(cls, hook, taken)
        if slips:
            yield Problem(slips[0], _slip_words(hook, slips[0]))
        elif hook.required:
            yield Problem(hook.names[0], f"missing; write {hook.signature}")


def _slip_words(hook: Hook, found: str) -> str:
    words = " or ".join(hook.names)
    if hook.required:
        return f"is this meant to be {words}, which is missing? Rename it: {hook.signature}"
    return f"is this meant to be {words}? Rename it, or begin its name with an underscore if it is your own"


def _signature_problems(cls: type) -> Iterator[Problem]:
    for hook, counts in ((INIT, (2,)), (FORWARD, (1,))):
        method = own_attribute(cls, hook.names[0])
        if not inspect.isfunction(method):
            continue
        if not any(_takes(method, count + 1) for count in counts):
            given = inspect.signature(method)
            yield Problem(hook.names[0], f"has the signature {given}; expected {hook.signature}")


def _takes(method: Any, count: int) -> bool:
    """Whether a call with `count` positional arguments fits."""
    try:
        inspect.signature(method).bind(*range(count))
    except TypeError:
        return False
    return True


def _tensor_problems(cls: type) -> Iterator[Problem]:
    name = find_hook(cls, TENSOR)
    if name is None:
        return
    found = own_attribute(cls, name)
    if isinstance(found, classmethod):
        yield Problem(name, "is a classmethod; it has to be a @staticmethod that takes data_dict alone")
    elif not isinstance(found, staticmethod):
        yield Problem(name, f"is not static; write {TENSOR.signature.replace('to_tensor', name)}, without self")
    elif not callable(found.__func__):
        yield Problem(name, f"is a {type(found.__func__).__name__}; expected a function of data_dict")
    elif inspect.isfunction(found.__func__) and not _takes(found.__func__, 1):
        yield Problem(name, f"has the signature {inspect.signature(found.__func__)}; expected {name}(data_dict)")
