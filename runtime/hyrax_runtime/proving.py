"""Prove a predictor against the golden rows of its bundle, with the very steps that it predicts by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from hyrax_runtime.bundle import Bundle
from hyrax_runtime.contract_check import DataDict, InputCheck
from hyrax_runtime.environment import describe_here, packed_environment
from hyrax_runtime.errors import HyraxError, UnreadableError
from hyrax_runtime.frozen import Frozen
from hyrax_runtime.outputs import Arrays
from hyrax_runtime.routes import Route, open_graph
from hyrax_runtime.selftest import Proof, Report
from hyrax_runtime.session import VERSION, Session
from hyrax_runtime.settings import Settings


class Proving(Frozen):
    """A predictor's parts; `run` is what it does with a checked batch."""

    bundle: Bundle
    settings: Settings
    route: Route
    check: InputCheck
    run: Callable[[DataDict, int], Arrays]

    def report(self) -> Report:
        """Replay the golden rows, stage by stage."""
        proof = Proof(self.bundle.manifest, self.bundle.read)
        stages = []
        if proof.rows:
            stages += proof.compare_tensors(self._tensors, lowered=self.route.lowered)
            stages += proof.compare_graph(self._cpu_session().run)
            stages += proof.compare_device(self._predict)
        return Report(
            bundle=self.bundle.id,
            provider=self.route.session.provider,
            rows=proof.rows,
            stages=tuple(stages),
            placement=self.route.session.placement(),
            here=describe_here(VERSION, self.bundle.manifest.preprocessing, lowered=self.route.lowered),
            packed=packed_environment(self.bundle.manifest.provenance),
        )

    def runs_at_all(self) -> bool:
        """Whether the golden rows run here: then a batch in which every row fails is at fault itself."""
        try:
            proof = Proof(self.bundle.manifest, self.bundle.read)
        except UnreadableError:  # the predictor was closed: nobody can tell, and each row says what onnxruntime said
            return True
        try:
            self._predict(proof.data_dict)
        except HyraxError:
            return False
        return True

    def _tensors(self, data_dict: Mapping[str, Any]) -> Mapping[str, NDArray[Any]]:
        prepared = self.check.prepare(data_dict)
        return self.route.tensors(prepared.data_dict, prepared.rows)

    def _predict(self, data_dict: Mapping[str, Any]) -> Arrays:
        prepared = self.check.prepare(data_dict)
        return self.run(prepared.data_dict, prepared.rows)

    def _cpu_session(self) -> Session:
        session, wanted = self.route.session, self.bundle.manifest.graph.inputs
        if session.device.name == "cpu" and [each.name for each in session.inputs] == [each.name for each in wanted]:
            return session
        return open_graph(self.bundle, "model.onnx", self.settings.on_cpu)
