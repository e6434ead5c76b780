"""The two routes from fields to outputs: replay the captured `to_tensor`, or run the graph that it was lowered to.

replay     fields --Python text--> tensors --model.onnx--> outputs
lowered    fields -----------fused.onnx----------------> outputs
           fields --to_tensor.onnx--> tensors --model.onnx--> outputs, where nothing is fused
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyrax_runtime.bundle import Bundle
from hyrax_runtime.contract import InputContract
from hyrax_runtime.errors import NotLoweredError, UntrustedError, UsageError
from hyrax_runtime.feeding import Feed, Feeds, field_feed, replay_feed
from hyrax_runtime.frozen import Frozen, replace
from hyrax_runtime.replay import check_requirements, compile_protected
from hyrax_runtime.session import Session, open_session
from hyrax_runtime.settings import Python, Settings
from hyrax_runtime.trust import Trust, require_trust


class Route(Frozen):
    """A bundle made ready to run.

    `feed` makes what `session` takes from a batch that fits `contract`; `tensors` makes what `to_tensor` would give,
    by the names of model.onnx's inputs, for the self-test to compare.
    """

    lowered: bool
    contract: InputContract
    feed: Feed
    session: Session
    tensors: Feed


def open_route(bundle: Bundle, settings: Settings, trust: Trust) -> Route:
    """Choose the quicker route of those that may run, or the one without Python where that is demanded, and open it.

    Raises
    ------
    NotLoweredError
        `python="never"`, and the bundle holds Python only.
    TrustError
        Python would have to run, and nobody allowed it; or the bundle is another than the pinned one.
    RequirementError
        The text imports what is not installed here.
    UsageError, SessionError, ProviderError
        As `open_session`.
    """
    if settings.python not in ("allow", "never"):
        raise UsageError(f"python={settings.python!r} is not one of allow, never")
    lowered = _runs_lowered(bundle, settings.python)
    try:
        require_trust(bundle, trust, runs_python=not lowered)
    except UntrustedError:
        if "lowered" not in bundle.manifest.preprocessing.forms:
            raise
        lowered = True  # the slower of two proven forms, and it needs nobody's consent
    return _lowered_route(bundle, settings) if lowered else _replay_route(bundle, settings)


def open_graph(bundle: Bundle, member: str, settings: Settings) -> Session:
    """Make a session of one of the bundle's graphs, on its weights."""
    return open_session(
        bundle.read(member),
        bundle.weights(),
        device=settings.device,
        memory=settings.memory,
        threads=settings.threads,
        tuning=settings.tuning,
    )


def stacked_contract(contract: InputContract) -> InputContract:
    """Return the contract as a lowered graph takes it: every field one array, whatever form training used."""
    return replace(contract, fields=tuple(replace(one, form="stacked", element="array") for one in contract.fields))


def _runs_lowered(bundle: Bundle, python: Python) -> bool:
    preprocessing = bundle.manifest.preprocessing
    if "lowered" in preprocessing.forms:
        return python == "never" or preprocessing.preferred == "lowered"
    if python == "never":
        reason = preprocessing.reason
        because = f": {reason.text}" + (f" (line {reason.line})" if reason.line else "") if reason else ""
        raise NotLoweredError(f"{bundle.where}: python='never', and its to_tensor travels as Python only{because}")
    return False


def _replay_route(bundle: Bundle, settings: Settings) -> Route:
    preprocessing = bundle.manifest.preprocessing
    check_requirements(preprocessing.requirements, bundle.where)
    function = compile_protected(bundle.source or "", on_copy=preprocessing.mutates_input)
    feed = replay_feed(function, preprocessing)
    return Route(False, bundle.contract, feed, open_graph(bundle, "model.onnx", settings), feed)


def _lowered_route(bundle: Bundle, settings: Settings) -> Route:
    contract = stacked_contract(bundle.contract)
    to_tensor = open_graph(bundle, "to_tensor.onnx", settings.on_cpu)
    fields = field_feed([each.name for each in to_tensor.inputs])

    def tensors(data_dict: Mapping[str, Any], rows: int) -> Feeds:
        return to_tensor.run(fields(data_dict, rows))

    if any(member.role == "fused" for member in bundle.manifest.members):
        session = open_graph(bundle, "fused.onnx", settings)
        return Route(True, contract, field_feed([each.name for each in session.inputs]), session, tensors)
    return Route(True, contract, tensors, open_graph(bundle, "model.onnx", settings), tensors)
