"""The name that was probably meant."""

from __future__ import annotations

from collections.abc import Sequence


def nearest_name(given: str, names: Sequence[str]) -> str | None:
    """Return the name most like `given`, or None where none is like it.

    Examples
    --------
    >>> nearest_name("imge", ["flux", "image"])
    'image'
    """
    import difflib  # only a mistake needs it, and it takes half a millisecond of every start

    return next(iter(difflib.get_close_matches(given, names, n=1)), None)
