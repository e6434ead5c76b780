"""The border to user code: whatever it raises becomes one error that names the user's file and line."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hyrax_pack.errors import HyraxError

_OURS = str(Path(__file__).parent.parent)


Place = Callable[[str, int], str]


def file_and_line(filename: str, line: int) -> str:
    """How a line is named in messages."""
    return f"{filename}, line {line}"


@contextmanager
def user_code(
    doing: str | Callable[[], str], error_class: type[HyraxError], place: Place = file_and_line
) -> Iterator[None]:
    """Run a block that calls user code; `doing` says what was being done, such as "DigitsCNN.__init__".

    A function as `doing` is asked only when something was raised. `place` names the line that raised it.

    The block's own HyraxErrors pass unchanged, and so does Ctrl-C. User code may raise any exception at all, so this is
    the one place, besides the command line's edge, that catches them all; the original stays behind as `__cause__`. A
    SystemExit is caught too: a program that user code ends would leave with 0, as if all had been done.

    Raises
    ------
    error_class
        The block raised anything else.

    Examples
    --------
    >>> from hyrax_pack.errors import DataError
    >>> with user_code("reading row 7", DataError):
    ...     int("seven")
    Traceback (most recent call last):
    hyrax_pack.errors.DataError: reading row 7: ValueError: invalid literal for int() with base 10: 'seven' ...
    """
    try:
        yield
    except (HyraxError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        what = doing if isinstance(doing, str) else doing()
        raise error_class(f"{what}: {describe_failure(error, place)}") from error


def describe_failure(error: BaseException, place: Place = file_and_line) -> str:
    """Say in one line what was raised and on which line of the user's code."""
    if isinstance(error, SyntaxError):
        return f"is not Python: {error.msg} ({error.filename}, line {error.lineno})"
    first_line = (str(error).strip().splitlines() or [""])[0]
    words = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
    where = place_of(error, place)
    return f"{words} ({where})" if where else words


def place_of(error: BaseException, place: Place = file_and_line) -> str | None:
    """Name the innermost line that is neither ours nor a library's; None where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _is_library(frame.filename)]
    return place(theirs[-1].filename, theirs[-1].lineno or 0) if theirs else None


def _is_library(filename: str) -> bool:
    folders = (_OURS, "site-packages", "dist-packages", "importlib", "contextlib.py")
    return filename.startswith("<frozen") or any(folder in filename for folder in folders)
