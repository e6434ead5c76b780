"""What the model's inference answers, as named tensors: one order, one set of names, on every route.

Names come from the keys of a dict (or the fields of a named tuple or dataclass), else from the caller, else they are
`output_<place>`. Nested answers join names with a dot. A None is no output: it keeps its place in the count, so that
`output_2` is the third value whatever the second one was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from hyrax_pack.errors import OutputFormError

MAX_NAME = 128


def name_outputs(result: Any, names: Sequence[str] | None = None) -> dict[str, torch.Tensor]:
    """Flatten what inference returned into named tensors, in the order in which the model gave them.

    Parameters
    ----------
    result : Tensor, or dict, tuple, list, named tuple or dataclass of them, nested
        None stands for an output that is not there.
    names : sequence of str, optional
        Names to use in place of the model's own; one for each tensor.

    Raises
    ------
    OutputFormError
        Nothing is returned; a value is neither tensor nor None; a name is empty, twice there, or not one for each.

    Examples
    --------
    >>> list(name_outputs((torch.zeros(2), None, torch.ones(2))))
    ['output_0', 'output_2']
    """
    found: dict[str, torch.Tensor] = {}
    for path, value in _leaves(result, ()):
        name = ".".join(path) or "output_0"
        if not isinstance(value, torch.Tensor):
            raise OutputFormError(
                f"output {name!r} is a {type(value).__name__}, not a tensor: it would be frozen into the graph. "
                "Return tensors whose first axis is the batch, and drop the rest from what inference returns"
            )
        if name in found:
            raise OutputFormError(f"two outputs are named {name!r}: give each its own key")
        found[name] = value
    if not found:
        raise OutputFormError("inference returned no tensor: return the model's answer, batch axis first")
    if names is not None:
        found = _renamed(found, names)
    for name in found:
        _check_name(name)
    return found


def absent_outputs(result: Any) -> tuple[str, ...]:
    """Name the outputs that are None: they are not in the bundle, and the export says so."""
    if result is None:
        return ()
    return tuple(".".join(path) for path in _none_paths(result, ()))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if value is None:
        return
    items = _items(value, path)
    if items is None:
        yield path, value
        return
    for name, item in items:
        yield from _leaves(item, (*path, name))


def _none_paths(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if value is None:
        yield path
        return
    for name, item in _items(value, path) or ():
        yield from _none_paths(item, (*path, name))


def _items(value: Any, path: tuple[str, ...]) -> list[tuple[str, Any]] | None:
    """Name and value of each part; None for a leaf."""
    if isinstance(value, torch.Tensor):
        return None
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) for key in value):
            keys = ", ".join(repr(key) for key in value)
            raise OutputFormError(f"inference returned a dict with the keys {keys}: outputs are named by text")
        return list(value.items())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if isinstance(value, (tuple, list)):
        return [(str(place) if path else f"output_{place}", item) for place, item in enumerate(value)]
    return None


def _renamed(found: dict[str, torch.Tensor], names: Sequence[str]) -> dict[str, torch.Tensor]:
    if len(names) != len(found):
        raise OutputFormError(
            f"{len(names)} names are given ({', '.join(names)}) for {len(found)} outputs ({', '.join(found)})"
        )
    if len(set(names)) != len(names):
        raise OutputFormError(f"the names given for the outputs are not all different: {', '.join(names)}")
    return dict(zip(names, found.values(), strict=True))


def _check_name(name: str) -> None:
    if not name or not name.isprintable() or len(name) > MAX_NAME or name != name.strip():
        raise OutputFormError(
            f"{name!r} cannot name an output: 1 to {MAX_NAME} printable characters, no blank at either end"
        )
