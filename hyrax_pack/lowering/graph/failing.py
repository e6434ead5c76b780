"""Which operations may fail for some values of the data: an index out of range, shapes that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

from hyrax_pack.lowering.graph.building import Node, Value, unknown_axes

_PICKING = frozenset({"Gather", "GatherElements", "GatherND"})


def may_fail(node: Node) -> bool:
    """Whether an operation may fail, or not, depending on the values that come in."""
    inputs = [value for value in node.inputs if value is not None]
    if node.op in _PICKING:
        return inputs[1].constant is None or _picks_from_unknown(node, inputs[0])
    if node.op == "Reshape":
        return len(unknown_axes(node.shapes[0])) != len(unknown_axes(inputs[0].shape))
    return _may_clash(inputs)


def _picks_from_unknown(node: Node, table: Value) -> bool:
    axis = node.attributes.get("axis", 0)
    return not (isinstance(axis, int) and isinstance(table.shape[axis], int))


def _may_clash(operands: Sequence[Value]) -> bool:
    """Whether operands have sizes along one axis that need not be the same."""
    rank = max((value.rank for value in operands), default=0)
    for axis in range(-rank, 0):
        dims = [value.shape[axis] for value in operands if value.rank >= -axis and value.shape[axis] != 1]
        is_unknown = any(not isinstance(dim, int) for dim in dims)
        if is_unknown and any(dim is None or dim is not dims[0] for dim in dims[1:]):
            return True
    return False
