"""`hyrax-run inspect`: everything that a bundle says of itself. The file is verified; nothing of it runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from hyrax_runtime.bundle import Bundle, open_bundle
from hyrax_runtime.contract import FieldContract
from hyrax_runtime.manifest import FORMAT_MAJOR, FORMAT_MINOR, Figures, Manifest, Output, Slot
from hyrax_runtime.manifest_json import to_json_form
from hyrax_runtime.showing import printable

_INDENT = "  "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="the .hyrax file")
    parser.add_argument("--json", action="store_true", help="print the manifest as schemas/manifest.v1 describes it")


def run(arguments: argparse.Namespace) -> int:
    """Print the manifest; 0, or an error where the file is no sound bundle."""
    with open_bundle(arguments.file) as bundle:
        if arguments.json:
            about = {"file": str(bundle.path), "id": bundle.id, "size_bytes": bundle.size}
            print(json.dumps(about | {"manifest": to_json_form(bundle.plain)}, indent=2))
        else:
            print("\n".join(_describe(bundle)))
    return 0


def _describe(bundle: Bundle) -> Iterator[str]:
    """The manifest for people, line by line."""
    manifest = bundle.manifest
    yield f"name       {printable(manifest.name)}"
    yield f"bundle     {bundle.id}"
    yield f"file       {printable(str(bundle.path))}, {bundle.size:,} bytes, format {FORMAT_MAJOR}.{FORMAT_MINOR}"
    yield f"batch      {manifest.contract.batch}: {_batch_meaning(manifest)}"
    yield f"ids        {printable(manifest.contract.id_field or 'the numbers of the rows, in training')}"
    yield from _describe_preprocessing(bundle)
    yield from _section("inputs", ("field", "kind", "row", "form", "read", "range", "NaN", "unit"), _inputs(manifest))
    for field in manifest.contract.fields:
        if field.description:
            yield f"{_INDENT}{printable(field.path)}: {printable(field.description)}"
    if manifest.contract.asked_absent:
        yield f"{_INDENT}refused, not there when proven: {printable(', '.join(manifest.contract.asked_absent))}"
    yield from _section("slots of to_tensor", ("slot", "tensor", "graph input"), _slots(manifest.preprocessing.slots))
    yield from _section(
        f"outputs of the graph (opset {manifest.graph.opset}, IR {manifest.graph.ir_version})",
        ("name", "tensor", "tolerance", "noise floor", "scale", "classes"),
        map(_output, manifest.outputs),
    )
    yield from _section(
        "members",
        ("name", "role", "bytes", "sha256"),
        ((m.name, m.role, f"{m.size:,}", m.sha256.hex()) for m in manifest.members),
    )
    yield f"\ngolden rows: {manifest.golden.rows}"
    records = {"parity": manifest.parity, "batch_proof": manifest.batch_proof}
    records |= {"provenance": manifest.provenance, "metrics": manifest.metrics}
    for title, record in (records | manifest.extensions).items():
        yield f"\n{printable(title)}"
        yield from _tree(record, 1)


def _batch_meaning(manifest: Manifest) -> str:
    joint = manifest.contract.batch == "joint"
    return "the caller's batch is the unit; it is never split" if joint else "rows do not touch one another"


def _describe_preprocessing(bundle: Bundle) -> Iterator[str]:
    preprocessing = bundle.manifest.preprocessing
    if bundle.source_sha256 is None:
        yield "to_tensor  lowered into ONNX; the bundle holds no Python"
        return
    forms = f"{' and '.join(preprocessing.forms)}; {preprocessing.preferred} is the quicker"
    yield f"to_tensor  {forms if len(preprocessing.forms) > 1 else 'Python text, replayed'}"
    yield f"           sha256 {bundle.source_sha256}; read it with: hyrax-run trust {printable(str(bundle.path))}"
    needs = [
        f"{need.module} ({need.distribution} {need.version})" for need in preprocessing.requirements if need.version
    ]
    yield f"           imports {printable(', '.join(needs)) or 'nothing but the standard library'}"
    if preprocessing.mutates_input:
        yield "           writes into its input, so it is given a copy"
    if preprocessing.reason is not None:
        line = f" (line {preprocessing.reason.line})" if preprocessing.reason.line else ""
        yield f"           not lowered: {printable(preprocessing.reason.text)}{line}"
        if preprocessing.reason.hint:
            yield f"           {printable(preprocessing.reason.hint)}"


def _inputs(manifest: Manifest) -> Iterator[Sequence[str]]:
    for field in manifest.contract.fields:
        row = f"{field.dtype} {_shape(field.shape)}"
        form = f"{field.form} of {field.element}" if field.form == "list" else field.form
        read = "read" if field.read else "not read"
        yield field.path, field.kind, row, form, read, _range(field), f"{field.nan_share:.1%}", field.unit or "-"


def _range(field: FieldContract) -> str:
    return "-" if field.least is None or field.greatest is None else f"{field.least:.6g} to {field.greatest:.6g}"


def _slots(slots: Sequence[Slot]) -> Iterator[Sequence[str]]:
    for position, slot in enumerate(slots):
        fed = slot.graph_input or ("changes no output" if slot.kind == "tensor" else "absent at inference")
        yield str(position), f"{slot.dtype} {_shape(slot.shape)}" if slot.dtype else "None", fed


def _output(output: Output) -> Sequence[str]:
    figures = [_figure(figure) for figure in (output.tolerance, output.noise_floor, output.scale)]
    return output.name, f"{output.dtype} {_shape(output.shape)}", *figures, _classes(output.classes)


def _figure(figure: Figures) -> str:
    """One number for the output, or the least and greatest of its columns."""
    if isinstance(figure, (int, float)):
        return f"{figure:.3g}"
    least, greatest = min(figure), max(figure)
    return f"{least:.3g}" if least == greatest else f"{least:.3g} to {greatest:.3g}"


def _classes(classes: Sequence[str] | None) -> str:
    if classes is None:
        return "-"
    shown = ", ".join(classes[:12])
    return f"{shown}, … {len(classes)} in all" if len(classes) > 12 else shown


def _shape(shape: Sequence[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _section(title: str, heading: Sequence[str], rows: Iterator[Sequence[str]] | Any) -> Iterator[str]:
    """A titled table; what came with the file is made safe to show."""
    table = [tuple(heading), *(tuple(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    yield f"\n{title}"
    for row in table:
        yield _INDENT + "  ".join(map(str.ljust, row, widths)).rstrip()


def _tree(value: Any, depth: int) -> Iterator[str]:
    """A free-form record, one line for each leaf."""
    entries = (
        value.items() if isinstance(value, dict) else ((str(position), item) for position, item in enumerate(value))
    )
    for key, item in entries if isinstance(value, dict | list) else [("", value)]:
        if isinstance(item, dict) or (isinstance(item, list) and any(isinstance(one, dict | list) for one in item)):
            yield f"{_INDENT * depth}{printable(str(key))}"
            yield from _tree(item, depth + 1)
        else:
            yield f"{_INDENT * depth}{printable(str(key))}: {_leaf(item)}"


def _leaf(item: Any) -> str:
    if isinstance(item, bytes):
        return item.hex()
    if isinstance(item, list):
        return ", ".join(map(_leaf, item))
    return "-" if item is None else printable(str(item))
