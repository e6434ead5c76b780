"""Which values are numpy's to the last bit, in every runtime, and which are right but for their last digits.

Adding, multiplying, dividing, square roots, rounding, comparing and moving are one operation each with one right
result. Exponentials, logarithms, sines, powers, sums in an order of the runtime's own and products of matrices are not:
numpy and a runtime differ there in the last bits, and so may two versions of either.
"""

from __future__ import annotations

from hyrax_pack.lowering.graph.building import Graph, Node, Value, needed_nodes

_APPROXIMATE = frozenset(
    {
        "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "DFT", "Einsum", "Exp", "Log", "MatMul",
        "Pow", "ReduceProd", "ReduceSum", "Sin", "Sinh", "Tan", "Tanh",
    }
)  # fmt: skip


def is_inexact(graph: Graph, value: Value) -> bool:
    """Whether a float may differ from numpy's in its last bits."""
    if value.dtype.kind != "f" or value.node is None:
        return False
    known = graph.inexact
    for node in needed_nodes([value], known):
        behind = any(known.get(one.name, False) for one in node.inputs if one is not None)
        rounds = _rounds_in_its_own_way(node)
        known.update({name: known.get(name, False) or behind or rounds for name in node.outputs})
    return known.get(value.name, False)


def inexact_source(graph: Graph, value: Value) -> str:
    """Say what makes a value differ from numpy's in its last bits."""
    for node in needed_nodes([value]):
        if _rounds_in_its_own_way(node) or any(graph.inexact.get(name) for name in node.outputs):
            return _WORDS.get(node.op, "a function that runtimes compute in ways of their own")
    return "a function that runtimes compute in ways of their own"


_WORDS = {
    "Log": "a logarithm",
    "Exp": "an exponential",
    "Pow": "a power",
    "Sin": "a sine",
    "Cos": "a cosine",
    "MatMul": "a product of matrices",
    "Einsum": "a sum over products",
    "DFT": "a spectrum",
    "ReduceSum": "a sum whose order is not known",
    "ReduceProd": "a product over an axis",
}


def mark_inexact(graph: Graph, value: Value) -> Value:
    """Say of a value, made of exact operations, that it approximates what numpy computes in another way."""
    if value.dtype.kind == "f" and value.node is not None:
        graph.inexact.update(dict.fromkeys(value.node.outputs, True))
    return value


def _rounds_in_its_own_way(node: Node) -> bool:
    if node.op not in _APPROXIMATE or node.dtypes[0].kind != "f":
        return False
    return not (node.op == "ReduceSum" and _adds_whole_numbers(node))


def _adds_whole_numbers(node: Node) -> bool:
    """Whether a sum is one of integers of up to 32 bits, or of truth: exact in whatever order."""
    value = node.inputs[0]
    while value is not None and value.node is not None and value.node.op == "Cast":
        source = value.node.inputs[0]
        if source is not None and source.dtype.kind in "biu" and source.dtype.itemsize <= 4:
            return node.dtypes[0].itemsize == 8
        value = source
    return False
