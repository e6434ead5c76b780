"""Arguments that are one word of a few: a misspelt one, from a notebook, would count as the other."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

from hyrax_pack.config.checking import nearest
from hyrax_pack.errors import UsageError


def check_word(argument: str, value: object, words: Any) -> None:
    """Refuse a value that is none of the words of a `Literal`.

    Raises
    ------
    UsageError
        Names the argument, the value and the nearest word.
    """
    known = get_args(words)
    if not isinstance(value, str):
        raise UsageError(f"{argument}={value!r} is a {type(value).__name__}; expected one of {', '.join(known)}")
    if value not in known:
        raise UsageError(f"{argument}={value!r}: expected one of {', '.join(known)}; {nearest(value, known)}")


def check_words(argument: str, values: Collection[str], words: Any) -> None:
    """Refuse a collection that holds anything but words of a `Literal`, or that is one string.

    Raises
    ------
    UsageError
        Names the argument, the value and the nearest word.
    """
    if isinstance(values, str) or not isinstance(values, Collection):
        raise UsageError(f"{argument}={values!r}: expected a collection of words, such as {argument}=['code']")
    for value in values:
        check_word(argument, value, words)
