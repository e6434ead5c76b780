"""Preprocessing and network as one graph: what the lowered function gives is what the network takes, by name.

The network's tensors stay where they are, outside in weights.bin; both graphs are of one opset and of the standard
domain, so that nothing is converted on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from hyrax_runtime.contract import InputContract
from hyrax_runtime.difference import Allowance, compare
from hyrax_runtime.errors import RunError
from hyrax_runtime.session import Session, open_session
from numpy.typing import NDArray
from onnx import helper

from hyrax_pack.errors import LoweringError
from hyrax_pack.lowering.graph.building import IR_VERSION, OPSET, OWN
from hyrax_pack.lowering.graph.model import PRODUCER
from hyrax_pack.lowering.lowered import Lowered
from hyrax_pack.lowering.proving.quiet import quiet_stderr
from hyrax_pack.lowering.proving.samples import Samples, gather_samples
from hyrax_pack.lowering.proving.stress import stress_columns

_BATCH_SIZES = (1, 3, 64)
_STRESSED_SHARE = 1e-4
_JOINT_CASES = 24


def fuse(lowered: Lowered, network: bytes) -> bytes:
    """Return one graph that takes the fields and gives the network's outputs.

    Parameters
    ----------
    lowered : Lowered
    network : bytes
        The network's graph, opset 21; its tensors may be outside, in weights.bin, and stay there.

    Raises
    ------
    LoweringError
        The two do not fit: another opset, an input that nothing gives, another dtype.
    """
    first = onnx.load_model_from_string(lowered.model)
    second = onnx.load_model_from_string(network)
    _check_opset(second)
    _check_fit(first, second)
    _keep_names_apart(first, second)
    body = helper.make_graph(
        [*first.graph.node, *second.graph.node],
        "fused",
        list(first.graph.input),
        list(second.graph.output),
        [*first.graph.initializer, *second.graph.initializer],
        value_info=list(second.graph.value_info),
    )
    fused = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
    )
    data: bytes = fused.SerializeToString()
    return data


def check_fused(
    fused: bytes,
    lowered: Lowered,
    network: bytes,
    weights: memoryview | None,
    *,
    contract: InputContract,
    examples: Iterable[Mapping[str, Any]],
    allowed: Mapping[str, Allowance],
) -> float:
    """Run the fused graph against the two it was made of; return the greatest difference for ordinary rows.

    On batches of 1, 3 and 64, and on rows under stress: where the two meet, a runtime may make one operation of two.

    Parameters
    ----------
    allowed : mapping from output name to Allowance
        How far each output may be off: its own tolerances. Under stress, where outputs may be of any size, a
        ten-thousandth of the output is allowed as well.

    Raises
    ------
    LoweringError
        An output differs by more.
    """
    samples = gather_samples(contract, list(examples))
    random = np.random.default_rng(0)
    whole, before = open_session(fused, weights), open_session(lowered.model, None)
    after = open_session(network, weights)
    worst = 0.0
    for size in _BATCH_SIZES:
        columns = samples.draw(size, random)
        feeds = {one.name: columns[one.name] for one in lowered.inputs}
        wanted, got = after.run(before.run(feeds)), whole.run(feeds)
        for name, array in wanted.items():
            apart = compare(array, got[name], allowed[name].at(array))
            if not apart.within:
                raise LoweringError(
                    f"fused graph: output {name!r} differs by {apart.difference:.3g} from the two graphs it was made "
                    f"of, more than its tolerance of {apart.allowed:.3g}, for {size} rows"
                )
            worst = max(worst, apart.difference)
    for feeds in _stressed(samples, lowered, before, after, joint=contract.batch == "joint"):
        wanted, got = after.run(before.run(feeds)), whole.run(feeds)
        for name, array in wanted.items():
            if not _is_near(array, got[name], allowed[name]):
                raise LoweringError(
                    f"fused graph: output {name!r} differs from that of the two graphs it was made of for a row under "
                    "stress (NaN, infinities, the ends of integers)"
                )
    return worst


def _stressed(
    samples: Samples, lowered: Lowered, before: Session, after: Session, *, joint: bool
) -> Iterator[dict[str, Any]]:
    """Yield inputs under stress that both graphs take: in one batch, or one by one among ordinary rows.

    The network's graph may refuse rows too: those with whole numbers that the model refuses.
    """
    random = np.random.default_rng(1)
    names = [one.name for one in lowered.inputs]
    columns = stress_columns(samples, names, random)
    size = len(columns[names[0]])
    passing = [
        row for row in range(size) if _run(before, after, {name: columns[name][row : row + 1] for name in names})
    ]
    if not joint:
        if passing:
            yield {name: columns[name][passing] for name in names}
        return
    for row in passing[:: max(1, len(passing) // _JOINT_CASES)]:
        company = samples.draw(3, random)
        yield {name: np.concatenate([company[name], columns[name][row : row + 1]]) for name in names}


def _run(before: Session, after: Session, feeds: Mapping[str, Any]) -> bool:
    try:
        with quiet_stderr():
            after.run(before.run(feeds))
    except (RunError, RuntimeError):
        return False
    return True


def _is_near(wanted: NDArray[Any], got: NDArray[Any], allowed: Allowance) -> bool:
    """Whether outputs are the same, NaN and infinities among them, within a tolerance that grows with the output."""
    if wanted.dtype.kind != "f":
        return bool(np.array_equal(wanted, got))
    with np.errstate(all="ignore"):
        same = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
        near = np.isfinite(wanted) & (np.abs(wanted - got) <= allowed.at(wanted) + _STRESSED_SHARE * np.abs(wanted))
    return bool((same | near).all())


def _check_opset(network: onnx.ModelProto) -> None:
    found = {one.domain or "ai.onnx": one.version for one in network.opset_import}
    if found != {"ai.onnx": OPSET} or network.functions:
        listed = ", ".join(f"{domain} {version}" for domain, version in found.items()) or "no opset"
        functions = " with functions of its own" if network.functions else ""
        raise LoweringError(
            f"the network's graph is of {listed}{functions}; only ai.onnx {OPSET} without functions fuses with the "
            "lowered to_tensor"
        )


def _check_fit(first: onnx.ModelProto, second: onnx.ModelProto) -> None:
    given = {one.name: one.type.tensor_type.elem_type for one in first.graph.output}
    held = {one.name for one in second.graph.initializer}
    taken = {one.name: one.type.tensor_type.elem_type for one in second.graph.input if one.name not in held}
    if set(given) != set(taken):
        raise LoweringError(
            f"the network takes {_listed(taken)}; the lowered to_tensor gives {_listed(given)}: they must be the same"
        )
    for name, dtype in given.items():
        if dtype != taken[name]:
            kinds = [onnx.TensorProto.DataType.Name(one).lower() for one in (taken[name], dtype)]
            raise LoweringError(f"the network takes {name!r} as {kinds[0]}; the lowered to_tensor gives {kinds[1]}")


def _keep_names_apart(first: onnx.ModelProto, second: onnx.ModelProto) -> None:
    """Rename what the network calls by a name of the first graph; its inputs are where the two meet."""
    meeting = {one.name for one in first.graph.output}
    mine = {one.name for one in (*first.graph.input, *first.graph.initializer)}
    mine |= {name for node in first.graph.node for name in node.output}
    outputs = {one.name for one in second.graph.output}
    if outputs & (mine - meeting):
        raise LoweringError(f"the network's output {_listed(outputs & mine)} bears the name of a field")
    renamed = {name: f"{OWN}network/{name}" for name in _names_made(second.graph) & mine - meeting}
    if renamed:
        _rename(second.graph, renamed)


def _names_made(graph: onnx.GraphProto) -> set[str]:
    names = {one.name for one in graph.initializer} | {name for node in graph.node for name in node.output}
    return names | {name for inner in _subgraphs(graph) for name in _names_made(inner)}


def _rename(graph: onnx.GraphProto, renamed: Mapping[str, str]) -> None:
    for one in (*graph.initializer, *graph.value_info, *graph.input, *graph.output):
        one.name = renamed.get(one.name, one.name)
    for node in graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                names[at] = renamed.get(name, name)
    for inner in _subgraphs(graph):
        _rename(inner, renamed)


def _subgraphs(graph: onnx.GraphProto) -> list[onnx.GraphProto]:
    return [one.g for node in graph.node for one in node.attribute if one.type == onnx.AttributeProto.GRAPH]


def _listed(names: Iterable[str]) -> str:
    listed: Sequence[str] = sorted(names)
    return ", ".join(map(repr, listed)) or "nothing"
