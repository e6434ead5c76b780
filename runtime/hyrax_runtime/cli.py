"""`hyrax-run`: arguments in, one command's module out; errors become exit codes here.

Exit codes: 0 done, 1 a check failed or an input was refused, 2 wrong usage. Results go to stdout, talk and progress to
stderr. A command's module is imported when the command is run.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hyrax_runtime.errors import HyraxError, UsageError

COMMANDS = {
    "inspect": "everything in a bundle's manifest; runs nothing",
    "verify": "integrity, then the proof on this machine, stage by stage",
    "trust": "show a bundle's code and record your consent to run it",
    "unpack": "write a bundle's members into a folder",
    "predict": "rows from a .npz or Parquet file in, outputs out",
    "bench": "this machine's figures for a bundle, against bare onnxruntime",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    if argv is None:
        _leave_tidily_when_told_to_end()
    try:
        arguments = _parser(given).parse_args(given)
        if not hasattr(arguments, "run"):
            _parser([]).print_help(sys.stderr)
            return 2
        code: int = arguments.run(arguments)
        if sys.stdout is not None:  # it is None where the caller has closed it
            sys.stdout.flush()
    except HyraxError as error:
        print(f"hyrax-run: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("hyrax-run: interrupted; nothing half-written is left", file=sys.stderr)
        return 130
    except OSError as error:
        if not lost_stdout(error):
            raise
        return 1
    return code


def prepare_streams() -> None:
    """Stand in for a stdin or stderr that the caller closed: what is said to nobody must not end up among results.

    What the encoding of stdout or stderr lacks is shown escaped: a µ in a unit is no reason to stop.
    """
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - it lives as long as the process
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and (stream.encoding, stream.errors) != ("utf-8", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _leave_tidily_when_told_to_end() -> None:
    """Let SIGTERM and SIGHUP unwind, so that half-written files are removed."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda told, _frame: sys.exit(128 + told))


def lost_stdout(error: OSError) -> bool:
    """Whether an error is that of an stdout that takes no more; then it is said, unless whoever read it has gone."""
    if error.filename is not None or error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EBADF, errno.EIO):
        return False
    sys.stdout = None  # Python would complain again when it flushes stdout at exit
    if error.errno != errno.EPIPE:
        print(f"hyrax-run: the results cannot be written to stdout: {error.strerror}", file=sys.stderr)
    return True


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Make the parser; only the command that was given is imported and gets its arguments."""
    parser = argparse.ArgumentParser(prog="hyrax-run", description="Run .hyrax bundles, without torch.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of hyrax-runtime")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
        )
        if name in given[:1]:
            module = importlib.import_module(f"hyrax_runtime.commands.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


class _Version(argparse.Action):
    """Print the version; package metadata is read only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any) -> None:
        from importlib.metadata import version

        print(f"hyrax-run {version('hyrax-runtime')}")
        parser.exit()
