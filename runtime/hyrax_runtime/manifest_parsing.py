"""Plain values to a `Manifest`, and back: the hand-written twin of schemas/manifest.v1.schema.json.

Parsing has two parts. Here, the shape: every key, type, range and closed list, as the schema has them. In
`manifest_checks`, what a schema cannot say: that the parts agree with one another. Either lists all it finds.
"""

from __future__ import annotations

import re
from typing import Any

from hyrax_runtime.container import MAX_MEMBER_SIZE, MAX_MEMBERS, MEMBER_ALIGN, WEIGHTS_ALIGN
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.errors import ManifestError, VersionError
from hyrax_runtime.manifest import (
    FORMAT_MAJOR,
    FORMAT_MINOR,
    IR_VERSIONS,
    ITEM_SIZE,
    MEMBER_OF_ROLE,
    OPSETS,
    Golden,
    GoldenColumn,
    Graph,
    GraphInput,
    Manifest,
    Member,
    Output,
    Preprocessing,
    Reason,
    Requirement,
    Slot,
)
from hyrax_runtime.manifest_checks import check_manifest
from hyrax_runtime.manifest_records import (
    GREATEST_INT,
    MAX_KEYS,
    MAX_RANK,
    MAX_TEXT,
    Problems,
    Record,
    TooManyProblemsError,
)

MAX_GOLDEN_ROWS = 4096
MOST_RELATIVE_TOLERANCE = 0.05
# Lower-case ASCII in at most three components, none a Windows device or ending in a dot: one name on every file system.
_COMPONENT = r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:[./]|$))[a-z0-9_](?:[a-z0-9._-]{0,62}[a-z0-9_-])?"
_MEMBER_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT}){{0,2}}")
_TEXT_DTYPES = {"string": ("str",), "bytes": ("bytes",)}
_FIELD_PATH = re.compile(r"[^\x00-\x1f\x7f/]+(/[^\x00-\x1f\x7f/]+)?")
_CURE = "Export the bundle again with hyrax-pack 1.x."


def parse_manifest(raw: dict[str, Any], source: str) -> Manifest:
    """The manifest that `raw` holds; `source` names the file in messages.

    Raises
    ------
    VersionError
        `raw` is of another major version.
    ManifestError
        Anything else is wrong; `problems` lists every fault with its key path (the first 50, where there are more).
    """
    _check_version(raw, source)
    problems = Problems()
    try:
        manifest = _parse_top(Record(raw, "", problems))
        if not problems:
            check_manifest(manifest, problems)
    except TooManyProblemsError:
        pass
    if problems:
        raise ManifestError(f"{source} manifest", problems, _cure(raw))
    return manifest


def manifest_to_plain(manifest: Manifest) -> dict[str, Any]:
    """`manifest` as maps, lists and leaves, the reverse of `parse_manifest`."""
    from dataclasses import asdict  # only a writer asks

    plain = asdict(manifest)
    extensions = plain.pop("extensions")
    return {"format": {"major": FORMAT_MAJOR, "minor": FORMAT_MINOR}, **_as_lists(plain), **extensions}


def _as_lists(value: Any) -> Any:
    """`value` with lists in place of tuples, as msgpack reads them back."""
    if isinstance(value, dict):
        return {key: _as_lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_lists(item) for item in value]
    return value


def _check_version(raw: dict[str, Any], source: str) -> None:
    version = raw.get("format")
    major = version.get("major") if isinstance(version, dict) else None
    if isinstance(major, int) and not isinstance(major, bool) and major != FORMAT_MAJOR:
        raise VersionError(
            f"{source} manifest: format {major}; this hyrax-runtime reads format {FORMAT_MAJOR}. "
            f"Install the hyrax-runtime that reads format {major}, or export the bundle again with hyrax-pack 1.x"
        )


def _cure(raw: dict[str, Any]) -> str:
    version = raw.get("format")
    minor = version.get("minor") if isinstance(version, dict) else None
    if isinstance(minor, int) and minor > FORMAT_MINOR:
        known = f"{FORMAT_MAJOR}.{FORMAT_MINOR}"
        return f"It says format {FORMAT_MAJOR}.{minor}; this reader knows {known}: update hyrax-runtime."
    return _CURE


def _parse_top(top: Record) -> Manifest:
    version = top.record("format")
    version.integer("major", FORMAT_MAJOR, FORMAT_MAJOR)
    version.integer("minor", 0, GREATEST_INT)
    version.close()
    manifest = Manifest(
        name=top.text("name"),
        members=top.rows("members", _parse_member, named="name", least=2, most=MAX_MEMBERS - 2),
        contract=_parse_contract(top.record("contract")),
        preprocessing=_parse_preprocessing(top.record("preprocessing")),
        graph=_parse_graph(top.record("graph")),
        outputs=top.rows("outputs", _parse_output, named="name", least=1, most=MAX_KEYS),
        golden=_parse_golden(top.record("golden")),
        parity=top.free("parity"),
        batch_proof=top.free("batch_proof"),
        provenance=top.free("provenance"),
        metrics=top.numbers("metrics"),
        extensions=top.extensions(),
    )
    top.close()
    return manifest


def _parse_member(row: Record) -> Member:
    return Member(
        name=row.text("name", pattern=_MEMBER_NAME, longest=194),
        size=row.integer("size", 0, MAX_MEMBER_SIZE),
        crc32=row.integer("crc32", 0, 0xFFFFFFFF),
        sha256=row.digest("sha256"),
        role=row.choice("role", MEMBER_OF_ROLE),
        align=row.integer("align", MEMBER_ALIGN, WEIGHTS_ALIGN),
    )


def _parse_contract(record: Record) -> InputContract:
    contract = InputContract(
        fields=record.rows("fields", _parse_field, named="path", least=1, most=MAX_KEYS),
        batch=record.choice("batch", ("independent", "joint")),
        id_field=record.text_or_none("id_field"),
        asked_absent=record.texts("asked_absent", most=MAX_KEYS),
    )
    record.close()
    return contract


def _parse_field(row: Record) -> FieldContract:
    kind = row.choice("kind", ("array", "ragged", "string", "bytes"))
    return FieldContract(
        path=row.text("path", pattern=_FIELD_PATH),
        kind=kind,
        dtype=row.choice("dtype", _dtypes_of(kind)),
        shape=row.shape("shape", batched=False),
        form=row.choice("form", ("list", "stacked", "collated")),
        element=row.choice("element", ("array", "scalar", "python")),
        read=row.flag("read"),
        least=row.number_or_none("least"),
        greatest=row.number_or_none("greatest"),
        nan_share=row.number("nan_share", 0, 1),
        unit=row.text_or_none("unit"),
        description=row.text_or_none("description", longest=MAX_TEXT),
    )


def _dtypes_of(kind: str) -> tuple[str, ...]:
    return _TEXT_DTYPES.get(kind, tuple(ITEM_SIZE))


def _parse_preprocessing(record: Record) -> Preprocessing:
    reason = record.record_or_none("reason")
    preprocessing = Preprocessing(
        forms=record.choices("forms", ("replay", "lowered")),
        preferred=record.choice("preferred", ("replay", "lowered")),
        returns=record.choice("returns", ("array", "tuple")),
        slots=record.rows("slots", _parse_slot, least=1),
        mutates_input=record.flag("mutates_input"),
        requirements=record.rows("requirements", _parse_requirement, named="module", most=MAX_KEYS),
        reason=None if reason is None else _parse_reason(reason),
    )
    record.close()
    return preprocessing


def _parse_slot(row: Record) -> Slot:
    kind = row.choice("kind", ("tensor", "none", "empty"))
    slot = Slot(
        kind=kind,
        dtype=row.choice("dtype", ("",) if kind == "none" else tuple(ITEM_SIZE)),
        shape=row.shape("shape", batched=kind == "tensor"),
        graph_input=row.text_or_none("graph_input"),
    )
    if kind == "none" and slot.shape:
        row.note("shape", "a slot that is None has no shape; expected []")
    if kind != "tensor" and slot.graph_input is not None:
        row.note("graph_input", f"a slot of kind {kind!r} feeds no input; expected nil")
    return slot


def _parse_requirement(row: Record) -> Requirement:
    return Requirement(row.text("module"), row.text_or_none("distribution"), row.text_or_none("version"))


def _parse_reason(record: Record) -> Reason:
    reason = Reason(
        text=record.text("text", pattern=re.compile(r"(?s).+"), longest=MAX_TEXT),
        line=record.integer_or_none("line", 1, GREATEST_INT),
        construct=record.text_or_none("construct", longest=MAX_TEXT),
        hint=record.text_or_none("hint", longest=MAX_TEXT),
    )
    record.close()
    return reason


def _parse_graph(record: Record) -> Graph:
    graph = Graph(
        opset=record.integer("opset", OPSETS[0], OPSETS[-1]),
        ir_version=record.integer("ir_version", IR_VERSIONS[0], IR_VERSIONS[-1]),
        inputs=record.rows("inputs", _parse_graph_input, named="name", least=1, most=MAX_KEYS),
    )
    record.close()
    return graph


def _parse_graph_input(row: Record) -> GraphInput:
    return GraphInput(row.text("name"), row.choice("dtype", ITEM_SIZE), row.shape("shape", batched=True))


def _parse_output(row: Record) -> Output:
    return Output(
        name=row.text("name"),
        dtype=row.choice("dtype", ITEM_SIZE),
        shape=row.shape("shape", batched=True),
        tolerance=row.number_or_numbers("tolerance", 0),
        noise_floor=row.number_or_numbers("noise_floor", 0),
        scale=row.number_or_numbers("scale", 0),
        classes=row.texts_or_none("classes"),
        relative_tolerance=row.number_or_numbers("relative_tolerance", 0, MOST_RELATIVE_TOLERANCE),
        axis=row.integer_or_none("axis", 1, MAX_RANK - 1),
    )


def _parse_golden(record: Record) -> Golden:
    golden = Golden(
        rows=record.integer("rows", 1, MAX_GOLDEN_ROWS),
        input=record.rows("input", _parse_column, named="path", most=MAX_KEYS),
        tensors=record.rows("tensors", _parse_column, named="path", most=MAX_KEYS),
        outputs=record.rows("outputs", _parse_column, named="path", least=1, most=MAX_KEYS),
    )
    record.close()
    return golden


def _parse_column(row: Record) -> GoldenColumn:
    kind = row.choice("kind", ("array", "ragged", "string", "bytes"))
    column = GoldenColumn(
        path=row.text("path"),
        kind=kind,
        dtype=row.choice("dtype", _dtypes_of(kind)),
        shape=row.sizes("shape"),
        values=row.text("values", pattern=_MEMBER_NAME, longest=194),
        offsets=row.text_or_none("offsets"),
        shapes=row.text_or_none("shapes"),
    )
    if kind in ("ragged", "string", "bytes") and column.offsets is None:
        row.note("offsets", f"nil; {kind} rows need offsets")
    if kind == "array" and column.offsets is not None:
        row.note("offsets", f"{column.offsets!r}; rows of one shape have none")
    if kind != "ragged" and column.shapes is not None:
        row.note("shapes", f"{column.shapes!r}; only ragged rows have shapes of their own")
    return column
