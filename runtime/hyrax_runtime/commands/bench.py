"""`hyrax-run bench`: what this bundle costs on this machine, and what to set."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hyrax_runtime.benching.advice import advise
from hyrax_runtime.benching.measuring import FULL, QUICK, measure_machine
from hyrax_runtime.benching.plot import check_plot, write_plot
from hyrax_runtime.benching.table import describe_figures
from hyrax_runtime.commands.options import add_running_options, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = (
        "The rows are the bundle's own golden rows, repeated. --threads and --memory narrow what is compared."
    )
    parser.add_argument("file", metavar="FILE", help="the .hyrax file")
    add_running_options(parser)
    parser.add_argument("--quick", action="store_true", help="a short run: smaller batches, rougher figures")
    parser.add_argument("--json", action="store_true", help="print the figures for programs")
    parser.add_argument("--plot", metavar="FILE.png", type=Path, help="also draw them (needs matplotlib)")


def run(arguments: argparse.Namespace) -> int:
    """Measure; 0 when it is done."""
    if arguments.plot is not None:
        check_plot(arguments.plot)
    settings = settings_of(arguments)
    figures = measure_machine(arguments.file, settings, arguments.trust, QUICK if arguments.quick else FULL, say=_talk)
    if arguments.plot is not None:
        write_plot(figures, arguments.plot)
    if arguments.json:
        print(json.dumps(figures.to_plain() | {"advice": list(advise(figures))}, indent=2))
    else:
        print(describe_figures(figures))
    return 0


def _talk(line: str) -> None:
    print(f"measuring: {line}", file=sys.stderr, flush=True)
