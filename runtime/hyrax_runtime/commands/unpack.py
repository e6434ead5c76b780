"""`hyrax-run unpack`: the members as files, for people and for other runtimes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.unpacking import unpack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="the .hyrax file")
    parser.add_argument("folder", metavar="DIR", help="a folder that is new or empty")
    parser.add_argument("--inline", action="store_true", help="graphs with their weights inside, for other runtimes")


def run(arguments: argparse.Namespace) -> int:
    """Unpack; the names of the files written go to stdout."""
    with open_bundle(arguments.file) as bundle:
        names = unpack(bundle, Path(arguments.folder), inline=arguments.inline)
    for name in names:
        print(Path(arguments.folder) / name)
    print(f"{len(names)} files verified and written", file=sys.stderr)
    return 0
