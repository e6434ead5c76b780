"""The options of every command that makes a predictor."""

from __future__ import annotations

import argparse

from hyrax_runtime.settings import Settings, Tuning


def add_running_options(parser: argparse.ArgumentParser) -> None:
    """Add where and how to run, and who allows it."""
    parser.add_argument("--device", default="cpu", metavar="D", help="cpu (default), cuda, cuda:1, tensorrt or auto")
    parser.add_argument("--memory", default="auto", metavar="M", help="shared, fast or auto (default)")
    parser.add_argument("--threads", type=int, metavar="T", help="threads within one operator")
    parser.add_argument("--spinning", action="store_true", help="let threads wait for work with a core each")
    parser.add_argument("--strict", action="store_true", help="refuse a graph of which the CPU would run a part")
    parser.add_argument("--trust", metavar="sha256:ID", help="allow the Python of this very bundle to run")
    parser.add_argument(
        "--python", default="allow", metavar="P", help="allow (default), or never: run only the lowered to_tensor"
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return what the options ask for."""
    tuning = Tuning(spinning=arguments.spinning, strict=arguments.strict)
    return Settings(arguments.device, arguments.memory, arguments.threads, arguments.python, tuning)
