"""Carrying out the calls of the user's text: by a rule, by numpy on what is known, or as they are.

A function with a rule is lowered by it; what knows nothing of traced values is called as it is, and whatever in it
needs a real value refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from hyrax_runtime.manifest import Reason

from hyrax_pack.lowering.graph.building import NoCounterpart
from hyrax_pack.lowering.operations.casting import cast
from hyrax_pack.lowering.refusal import Refused
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.calculating import number_as
from hyrax_pack.lowering.tracing.complexes import TracedComplex
from hyrax_pack.lowering.tracing.explaining import explained, name_of, really
from hyrax_pack.lowering.tracing.numbers import TracedNumber
from hyrax_pack.lowering.tracing.rows import is_stacked
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import flat_parts, holds_traced, traced_in
from hyrax_pack.lowering.tracing.text import line_in_text
from hyrax_pack.lowering.tracing.wrapping import adopt, known, known_pair, wrap

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

Arguments = Sequence[Any]
Options = Mapping[str, Any]

# What gives something else tomorrow, or reads files.
_OUTSIDE = (
    np.datetime64, np.load, np.loadtxt, np.genfromtxt, np.fromfile, np.memmap, np.save, np.savez, np.savetxt,
    np.show_config, np.get_include,
)  # fmt: skip
_CLOCK = frozenset({"now", "today"})
_SHIFTS = (np.fft.fftshift, np.fft.ifftshift)


def carry_out(trace: Trace, function: Any, args: Arguments, kwargs: Options) -> Any:
    """Carry out a call of the user's text."""
    rule = _rule_for(trace, function)
    if rule is not None and rule.is_always:
        return explained(trace, function, args, kwargs, lambda: rule.lower(trace, *args, **kwargs))
    _refuse_chance(trace, function)
    if not holds_traced(args, kwargs):
        _refuse_clock(trace, function, args, kwargs)
        return known(trace, function(*args, **kwargs))
    if rule is not None:
        return carry_out_numpy(trace, function, args, kwargs)
    if isinstance(function, type) and issubclass(function, np.generic):
        return _as_scalar(trace, function, args, kwargs)
    return explained(trace, function, args, kwargs, lambda: function(*args, **kwargs))


def carry_out_numpy(trace: Trace, function: Any, args: Arguments, kwargs: Options) -> Any:
    """Lower one of numpy's functions by its rule."""
    rule = _rule_for(trace, function)
    spectra = [one for one in traced_in([list(args)]) if isinstance(one, TracedComplex)]
    if (spectra and str(getattr(function, "__module__", "")) != "numpy.fft") or (function in _SHIFTS and spectra):
        return explained(trace, function, args, kwargs, lambda: spectra[0].apply(function, args, kwargs))
    if rule is not None and rule.is_special:
        return explained(trace, function, args, kwargs, lambda: rule.lower(trace, *args, **kwargs))
    out = kwargs.get("out")
    plain = {name: value for name, value in kwargs.items() if name != "out"}
    operands = list(traced_in([list(args), plain]))
    if all(isinstance(one, Traced) and one.is_known for one in operands):
        real = really(trace, function, args, plain)
        result = known_pair(trace, real, operands)
        if result is not None or real[0] is None:
            return _into(trace, out, result)
    if rule is None:
        trace.refuse(
            "this function does not lower", construct=name_of(function), hint="see docs/lowering.md for what does"
        )
    real = really(trace, function, args, plain)
    try:
        made = explained(trace, function, args, plain, lambda: _lowered(trace, rule, args, plain))
        return _into(trace, out, adopt(trace, real, made, operands))
    except NoCounterpart as error:
        trace.refuse(str(error), construct=name_of(function))


def _as_scalar(trace: Trace, kind: type[np.generic], args: Arguments, kwargs: Options) -> Any:
    """Lower `np.float32(x)` and its like."""
    real = really(trace, kind, args, kwargs)
    if isinstance(args[0], TracedNumber):
        return wrap(trace, real, number_as(trace, args[0], np.dtype(kind)))
    value = trace.array_of(args[0]).value
    trace.check_cast(value, np.dtype(kind))
    return wrap(trace, real, cast(trace.graph, value, np.dtype(kind)))


def _lowered(trace: Trace, rule: Rule, args: Arguments, kwargs: Options) -> Any:
    for position, construct in rule.edges.items():
        for one in traced_in([list(args[position : position + 1]), dict(kwargs)]):
            if isinstance(one, Traced):
                trace.require_exact(one.value, construct)
    asked = kwargs.get("dtype", next((one for one in args[1:] if isinstance(one, type | np.dtype)), None))
    if asked is not None:
        for one in traced_in([[trace.array_of(one) if is_stacked(one) else one for one in args]]):
            if isinstance(one, Traced):
                trace.check_cast(one.value, asked)
    trace.rules_running += 1
    try:
        return rule.lower(trace, *args, **kwargs)
    finally:
        trace.rules_running -= 1


def _into(trace: Trace, out: Any, result: Any) -> Any:
    if out is None:
        return result
    target = out[0] if isinstance(out, tuple) else out
    if not isinstance(target, TracedArray):
        trace.refuse("out= is no array of the function's own", construct="out=")
    target[...] = result
    return target


def _rule_for(trace: Trace, function: Any) -> Rule | None:
    try:
        return trace.rules.get(function)
    except TypeError:  # unhashable: no function of numpy
        return None


def _refuse_chance(trace: Trace, function: Any) -> None:
    if function in _OUTSIDE:
        trace.refuse("this looks beyond the data", construct=name_of(function), hint="compute from data_dict only")
    owner = getattr(function, "__self__", None)
    home = getattr(function, "__module__", None) or type(owner).__module__
    if str(home).startswith("numpy.random") or type(owner).__module__.startswith("numpy.random"):
        trace.refuse("random numbers", construct=name_of(function), hint="draw them in the data set, as a field")


def _refuse_clock(trace: Trace, function: Any, args: Arguments, kwargs: Options) -> None:
    """Refuse numpy's own words for the present: what they stand for would be that of the export."""
    parts = flat_parts([list(args), dict(kwargs)])
    if any(isinstance(one, str) and one.strip().lower() in _CLOCK for one in parts):
        hint = "pass the time as a field of the data set"
        reason = Reason("the present time", line_in_text(sys._getframe(1)), name_of(function), hint)
        trace.stop(Refused(reason, is_unsound=True))
