"""What a schema cannot say of a manifest: that its parts agree with one another.

Called on a manifest whose shape is right. Each check notes what it finds and none depends on another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from hyrax_runtime.container import MAX_SMALL_MEMBER, MEMBER_ALIGN, WEIGHTS_ALIGN
from hyrax_runtime.manifest import ITEM_SIZE, MEMBER_OF_ROLE, GoldenColumn, Manifest, Member, Output, Role
from hyrax_runtime.manifest_records import Problems

# The bits of the fraction, for one unit in the last place; integers and bools must agree exactly.
_FRACTION_BITS = {"float16": 10, "float32": 23, "float64": 52, "complex64": 23, "complex128": 52}
_ROUNDING = 1.001  # between the packer's arithmetic and ours


def check_manifest(manifest: Manifest, problems: Problems) -> None:
    """Note in `problems` every contradiction of `manifest`."""
    _check_members(manifest.members, problems)
    _check_forms(manifest, problems)
    _check_slots(manifest, problems)
    _check_unique("contract.fields", (field.path for field in manifest.contract.fields), problems)
    _check_unique("graph.inputs", (entry.name for entry in manifest.graph.inputs), problems)
    _check_unique("outputs", (output.name for output in manifest.outputs), problems)
    for output in manifest.outputs:
        _check_tolerance(output, problems)
    _check_golden(manifest, problems)


def _check_unique(where: str, names: Iterable[str], problems: Problems) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            problems.add(where, f"{name!r} stands {count} times")


def _folders_of(names: Iterable[str]) -> set[str]:
    """Every folder that a name stands in, those around it too."""
    folders: set[str] = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def _check_members(members: tuple[Member, ...], problems: Problems) -> None:
    _check_unique("members", (member.name for member in members), problems)
    roles = list(MEMBER_OF_ROLE)
    rank = [(roles.index(member.role), member.name) for member in members]
    if rank != sorted(rank):
        problems.add("members", f"out of order; expected {', '.join(roles)}, and golden members by name")
    folders = _folders_of(member.name for member in members)
    for member in members:
        where = f"members.{member.name}"
        expected = MEMBER_OF_ROLE[member.role]
        if member.role == "golden":
            if not (member.name.startswith(expected) and member.name.endswith(".bin")):
                problems.add(f"{where}.role", f"'golden' is the role of {expected}*.bin")
        elif member.name != expected:
            problems.add(f"{where}.role", f"{member.role!r} is the role of {expected}")
        align = WEIGHTS_ALIGN if member.role == "weights" else MEMBER_ALIGN
        if member.align != align:
            problems.add(f"{where}.align", f"{member.align}; expected {align}")
        if member.role != "weights" and member.size > MAX_SMALL_MEMBER:
            problems.add(f"{where}.size", f"{member.size} bytes; only weights.bin may be over {MAX_SMALL_MEMBER}")
        if member.size == 0 and member.role != "golden":
            problems.add(f"{where}.size", "0 bytes; a member with nothing in it is left out")
        if member.name in folders:
            problems.add(where, "is a folder of another member's name as well")


def _check_forms(manifest: Manifest, problems: Problems) -> None:
    roles = {member.role for member in manifest.members}
    forms, preferred = manifest.preprocessing.forms, manifest.preprocessing.preferred
    if "graph" not in roles:
        problems.add("members", "model.onnx is missing")
    carriers: tuple[tuple[str, Role], ...] = (("replay", "to_tensor"), ("lowered", "lowered"))
    for form, role in carriers:
        if (form in forms) != (role in roles):
            said = "is" if form in forms else "is not"
            held = "is" if role in roles else "is not"
            problems.add(
                "preprocessing.forms", f"{form!r} {said} listed, but {MEMBER_OF_ROLE[role]} {held} among the members"
            )
    if "fused" in roles and "lowered" not in forms:
        problems.add("preprocessing.forms", "fused.onnx is there, but 'lowered' is not listed")
    if preferred not in forms:
        problems.add("preprocessing.preferred", f"{preferred!r} is not among the forms")
    if manifest.preprocessing.reason is not None and "lowered" in forms:
        problems.add("preprocessing.reason", "says why to_tensor was not lowered, but 'lowered' is listed")


def _check_slots(manifest: Manifest, problems: Problems) -> None:
    slots = manifest.preprocessing.slots
    if manifest.preprocessing.returns == "array" and len(slots) != 1:
        problems.add("preprocessing.slots", f"{len(slots)} slots; a to_tensor that returns an array has one")
    inputs = {entry.name: entry for entry in manifest.graph.inputs}
    fed = Counter(slot.graph_input for slot in slots if slot.graph_input is not None)
    for name, count in fed.items():
        if name not in inputs:
            problems.add("preprocessing.slots", f"{name!r} is no input of the graph; it has {', '.join(inputs)}")
        elif count > 1:
            problems.add("preprocessing.slots", f"{count} slots feed the graph input {name!r}")
    for name in inputs:
        if name not in fed:
            problems.add(f"graph.inputs.{name}", "no slot of to_tensor feeds it")
    for position, slot in enumerate(slots):
        entry = inputs.get(slot.graph_input or "")
        if entry is not None and (slot.dtype, slot.shape) != (entry.dtype, entry.shape):
            problems.add(
                f"preprocessing.slots.{position}",
                f"{slot.dtype} {list(slot.shape)} feeds {entry.name!r}, which takes {entry.dtype} {list(entry.shape)}",
            )


def _check_tolerance(output: Output, problems: Problems) -> None:
    """A tolerance beyond what its own figures justify would let a self-test pass whatever it computes."""
    figures = {
        "tolerance": output.tolerance,
        "relative_tolerance": output.relative_tolerance,
        "noise_floor": output.noise_floor,
        "scale": output.scale,
    }
    places = _places(output, problems)
    lists = {key: (value,) if not isinstance(value, tuple) else value for key, value in figures.items()}
    for key, values in lists.items():
        if (output.axis is None) == isinstance(figures[key], tuple) or (places and len(values) != places):
            expected = "one number" if output.axis is None else f"{places} numbers, one for each place of axis"
            problems.add(f"outputs.{output.name}.{key}", f"{len(values)} figures; expected {expected}")
            return
    for at in range(len(lists["tolerance"])):
        suffix = "" if output.axis is None else f".{at}"
        _check_figures(output, {key: values[at] for key, values in lists.items()}, suffix, problems)


def _places(output: Output, problems: Problems) -> int:
    """How many places the axis has that the figures stand for; 0 where there is no such axis."""
    if output.axis is None:
        return 0
    size = output.shape[output.axis] if output.axis < len(output.shape) else None
    if isinstance(size, int):
        return size
    problems.add(f"outputs.{output.name}.axis", f"{output.axis} is no axis of fixed size in {list(output.shape)}")
    return 0


def _check_figures(output: Output, figures: Mapping[str, float], suffix: str, problems: Problems) -> None:
    where = f"outputs.{output.name}"
    tolerance, floor, scale = figures["tolerance"], figures["noise_floor"], figures["scale"]
    bits = _FRACTION_BITS.get(output.dtype)
    if bits is None:
        for key in ("tolerance", "relative_tolerance"):
            if figures[key] != 0:
                said = f"{figures[key]}; {output.dtype} values agree exactly or not at all: expected 0"
                problems.add(f"{where}.{key}{suffix}", said)
        return
    ulp = math.ldexp(1.0, math.frexp(scale)[1] - bits)  # of the binade above, where the scale is a power of 2
    most = max(16 * floor, 8 * ulp) * _ROUNDING
    if tolerance > most:
        said = f"{tolerance}; its noise floor and scale allow at most {most:.3g}"
        problems.add(f"{where}.tolerance{suffix}", said)
    if floor > scale:
        problems.add(f"{where}.noise_floor{suffix}", f"{floor} is more than the scale, {scale}")


def _check_golden(manifest: Manifest, problems: Problems) -> None:
    golden = manifest.golden
    sizes = {member.name: member.size for member in manifest.members if member.role == "golden"}
    fields = {field.path: (field.kind, field.dtype) for field in manifest.contract.fields}
    inputs = {entry.name: ("array", entry.dtype) for entry in manifest.graph.inputs}
    outputs = {output.name: ("array", output.dtype) for output in manifest.outputs}
    needed = {field.path for field in manifest.contract.fields if field.read}
    _check_columns("golden.input", golden.input, fields, needed, problems)
    _check_columns("golden.tensors", golden.tensors, inputs, set(inputs), problems)
    _check_columns("golden.outputs", golden.outputs, outputs, set(outputs), problems)
    used: Counter[str] = Counter()
    for part, columns in (("input", golden.input), ("tensors", golden.tensors), ("outputs", golden.outputs)):
        for column in columns:
            where = f"golden.{part}.{column.path}"
            used.update(name for name in (column.values, column.offsets, column.shapes) if name is not None)
            for fault in _size_faults(column, golden.rows, sizes):
                problems.add(where, fault)
    for name, count in used.items():
        if count > 1:
            problems.add(f"members.{name}", f"holds {count} golden columns; expected one")
    for name in sizes:
        if name not in used:
            problems.add(f"members.{name}", "no golden column names it")


def _check_columns(
    where: str,
    columns: tuple[GoldenColumn, ...],
    known: Mapping[str, tuple[str, str]],
    needed: set[str],
    problems: Problems,
) -> None:
    """Columns of one stage: each named once, all that are needed, of the kind and dtype described elsewhere."""
    _check_unique(where, (column.path for column in columns), problems)
    for column in columns:
        if column.path not in known:
            problems.add(f"{where}.{column.path}", "nothing of this name is described in the manifest")
        elif (column.kind, column.dtype) != known[column.path]:
            kind, dtype = known[column.path]
            problems.add(f"{where}.{column.path}", f"{column.kind} of {column.dtype}; described as {kind} of {dtype}")
    for path in sorted(needed - {column.path for column in columns}):
        problems.add(where, f"no column for {path!r}")


def _size_faults(column: GoldenColumn, rows: int, sizes: dict[str, int]) -> Iterator[str]:
    """Members that are missing, or of another size than dtype, shape and rows make."""
    if column.kind == "array" and column.shape[:1] != (rows,):
        yield f"shape {list(column.shape)}; expected {rows} rows"
    if column.kind != "array" and len(column.shape) != 1:
        yield f"shape {list(column.shape)}; the values of {column.kind} rows stand in one dimension"
    expected = {column.values: math.prod(column.shape) * ITEM_SIZE.get(column.dtype, 1)}
    if column.offsets is not None:
        expected[column.offsets] = 8 * (rows + 1)
    for name, size in expected.items():
        if name not in sizes:
            yield f"no golden member is called {name!r}"
        elif sizes[name] != size:
            yield f"{name} has {sizes[name]} bytes; expected {size}"
    if column.shapes is not None:
        if column.shapes not in sizes:
            yield f"no golden member is called {column.shapes!r}"
        elif sizes[column.shapes] % (8 * rows):
            yield f"{column.shapes} has {sizes[column.shapes]} bytes; expected whole rows of int64, {rows} of them"
