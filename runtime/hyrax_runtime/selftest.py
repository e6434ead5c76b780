"""Prove on this machine what the bundle proved where it was made, stage by stage.

    golden raw rows --to_tensor--> golden tensors --graph, on the CPU--> golden outputs
    golden raw rows --------- the whole way, on the device that was asked for --------> golden outputs

The first stage that drifts is the one to look at: to_tensor (numpy's version?), graph (onnxruntime's version?), device
(reduced precision?).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.contract_check import nest
from hyrax_runtime.difference import Allowance, compare, lowering_allowance, rounding_allowance
from hyrax_runtime.errors import DriftError, HyraxError
from hyrax_runtime.frozen import Frozen
from hyrax_runtime.golden import decode_column
from hyrax_runtime.manifest import Golden, Manifest

StageName = Literal["to_tensor", "graph", "device"]
Arrays = Mapping[str, NDArray[Any]]


class Stage(Frozen):
    """One comparison: `where` is the graph input or output.

    `difference` and `tolerance` are absolute, at the place that comes closest to what is allowed there or goes beyond
    it the furthest: every column, and every row, is held to its own.

    `difference` is infinite where the two cannot be compared (a NaN beside a number, another shape or dtype, an error);
    `note` then says why.
    """

    name: StageName
    where: str
    difference: float
    tolerance: float
    passed: bool
    note: str = ""


class Report(Frozen):
    """What a self-test found.

    `placement` counts operators by the execution provider that runs them. `here` and `packed` are the versions on this
    machine and where the bundle was proven.
    """

    bundle: str
    provider: str
    rows: int
    stages: tuple[Stage, ...]
    placement: dict[str, dict[str, int]]
    here: dict[str, str]
    packed: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether every stage was compared and none drifts."""
        return bool(self.stages) and all(stage.passed for stage in self.stages)

    @property
    def drift(self) -> Stage | None:
        """The first comparison that failed: the one to look at."""
        return next((stage for stage in self.stages if not stage.passed), None)

    def to_plain(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON; a difference that is infinite stands as text."""
        plain = asdict(self) | {"passed": self.passed, "drift": self.drift.name if self.drift else None}
        for stage in plain["stages"]:
            stage["difference"] = stage["difference"] if math.isfinite(stage["difference"]) else "infinite"
        return plain

    def require_passed(self) -> None:
        """Raise DriftError unless everything agrees."""
        drift = self.drift
        if drift is None and self.passed:
            return
        if drift is None:
            raise DriftError(f"bundle {self.bundle} holds no golden rows, so nothing proves this machine")
        by = f"differs by {drift.difference:.3g} where {drift.tolerance:.3g} is allowed"
        found = by if math.isfinite(drift.difference) else drift.note
        raise DriftError(f"this machine drifts from what was proven, first in {drift.name} ({drift.where}): {found}")


class Proof:
    """The golden rows of a bundle, decoded once, and the comparisons made with them."""

    def __init__(self, manifest: Manifest, read: Callable[[str], bytes]) -> None:
        golden: Golden = manifest.golden
        self.rows = golden.rows
        self.data_dict = nest({column.path: decode_column(column, read) for column in golden.input})
        self.tensors: dict[str, NDArray[Any]] = {c.path: np.asarray(decode_column(c, read)) for c in golden.tensors}
        self.outputs: dict[str, NDArray[Any]] = {c.path: np.asarray(decode_column(c, read)) for c in golden.outputs}
        self._allowed = {
            output.name: Allowance(output.tolerance, output.relative_tolerance, output.axis)
            for output in manifest.outputs
        }

    def compare_tensors(self, make: Callable[[Mapping[str, Any]], Arrays], *, lowered: bool = False) -> list[Stage]:
        """Compare what `make` makes of the raw rows with the golden tensors: integers exactly, floats within 64 ulp.

        A lowered `to_tensor` may differ by what lowering itself allows: 2e-5 of the scale in float32, 1e-9 in float64.
        The scale is each column's own.
        """
        allowance = lowering_allowance if lowered else rounding_allowance
        allowed = {name: allowance(array) for name, array in self.tensors.items()}
        return _compare("to_tensor", self.tensors, allowed, lambda: make(self.data_dict))

    def compare_graph(self, run: Callable[[Arrays], Arrays]) -> list[Stage]:
        """Compare what `run` computes from the golden tensors with the golden outputs."""
        return _compare("graph", self.outputs, self._allowed, lambda: run(self.tensors))

    def compare_device(self, predict: Callable[[Mapping[str, Any]], Arrays]) -> list[Stage]:
        """Compare what comes out of the whole way with the golden outputs."""
        return _compare("device", self.outputs, self._allowed, lambda: predict(self.data_dict))


def _compare(
    name: StageName, wanted: Arrays, allowed: Mapping[str, Allowance], compute: Callable[[], Arrays]
) -> list[Stage]:
    try:
        got = compute()
    except HyraxError as error:
        return [Stage(name, where, math.inf, 0.0, False, str(error)) for where in wanted]
    return [_stage(name, where, array, got.get(where), allowed[where]) for where, array in wanted.items()]


def _stage(name: StageName, where: str, wanted: NDArray[Any], got: NDArray[Any] | None, allowed: Allowance) -> Stage:
    note = _unlike(wanted, got)
    if note or got is None:
        return Stage(name, where, math.inf, 0.0, False, note)
    apart = compare(wanted, got, allowed.at(wanted))
    if math.isinf(apart.difference):
        note = "NaN or infinity stands on one side only"
    elif not apart.within:
        note = f"at golden row {apart.place[0]}" + (f", place {list(apart.place[1:])}" if apart.place[1:] else "")
    return Stage(name, where, apart.difference, apart.allowed, apart.within, note)


def _unlike(wanted: NDArray[Any], got: NDArray[Any] | None) -> str:
    if got is None:
        return "nothing came out under this name"
    if got.shape != wanted.shape:
        return f"shape {got.shape} came out where {wanted.shape} was proven"
    if got.dtype != wanted.dtype:
        return f"dtype {got.dtype} came out where {wanted.dtype} was proven"
    return ""
