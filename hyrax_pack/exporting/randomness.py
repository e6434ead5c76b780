"""A graph that draws random numbers answers another way each time: refused by operator, however rarely it shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx_ir as ir

from hyrax_pack.errors import RandomnessError

_DRAWING = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
# What these give does not depend on the values that they are given.
_BLIND = frozenset({"Shape", "Size"})
_LAST_OPSET_WITH_IS_TEST = 6
_FIRST_OPSET_WITH_TRAINING_MODE = 12


def check_deterministic(model: ir.Model, lines: Mapping[str, str] | None = None) -> None:
    """Refuse a graph in which an operator draws random numbers that reach an output, in a branch or a function too.

    Multiplied by a constant 0 they do not: noise that is switched off.

    Parameters
    ----------
    model : ir.Model
    lines : mapping of str to str, optional
        Node name to the user's line.

    Raises
    ------
    RandomnessError
        Names the operator, and the line or the node.
    """
    opset = model.opset_imports.get("", _FIRST_OPSET_WITH_TRAINING_MODE)
    drawn: dict[ir.Value, ir.Node] = {}
    _follow(model.graph, opset, drawn)
    found = [drawn[value] for value in model.graph.outputs if value in drawn]
    for function in model.functions.values():
        found += [node for node in ir.traversal.RecursiveGraphIterator(function) if _draws(node, opset)]
    if found:
        name = found[0].name or ""
        where = (lines or {}).get(name) or (f"node {name!r}" if name else "a node without a name")
        raise RandomnessError(
            f"the graph holds {found[0].op_type}, which draws random numbers ({where}): it would answer another way "
            f"each time. {_cure(found[0].op_type, given=lines is None)}"
        )


def _follow(graph: ir.Graph, opset: int, drawn: dict[ir.Value, ir.Node]) -> None:
    """Note, for each value that depends on random numbers, the node that draws them."""
    for node in graph:
        source = node if _draws(node, opset) else _source(node.inputs, drawn)
        for inner in _subgraphs(node):
            _follow(inner, opset, drawn)
            source = source or _source(inner.outputs, drawn)
        if source is not None and node.op_type not in _BLIND and not _is_nought(node):
            drawn.update(dict.fromkeys(node.outputs, source))


def _source(values: Iterable[ir.Value | None], drawn: Mapping[ir.Value, ir.Node]) -> ir.Node | None:
    return next((drawn[value] for value in values if value is not None and value in drawn), None)


def _subgraphs(node: ir.Node) -> list[ir.Graph]:
    found: list[ir.Graph] = []
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            found.append(attribute.as_graph())
        elif attribute.type == ir.AttributeType.GRAPHS:
            found.extend(attribute.as_graphs())
    return found


def _draws(node: ir.Node, opset: int) -> bool:
    return node.op_type in _DRAWING or (node.op_type == "Dropout" and _drops(node, opset))


def _drops(node: ir.Node, opset: int) -> bool:
    """Whether a Dropout is, or may be, in training mode."""
    if opset <= _LAST_OPSET_WITH_IS_TEST:
        return not node.attributes.get_int("is_test", 0)
    if opset < _FIRST_OPSET_WITH_TRAINING_MODE or len(node.inputs) < 3 or node.inputs[2] is None:
        return False
    mode = ir.convenience.get_const_tensor(node.inputs[2])
    ratio = None if node.inputs[1] is None else ir.convenience.get_const_tensor(node.inputs[1])
    never = ratio is not None and not ratio.numpy().any()
    return not never and (mode is None or bool(mode.numpy().any()))


def _is_nought(node: ir.Node) -> bool:
    """Whether a node multiplies by a constant 0."""
    if node.op_type != "Mul":
        return False
    tensors = [None if value is None else ir.convenience.get_const_tensor(value) for value in node.inputs]
    return any(tensor is not None and not tensor.numpy().any() for tensor in tensors)


def _cure(operator: str, *, given: bool) -> str:
    if given:
        return "Export it from the model in evaluation mode, model.eval(), without the part that draws"
    if operator in ("Dropout", "Bernoulli"):
        return "Use nn.Dropout, or F.dropout(x, training=self.training), which is off at inference"
    return "Give the class an infer_batch that returns the deterministic part (of a variational model, the mean)"
