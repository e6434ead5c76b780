"""Text that came with a file, made safe to show: a terminal obeys what it is sent."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with whatever is not plainly visible written as an escape: control characters, text direction, line ends.

    Examples
    --------
    >>> printable("flux\\x1b[2J")
    'flux\\\\x1b[2J'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def numbered(source: str) -> str:
    """The lines of a program with their numbers, each safe to show."""
    lines = source.split("\n")
    if lines[-1] == "":
        lines.pop()
    width = len(str(len(lines)))
    return "\n".join(f"{number:>{width}}  {printable(line.expandtabs())}" for number, line in enumerate(lines, 1))
