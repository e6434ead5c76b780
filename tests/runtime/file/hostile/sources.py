"""Texts of to_tensor that no bundle may carry; none of them is ever run."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.runtime.file.forge import SOURCE, Forge
from tests.runtime.file.hostile.cases import Case

TEXT = "replay/text"
MARK = "open('MARK', 'w').close()"


def _text(text: str | bytes) -> Callable[[], bytes]:
    data = text.encode() if isinstance(text, str) else text
    return lambda: Forge().put("to_tensor.py", data).data()


SOURCES: tuple[Case, ...] = (
    Case("source with NUL", TEXT, _text(SOURCE + "\0")),
    Case("source with a byte order mark", TEXT, _text(b"\xef\xbb\xbf" + SOURCE.encode())),
    Case("source in utf-7", TEXT, _text("# coding: utf-7\n" + SOURCE)),
    Case("source in latin-1", TEXT, _text(b"# coding: latin-1\n# \xe9\n" + SOURCE.encode())),
    Case("source in UTF-16", TEXT, _text(SOURCE.encode("utf-16"))),
    Case("source that turns text around", TEXT, _text(SOURCE + "# \u202e'''\u2066\n")),
    Case("source with a letter that looks like another", TEXT, _text(SOURCE.replace("data_dict", "dat\u0430_dict", 1))),
    Case("source nested 2,000 deep", TEXT, _text(SOURCE + "x = " + "(" * 2000 + ")" * 2000 + "\n")),
    Case("source nested in 500 blocks", TEXT, _text(SOURCE + "\n".join(" " * n + "if 1:" for n in range(500)) + "\n")),
    Case("source with 50,000 unary minuses", TEXT, _text(SOURCE + "x = " + "-" * 50_000 + "1\n")),
    Case("source over 256 KiB", TEXT, _text(SOURCE + "#" * (256 << 10))),
    Case("source that is no Python", TEXT, _text("def to_tensor(:\n")),
    Case("source with a statement", TEXT, _text(f"{MARK}\n{SOURCE}")),
    Case("source with a class", TEXT, _text(f"class A:\n    {MARK}\n{SOURCE}")),
    Case("source with a decorator", TEXT, _text(f"@({MARK})\n{SOURCE}")),
    Case("source with a default that calls", TEXT, _text(f"def f(x={MARK}):\n    pass\n{SOURCE}")),
    Case("source with an annotation that calls", TEXT, _text(f"def f(x: {MARK}):\n    pass\n{SOURCE}")),
    Case("source with a constant that calls", TEXT, _text(f"A = {MARK}\n{SOURCE}")),
    Case("source with a comprehension", TEXT, _text(f"A = [{MARK} for _ in 'a']\n{SOURCE}")),
    Case("source with a condition", TEXT, _text(f"if True:\n    {MARK}\n{SOURCE}")),
    Case("source with a walrus", TEXT, _text(f"A = (B := 1)\n{SOURCE}")),
    Case("source without to_tensor", TEXT, _text("def to_tensors(data_dict):\n    return 1\n")),
    Case("source with two to_tensor", TEXT, _text(SOURCE + SOURCE)),
    Case("source with a relative import", TEXT, _text(f"from . import numpy\n{SOURCE}")),
    Case("source with an f-string that calls", TEXT, _text(f'A = f"{{{MARK}}}"\n{SOURCE}')),
)

if sys.version_info < (3, 12):  # since then Python's tokenizer is its compiler's own
    otherwise = _text("# \u00e9\n  \\\n\n \\\n\n" + SOURCE)
    SOURCES = (*SOURCES, Case("source that the tokenizer reads otherwise", TEXT, otherwise))
