"""Single rows in a graph: what they are made into, which rows a value knows of, and the same for another row.

A trace of rows writes down operations of our own for what a loop does with rows. They are gone when a model is made: a
value that is still one of several rows then, or of all, is no value of one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hyrax_pack.lowering.graph.building import Graph, Node, Shape, Value, needed_nodes

ROW, STACK, PUT = "hyrax:Row", "hyrax:Stack", "hyrax:Put"
ALL_ROWS = -1


def bare_row(graph: Graph, value: Value, axis: int, row: int) -> Value:
    """Return one row of a value as an operation of its own."""
    return graph.one(ROW, [value], value.dtype, without_axis(value.shape, axis), axis=axis, row=row)


def stack_rows(graph: Graph, rows: Sequence[Value]) -> Value:
    """Return the batch that rows make up, one after the other."""
    first = rows[0]
    return graph.one(STACK, rows, first.dtype, (graph.rows, *first.shape))


def put_row(graph: Graph, base: Value, axis: int, row: int, new: Value) -> Value:
    """Return a batch in which one row is another."""
    return graph.one(PUT, [base, new], base.dtype, base.shape, axis=axis, row=row)


def rows_behind(value: Value, known: dict[str, frozenset[int]]) -> frozenset[int]:
    """Return the rows that a value depends on; ALL_ROWS among them where it depends on the batch as a whole.

    `known` keeps what was found.
    """
    for node in needed_nodes([value], known):
        row = _field_row(node)
        behind = frozenset({row}) if row is not None else _union(node, known)
        if _is_free_size(node):
            behind = frozenset()  # the same for every row
        known.update(dict.fromkeys(node.outputs, behind))
    return known.get(value.name, _leaf(value))


def renamed_row(graph: Graph, value: Value, row: int, other: int) -> Value:
    """Return what a value of one row would be for another row: the same operations on the other row's fields."""

    def moved(node: Node) -> Value | None:
        source = node.inputs[0]
        is_own = node.op == ROW and source is not None and source.node is None and node.attributes["row"] == row
        return bare_row(graph, source, 0, other) if is_own and source is not None else None

    return _rebuilt(graph, value, moved)


def with_own_sizes(graph: Graph, value: Value) -> Value:
    """Return a value of the first row that asks the row, and not the field, for the sizes of its free axes."""

    def asked(node: Node) -> Value | None:
        source, axis = node.inputs[0], node.attributes.get("start")
        if not _is_free_size(node) or source is None or not isinstance(axis, int):
            return None
        row = bare_row(graph, source, 0, 0)
        return graph.one("Shape", [row], node.dtypes[0], node.shapes[0], start=axis - 1, end=axis)

    return _rebuilt(graph, value, asked)


def _rebuilt(graph: Graph, value: Value, replace: Callable[[Node], Value | None]) -> Value:
    """Return a value with some of the operations behind it replaced."""
    made: dict[str, Value] = {}
    for node in needed_nodes([value]):
        new = replace(node)
        if new is not None:
            made[node.outputs[0]] = new
            continue
        inputs = [one if one is None else made.get(one.name, one) for one in node.inputs]
        outputs = graph.emit(node.op, inputs, node.dtypes, node.shapes, **node.attributes)
        made.update(zip(node.outputs, outputs, strict=True))
    return made.get(value.name, value)


def _field_row(node: Node) -> int | None:
    """Return the row of a field that a node stands for; None where it stands for anything else."""
    source, row = node.inputs[0] if node.inputs else None, node.attributes.get("row")
    is_of_field = node.op == ROW and source is not None and source.node is None
    return row if is_of_field and isinstance(row, int) else None


def _is_free_size(node: Node) -> bool:
    """Whether a node asks a field for the size of another axis than the batch."""
    source = node.inputs[0] if node.inputs else None
    return node.op == "Shape" and source is not None and source.node is None and node.attributes.get("start") != 0


def _union(node: Node, known: dict[str, frozenset[int]]) -> frozenset[int]:
    behind: frozenset[int] = frozenset()
    for one in node.inputs:
        if one is not None:
            behind |= known.get(one.name, _leaf(one))
    return behind


def _leaf(value: Value) -> frozenset[int]:
    """A field or the size of the batch is of all rows; a constant is of none."""
    return frozenset() if value.constant is not None or value.node is not None else frozenset({ALL_ROWS})


def without_axis(shape: Shape, axis: int) -> Shape:
    """Return a shape that lacks one axis."""
    return shape[:axis] + shape[axis + 1 :]
