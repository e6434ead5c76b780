"""What is said of a proven graph: its outputs and the gate's report in the manifest, notes and a table for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hyrax_runtime.manifest import Output

from hyrax_pack.errors import ExportError
from hyrax_pack.exporting.meaning import Meaning
from hyrax_pack.exporting.measuring import Measured
from hyrax_pack.exporting.parity import Record
from hyrax_pack.exporting.tolerances import Noise

Classes = Sequence[str] | Mapping[str, Sequence[str]]


def describe_outputs(measured: Measured[Any], classes: Classes | None = None) -> tuple[Output, ...]:
    """Describe the outputs; a dimension that varies between batches is called `<output>.<axis>`.

    Raises
    ------
    ExportError
        `classes` fits no output, or not the one that it is given for.
    """
    answers, noise = measured.answers, measured.noise
    outputs = []
    for name, first in answers[0].narrow.items():
        shapes = [answer.narrow[name].shape for answer in answers]
        dims = [
            size if all(shape[axis] == size for shape in shapes) else f"{name}.{axis}"
            for axis, size in enumerate(first.shape)
        ]
        found = noise.outputs[name]
        outputs.append(
            Output(
                name=name,
                dtype=first.dtype.name,
                shape=("N", *dims[1:]),
                tolerance=found.plain(found.tolerance),
                noise_floor=found.plain(found.floor),
                scale=found.plain(found.scale),
                classes=_classes_of(name, first.shape, classes),
                relative_tolerance=found.plain(found.relative),
                axis=found.axis,
            )
        )
    if classes and not any(output.classes for output in outputs):
        shapes_text = ", ".join(f"{output.name} {list(output.shape)}" for output in outputs)
        raise ExportError(f"[model] classes fits no output: {shapes_text}")
    return tuple(outputs)


def _classes_of(name: str, shape: tuple[int, ...], classes: Classes | None) -> tuple[str, ...] | None:
    if not classes:
        return None
    if isinstance(classes, Mapping):
        named = classes.get(name)
        if named is not None and shape[1:] != (len(named),):
            raise ExportError(f"[model] classes names {len(named)} classes for output {name!r} of shape {list(shape)}")
        return None if named is None else tuple(named)
    return tuple(classes) if shape[1:] == (len(classes),) else None


def report_parity(
    measured: Measured[Any], records: dict[str, Record], meaning: Meaning, route: str, *, fresh: bool
) -> dict[str, Any]:
    """What the manifest says of the gate: nothing in it depends on the clock or the machine's name."""
    answers, noise = measured.answers, measured.noise
    return {
        "reference": noise.reference,
        "reason": noise.reason,
        "route": route,
        "held_out": fresh,
        "batches": [answer.trial.label for answer in answers],
        "sizes": sorted({answer.trial.size for answer in answers}),
        "rows": sum(answer.trial.size for answer in answers),
        "in_float64": {"rows": meaning.rows, "reason": meaning.reason},
        "outputs": {
            name: {
                "error": record.error,
                "difference": record.difference,
                "closest": _closest(record, noise.outputs[name]),
                "decisions": record.decisions,
                "flips": record.flips,
                "unstable_rows": _rows(measured, noise.outputs[name].unstable),
                "decided_otherwise": _rows(measured, record.decided_otherwise),
                "blurred": list(noise.outputs[name].blurred),
            }
            for name, record in records.items()
        },
    }


def _closest(record: Record, noise: Noise) -> dict[str, Any]:
    """The place where the graph comes closest to its tolerance, with the figures that the tolerance follows from."""
    closest = record.closest
    allowed = closest.allowed if math.isfinite(closest.allowed) else 0.0  # nothing was compared
    return {
        "error": closest.difference,
        "allowed": allowed,
        "column": record.column if noise.axis is not None else None,
        "noise_floor": float(noise.floor[record.column]),
        "scale": float(noise.scale[record.column]),
    }


def _rows(measured: Measured[Any], places: Iterable[int]) -> list[int]:
    """The data set's own numbers of rows of the pool."""
    return sorted({int(measured.rows[place]) for place in places})


def notes_of(measured: Measured[Any], records: dict[str, Record], *, fresh: bool) -> list[str]:
    """What the user should be told of the gate, beyond that it passed."""
    noise = measured.noise
    notes: list[str] = []
    if not fresh:
        notes.append("no rows were held out: the gate ran on the rows that the graph was traced with")
    if noise.reason is not None:
        notes.append(f"tolerances come from the spread of float32 ({noise.reason})")
    notes += [
        f"output {name!r}: graph and torch differ in the greatest entry of {record.flips} of {record.decisions} rows"
        for name, record in records.items()
        if record.flips
    ]
    for name, found in noise.outputs.items():
        notes += _caveats(name, found, records[name], _rows(measured, found.unstable), measured.answers[0].trial.size)
    return notes


def _caveats(name: str, noise: Noise, record: Record, unstable: list[int], rows: int) -> Iterator[str]:
    """Where the proof is weaker than elsewhere, and why."""
    if unstable:
        shown = ", ".join(map(str, unstable[:8])) + (", ..." if len(unstable) > 8 else "")
        yield (
            f"output {name!r}: rounding decides the answer of {len(noise.unstable)} of {rows} rows tried (rows {shown} "
            "of the data): float32 and float64 part there, and the graph goes with float64 on "
            f"{len(record.decided_otherwise)} of them"
        )
    if noise.blurred:
        worst = max(noise.blurred, key=lambda column: float(noise.floor[column] / noise.scale[column]))
        shown = ", ".join(map(str, noise.blurred[:8])) + (", ..." if len(noise.blurred) > 8 else "")
        yield (
            f"output {name!r}, column{'s' * (len(noise.blurred) > 1)} {shown}: float32 rounding moves the answer by "
            f"up to {noise.floor[worst]:.2g} at a scale of {noise.scale[worst]:.2g}: proven to within "
            f"{noise.tolerance[worst]:.2g} only"
        )


def parity_table(parity: Mapping[str, Any]) -> str:
    """Lay the gate's report out as a table, one line for each output: its column that comes closest to what is allowed.

    Parameters
    ----------
    parity : mapping
        `Network.parity`, or `Manifest.parity` of a bundle.
    """
    heading = ("output", "error", "allowed", "noise", "scale", "column", "decisions that flip")
    rows = [heading]
    for name, figures in parity["outputs"].items():
        flips = f"{figures['flips']} of {figures['decisions']}" if figures["decisions"] else "-"
        closest = figures["closest"]
        numbers = (f"{closest[key]:.2g}" for key in ("error", "allowed", "noise_floor", "scale"))
        rows.append((name, *numbers, "-" if closest["column"] is None else str(closest["column"]), flips))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    sizes = ", ".join(map(str, parity["sizes"]))
    held_out = "" if parity["held_out"] else ", none of them held out"
    lines.append(f"against {parity['reference']}, {parity['rows']} rows in batches of {sizes}{held_out}")
    wide = parity["in_float64"]
    lines.append(
        f"the graph itself not in float64: {wide['reason']}"
        if wide["reason"]
        else f"the graph itself in float64: {wide['rows']} rows, the same function"
    )
    return "\n".join(lines)
