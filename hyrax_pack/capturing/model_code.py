"""The code of a model, part by part, so that a change between training and export, or before a resume, is noticed.

A part is one function, class attribute or constant that the class reaches by name in code that is not a library's. Its
digest is that of the syntax tree: comments, layout, docstrings and the Python version do not count. to_tensor is not
among the parts: its text is kept whole, see `captured`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from hyrax_pack.capturing.reaching import Reached
from hyrax_pack.model import ModelSpec

if TYPE_CHECKING:
    from torch import nn

_MOST_TEXT = 120  # of a line that a message quotes


@dataclass(frozen=True)
class CodePart:
    """One part of a model's code.

    Attributes
    ----------
    sha256 : str
        Of its meaning, hexadecimal.
    text : str
        As Python writes the syntax tree down: for people, to see what was changed.
    place : str
        File and line, for messages.
    inference : bool
        Whether inference may reach it, and not training alone.
    """

    sha256: str
    text: str
    place: str
    inference: bool

    def to_plain(self) -> dict[str, Any]:
        """The part as plain values."""
        return asdict(self)


ModelCode = dict[str, CodePart]


def describe_code(spec: ModelSpec, model: nn.Module) -> ModelCode:
    """Describe everything of a model that is its author's: by name, such as `StampNet.forward`.

    Parameters
    ----------
    spec : ModelSpec
    model : nn.Module
        An instance: its layers may be of classes that only the settings name.
    """
    names = _training_names(spec)
    inference = Reached(spec.cls, without=names)
    inference.add_model(model)
    while used := names & inference.mentioned:  # forward may call validate_batch, or use the criterion
        names -= used
        inference = Reached(spec.cls, without=names)
        inference.add_model(model)
    every = Reached(spec.cls)
    every.add_model(model)
    return {
        name: CodePart(digest, text, place, inference=name in inference.parts)
        for name, (digest, text, place) in sorted(every.parts.items())
    }


def from_plain(plain: Mapping[str, Mapping[str, Any]]) -> ModelCode:
    """Read what `CodePart.to_plain` gave, part by part."""
    return {name: CodePart(**part) for name, part in plain.items()}


def code_differences(before: ModelCode, now: ModelCode, *, inference: bool) -> list[str]:
    """Say which parts differ and how, each in a line; with `inference`, only those that inference may reach."""
    parts = {**before, **now}
    return [
        _difference(name, before.get(name), now.get(name))
        for name in sorted(parts)
        if (before[name].sha256 if name in before else None) != (now[name].sha256 if name in now else None)
        and (not inference or any(name in code and code[name].inference for code in (before, now)))
    ]


def code_sha256(code: ModelCode) -> str:
    """The digest (hex) of what inference may reach."""
    lines = [f"{name} {part.sha256}" for name, part in sorted(code.items()) if part.inference]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _training_names(spec: ModelSpec) -> set[str]:
    """Attributes of the class that inference does not run, unless something that it runs mentions them."""
    named = {spec.train_hook, spec.validate_hook, spec.test_hook, spec.log_epoch_metrics, spec.save}
    named |= {spec.train_post_epoch, spec.validate_post_epoch, "criterion", "optimizer", "scheduler"}
    return {name for name in named if name}


def _difference(name: str, before: CodePart | None, now: CodePart | None) -> str:
    if before is None or now is None:
        there = before or now
        assert there is not None
        return f"{name}{_at(there.place)} {'is new' if before is None else 'is gone'}"
    lines = zip_longest(before.text.splitlines(), now.text.splitlines(), fillvalue="")
    was, is_now = next(((one, other) for one, other in lines if one != other), ("", ""))
    change = f": was `{_short(was)}`, is `{_short(is_now)}`" if was != is_now else ""
    return f"{name}{_at(now.place)} has changed{change}"


def _at(place: str) -> str:
    return f" ({place})" if place else ""


def _short(line: str) -> str:
    line = line.strip()
    return line if len(line) <= _MOST_TEXT else f"{line[:_MOST_TEXT]}…"
