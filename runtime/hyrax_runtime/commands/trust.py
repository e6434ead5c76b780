"""`hyrax-run trust`: read a bundle's Python, then let it run for this user; list what may run; take it back."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from hyrax_runtime.bundle import Bundle, open_bundle
from hyrax_runtime.errors import TrustError, UsageError
from hyrax_runtime.replay_text import parse_text
from hyrax_runtime.showing import numbered, printable
from hyrax_runtime.trust_store import Trusted, TrustStore

_LEAST_PREFIX = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the .hyrax file whose Python is shown")
    parser.add_argument("--yes", action="store_true", help="allow it without asking")
    parser.add_argument("--list", action="store_true", help="list what this user allowed")
    parser.add_argument(
        "--revoke", metavar="SHA256", help=f"take one back; its first {_LEAST_PREFIX} digits are enough, or the FILE"
    )
    parser.add_argument("--json", action="store_true", help="with --list: print the list for programs")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; 0 when it is done, 1 when consent was not given."""
    if sum((arguments.file is not None, arguments.list, arguments.revoke is not None)) != 1:
        raise UsageError("trust: give one of FILE, --list or --revoke SHA256")
    if (arguments.yes and arguments.file is None) or (arguments.json and not arguments.list):
        raise UsageError("trust: --yes goes with FILE, and --json with --list")
    if arguments.list:
        return _list(as_json=arguments.json)
    if arguments.revoke is not None:
        return _revoke(arguments.revoke)
    with open_bundle(arguments.file) as bundle:
        return _trust(bundle, agreed=arguments.yes)


def _trust(bundle: Bundle, *, agreed: bool) -> int:
    """Show the text of `bundle` and record consent to it."""
    source, sha256 = bundle.source, bundle.source_sha256
    if source is None or sha256 is None:
        print(f"{bundle.path}: holds no Python; it runs without permission", file=sys.stderr)
        return 0
    print(f"to_tensor.py of {printable(str(bundle.path))}, sha256 {sha256}\n")
    print(numbered(source))
    print("\nimports: " + (", ".join(_imports(source)) or "nothing"), flush=True)
    store = TrustStore()
    if sha256 in store:
        print("allowed already, for this user", file=sys.stderr)
        return 0
    if not agreed and not _ask():
        print("not allowed; nothing was recorded", file=sys.stderr)
        return 1
    store.add(sha256, str(bundle.path.absolute()))
    print(f"allowed for this user; take it back with: hyrax-run trust --revoke {sha256[:16]}", file=sys.stderr)
    return 0


def _imports(source: str) -> Iterator[str]:
    """What the text imports, with the first line where it does."""
    seen: dict[str, int] = {}
    for node in ast.walk(parse_text(source, "to_tensor.py")):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        else:
            continue
        for name in names:
            seen[name] = min(node.lineno, seen.get(name, node.lineno))
    for name, line in sorted(seen.items(), key=lambda item: item[1]):
        if name != "__future__":
            yield f"{printable(name)} (line {line})"


def _ask() -> bool:
    """Ask the person at the terminal; a program has to say --yes."""
    if not sys.stdin.isatty():
        raise TrustError("trust: nobody to ask; read the text above and give --yes to allow it")
    question = "\nPython is no sandbox: this text may do whatever you may. Allow it to run for this user? [y/N] "
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _list(*, as_json: bool) -> int:
    rows = TrustStore().rows()
    if as_json:
        plain = [{"sha256": r.sha256, "origin": r.origin, "recorded": r.recorded.isoformat()} for r in rows]
        print(json.dumps(plain, indent=2))
    else:
        for row in rows:
            print(f"{row.sha256}  {row.recorded:%Y-%m-%d %H:%M}  {printable(row.origin)}")
        if not rows:
            print("this user allowed no text yet", file=sys.stderr)
    return 0


def _revoke(which: str) -> int:
    store = TrustStore()
    row = _find(store, which)
    store.revoke(row.sha256)
    print(f"taken back: {row.sha256}  {printable(row.origin)}", file=sys.stderr)
    return 0


def _find(store: TrustStore, which: str) -> Trusted:
    """The one entry that a digest, the first digits of one, or a bundle's path means."""
    wanted = which.removeprefix("sha256:").lower()
    if Path(which).is_file():
        with open_bundle(which) as bundle:
            wanted = bundle.source_sha256 or ""
    elif len(wanted) < _LEAST_PREFIX:
        raise UsageError(f"trust --revoke {which}: give at least {_LEAST_PREFIX} digits of the sha256")
    found = [row for row in store.rows() if wanted and row.sha256.startswith(wanted)]
    if len(found) != 1:
        fault = f"{len(found)} entries begin so" if found else "was not allowed"
        raise TrustError(f"trust --revoke {which}: {fault}; see `hyrax-run trust --list`")
    return found[0]
