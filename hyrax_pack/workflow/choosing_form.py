"""How to_tensor travels: as a graph where it lowers, as text where it does not, as both where nothing is demanded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from hyrax_runtime.contract import InputContract
from hyrax_runtime.difference import Allowance
from hyrax_runtime.manifest import Reason

from hyrax_pack.capturing import Captured
from hyrax_pack.errors import CaptureError, LoweringError, Problem

if TYPE_CHECKING:
    from hyrax_pack.exporting import Network
    from hyrax_pack.lowering import Refusal
    from hyrax_pack.packing import Lowered

Lower = Literal["auto", "require", "off"]


@dataclass(frozen=True)
class Form:
    """What was decided, and what to say of it.

    Attributes
    ----------
    lowered : Lowered or None
        The graphs; None where the text is replayed.
    reason : Reason or None
        Why it is replayed.
    says : tuple of str
    asked_absent : tuple of str
        Paths that the graph was made without, and that the function asks for.
    """

    lowered: Lowered | None
    reason: Reason | None
    says: tuple[str, ...]
    asked_absent: tuple[str, ...] = ()


def choose_form(
    mode: Lower,
    captured: Captured,
    contract: InputContract,
    network: Network,
    examples: Sequence[Mapping[str, Any]],
    function: Callable[[Any], Any],
) -> Form:
    """Lower to_tensor and fuse it with the network, as far as `mode` asks for it and it can be done.

    Parameters
    ----------
    mode : str
        `auto`: both forms where it lowers, the quicker marked; else the text, with the reason. `require`: no Python in
        the file, or an error. `off`: the text.
    captured, contract, network
        As they go into the bundle.
    examples : sequence of dict
        Real rows in the recorded form.
    function : callable
        The compiled text.

    Raises
    ------
    CaptureError
        Lowering has found something wrong with the function itself, in whatever form it travels.
    LoweringError
        `require`, and it cannot be done.
    """
    if mode == "off":
        return Form(None, Reason("lowering was switched off at export"), ("replayed: lowering is off",))
    from hyrax_pack.lowering import Refusal, check_fused, fuse, lower, measure_speed
    from hyrax_pack.packing import Lowered

    found = lower(captured.text, contract=contract, slots=network.slots, function=function, examples=examples)
    if isinstance(found, Refusal):
        check_sound(found, captured)
        return _replayed(mode, found.reason, refusal_in_words(found, captured))
    weights = network.weights.data if network.weights.size else None
    allowed = {
        output.name: Allowance(output.tolerance, output.relative_tolerance, output.axis) for output in network.outputs
    }
    try:
        fused = fuse(found, network.graph)
        check_fused(fused, found, network.graph, weights, contract=contract, examples=examples, allowed=allowed)
    except LoweringError as error:
        return _replayed(mode, Reason(str(error)), str(error))
    speed = measure_speed(
        found, function, contract=contract, examples=examples, network=network.graph, fused=fused, weights=weights
    )
    keep_text = mode == "auto"
    preferred = speed.preferred if keep_text else "lowered"
    says = (
        f"one graph with the network, no Python needed: {speed.lowered_us:.3g} us a row against {speed.replay_us:.3g} "
        f"replayed ({speed.rows} rows)",
        f"both forms travel; {preferred} is marked as the quicker" if keep_text else "the file holds no Python",
    )
    return Form(Lowered(found.model, fused, preferred, keep_text=keep_text), None, says, found.asked_absent)


def check_sound(refusal: Refusal, captured: Captured) -> None:
    """Refuse a function that is wrong in whatever form it travels: replaying it would be wrong as well.

    Raises
    ------
    CaptureError
        It keeps something between calls, or its rows touch one another where they were found to stand alone.
    """
    if refusal.is_unsound:
        raise CaptureError(f"{captured.origin}: to_tensor", [Problem("", refusal_in_words(refusal, captured))])


def refusal_in_words(refusal: Refusal, captured: Captured) -> str:
    """Say why to_tensor does not lower, with the line of the user's file."""
    where = captured.place(refusal.reason.line or 0)
    what = str(replace(refusal, reason=replace(refusal.reason, line=None)))
    return f"{where}: {what}" if where else what


def _replayed(mode: Lower, reason: Reason, words: str) -> Form:
    if mode == "require":
        raise LoweringError(f"to_tensor does not lower into ONNX: {words}")
    return Form(None, reason, (f"replayed as Python text, it does not lower: {words}",))
