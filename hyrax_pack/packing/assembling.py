"""Put a bundle together: manifest, members, golden rows; written, then proven by the runtime that production uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hyrax_runtime.bundle import Bundle, open_bundle
from hyrax_runtime.contract import InputContract
from hyrax_runtime.loading import load
from hyrax_runtime.manifest import Golden, Manifest, Member, Preprocessing, Reason, Role
from hyrax_runtime.replay import compile_function

from hyrax_pack.capturing import Captured
from hyrax_pack.errors import PackError
from hyrax_pack.exporting import Network
from hyrax_pack.packing.golden import make_golden
from hyrax_pack.packing.writing import MemberSource, member_of, write_bundle


@dataclass(frozen=True)
class Lowered:
    """to_tensor as a graph: `to_tensor.onnx`, and `fused.onnx` with the network, where they fuse."""

    graph: bytes
    fused: bytes | None = None
    preferred: Literal["replay", "lowered"] = "lowered"
    keep_text: bool = True


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle beside the network.

    Attributes
    ----------
    name : str
        The model's name.
    captured : Captured
        The text of to_tensor.
    contract : InputContract
    golden_data : dict
        The golden rows, as the data set gives them: what to_tensor is called with.
    golden_rows : int
    mutates_input : bool
        Whether to_tensor writes into its input, and so runs on a copy.
    provenance : dict
    metrics : dict of str to float
        Values that are not finite are left out.
    lowered : Lowered, optional
    reason : Reason, optional
        Why to_tensor did not lower.
    config_toml, card, license_text : str, optional
    """

    name: str
    captured: Captured
    contract: InputContract
    golden_data: Mapping[str, Any]
    golden_rows: int
    mutates_input: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    lowered: Lowered | None = None
    reason: Reason | None = None
    config_toml: str | None = None
    card: str | None = None
    license_text: str | None = None


def pack(path: str | Path, network: Network, contents: Contents) -> Bundle:
    """Write the bundle, prove it by its own self-test, and put it in its place.

    Parameters
    ----------
    path : path
        A bundle there is replaced at the very end, in one step; on any failure nothing changes.
    network : Network
        From `hyrax_pack.exporting.export_network`.
    contents : Contents

    Returns
    -------
    Bundle
        The file, opened.

    Raises
    ------
    PackError
        The folder cannot be written, or the golden rows lack a field.
    DriftError
        The finished file does not reproduce its own golden rows.
    ReplayError
        to_tensor answers in another form than at export.
    """
    path = Path(path)
    to_tensor = compile_function(contents.captured.text)
    golden = make_golden(network, to_tensor, contents.contract, contents.golden_data, contents.golden_rows)
    sources = [*_sources(network, contents), *golden.sources]
    write_bundle(path, _manifest_of(network, contents, golden.golden), sources, prove)
    return open_bundle(path)


def prove(path: Path) -> None:
    """Run the self-test of a bundle just written; its maker trusts it by its id.

    Raises
    ------
    DriftError
        A stage does not reproduce the golden rows.
    """
    with open_bundle(path) as bundle:
        identity = bundle.id
        forms = bundle.manifest.preprocessing.forms
    with load(path, trust=identity) as predictor:
        predictor.selftest().require_passed()
    if "lowered" in forms and "replay" in forms:
        with load(path, trust=identity, python="never") as predictor:
            predictor.selftest().require_passed()


def _manifest_of(network: Network, contents: Contents, golden: Golden) -> Callable[[tuple[Member, ...]], Manifest]:
    if contents.contract.batch != network.batch:
        raise PackError(
            f"the input contract says batch {contents.contract.batch!r}, the network was proven for {network.batch!r}"
        )

    def manifest_of(members: tuple[Member, ...]) -> Manifest:
        return Manifest(
            name=contents.name,
            members=members,
            contract=contents.contract,
            preprocessing=_preprocessing(network, contents),
            graph=network.description,
            outputs=network.outputs,
            golden=golden,
            parity=network.parity,
            batch_proof=network.batch_proof,
            provenance=dict(contents.provenance),
            metrics={name: float(value) for name, value in contents.metrics.items() if math.isfinite(value)},
            extensions={},
        )

    return manifest_of


def _preprocessing(network: Network, contents: Contents) -> Preprocessing:
    lowered = contents.lowered
    forms: list[Literal["replay", "lowered"]] = []
    if lowered is None or lowered.keep_text:
        forms.append("replay")
    if lowered is not None:
        forms.append("lowered")
    return Preprocessing(
        forms=tuple(forms),
        preferred="replay" if lowered is None else lowered.preferred,
        returns=network.returns,
        slots=network.slots,
        mutates_input=contents.mutates_input,
        requirements=contents.captured.requirements,
        reason=contents.reason,
    )


def _sources(network: Network, contents: Contents) -> Iterator[MemberSource]:
    yield member_of("model.onnx", "graph", network.graph)
    lowered = contents.lowered
    if lowered is None or lowered.keep_text:
        yield member_of("to_tensor.py", "to_tensor", contents.captured.text.encode("utf-8"))
    if lowered is not None:
        yield member_of("to_tensor.onnx", "lowered", lowered.graph)
        if lowered.fused is not None:
            yield member_of("fused.onnx", "fused", lowered.fused)
    texts: tuple[tuple[str, Role, str | None], ...] = (
        ("card.md", "card", contents.card),
        ("license.txt", "license", contents.license_text),
        ("config.toml", "config", contents.config_toml),
    )
    for name, role, text in texts:
        if text:
            yield member_of(name, role, text.encode("utf-8"))
    if network.weights.size:
        yield MemberSource("weights.bin", "weights", network.weights.size, network.weights.buffers)
