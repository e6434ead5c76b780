"""`hyrax-run verify`: every byte, then every stage, on this machine."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence

from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.commands.options import add_running_options, settings_of
from hyrax_runtime.loading import open_predictor
from hyrax_runtime.selftest import Report, Stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="the .hyrax file")
    add_running_options(parser)
    parser.add_argument("--json", action="store_true", help="print the report for programs")


def run(arguments: argparse.Namespace) -> int:
    """Verify; 0 where everything agrees, else 1."""
    with open_bundle(arguments.file) as bundle:
        bundle.weights(stamp=False)
        size, members = bundle.size, len(bundle.manifest.members)
    with open_predictor(arguments.file, arguments.trust, settings_of(arguments)) as predictor:
        report = predictor.selftest()
    if arguments.json:
        plain = {"file": arguments.file, "size_bytes": size, "members": members, **report.to_plain()}
        print(json.dumps(plain, indent=2))
    else:
        print(describe_report(report, f"{size:,} bytes in {members} members, every digest right"))
    return 0 if report.passed else 1


def describe_report(report: Report, integrity: str) -> str:
    """Return the report as a table for people."""
    lines = [f"bundle     {report.bundle}", f"integrity  {integrity}", f"device     {_placed(report)}", ""]
    lines += _table(report.stages)
    lines += [
        "",
        f"here    {_versions(report.here)}",
        f"proven  {_versions(report.packed) or 'with versions unknown'}",
        "",
    ]
    return "\n".join([*lines, _conclusion(report)])


def _table(stages: Sequence[Stage]) -> list[str]:
    rows = [("stage", "of", "greatest difference", "allowed", "")]
    for stage in stages:
        rows.append((stage.name, stage.where, _number(stage.difference), _number(stage.tolerance), _verdict(stage)))
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:4]]
    return ["  ".join([*map(str.ljust, row, widths), row[4]]).rstrip() for row in rows]


def _placed(report: Report) -> str:
    """Name the provider, and what it left to others."""
    others = [
        f"{sum(operators.values())} nodes run on {provider} ({', '.join(sorted(operators))})"
        for provider, operators in report.placement.items()
        if provider != report.provider
    ]
    return "; ".join([report.provider, *others])


def _verdict(stage: Stage) -> str:
    return "agrees" if stage.passed else f"DRIFTS{': ' + stage.note if stage.note else ''}"


def _conclusion(report: Report) -> str:
    if report.passed:
        return f"passed: this machine computes what was proven, on {report.rows} golden rows"
    if report.drift is None:
        return "FAILED: the bundle holds no golden rows, so nothing proves this machine"
    look = {
        "to_tensor": "compare numpy's version here with the proven one",
        "graph": "compare onnxruntime's version here with the proven one",
        "device": "the CPU agrees, so look at the device's precision",
    }
    if report.drift.name == "device" and report.provider == "CPUExecutionProvider":
        # the same graph on the same processor, and it agrees: what to_tensor made of the raw rows is what differs
        look["device"] = "the graph agrees, so it is to_tensor: compare numpy's version here with the proven one"
    return f"FAILED: the first stage that drifts is {report.drift.name}; {look[report.drift.name]}"


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _versions(versions: dict[str, str]) -> str:
    shown = ("numpy", "onnxruntime", "python", "machine")
    return ", ".join(f"{name} {versions[name]}" for name in shown if name in versions)
