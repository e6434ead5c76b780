"""Syntax that the oldest supported Python does not read."""

from __future__ import annotations

import ast
import io
import sys
import tokenize

from hyrax_pack.capturing.source_file import quietly

OLDEST = (3, 11)


def newer_syntax(text: str, oldest: tuple[int, int] = OLDEST) -> str | None:
    """What in the text the oldest supported Python cannot read, with its line; None where it reads all of it.

    Examples
    --------
    >>> newer_syntax("try:\\n    pass\\nexcept* ValueError:\\n    pass\\n", oldest=(3, 10)) is None
    False
    """
    version = ".".join(map(str, oldest))
    try:
        quietly(ast.parse, text, feature_version=oldest)
    except SyntaxError as error:
        return (
            f"syntax that Python {version} does not read ({error.msg}), and bundles run there too; write it otherwise"
        )
    if sys.version_info >= (3, 12) and (line := _free_f_string(text)):
        return f"an f-string that Python {version} does not read (line {line} of the text); use another quote inside it"
    return None


def _free_f_string(text: str) -> int | None:
    """The line of an f-string that uses its own quote, a backslash or a comment between braces (PEP 701)."""
    quotes: list[str] = []
    starts, ends, middle = (getattr(tokenize, f"FSTRING_{part}") for part in ("START", "END", "MIDDLE"))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == ends:
            quotes.pop()
        elif quotes and token.type != middle and _is_free(token, quotes[-1]):
            return token.start[0]
        if token.type == starts:
            quotes.append(token.string[-1])
    return None


def _is_free(token: tokenize.TokenInfo, quote: str) -> bool:
    return token.type == tokenize.COMMENT or "\\" in token.string or quote in token.string
