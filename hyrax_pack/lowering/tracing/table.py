"""The one table of what lowers: from a function to the rule for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyrax_pack.lowering.tracing import (
    rules_builtins,
    rules_counting,
    rules_creating,
    rules_fourier,
    rules_inquiring,
    rules_linear,
    rules_math,
    rules_nan,
    rules_ordering,
    rules_picking,
    rules_reducing,
    rules_shapes,
    rules_statistics,
    rules_warning,
)
from hyrax_pack.lowering.tracing.rule import Rule


def all_rules() -> Mapping[Any, Rule]:
    """Return every rule there is."""
    return {
        **rules_builtins.RULES,
        **rules_math.RULES,
        **rules_inquiring.RULES,
        **rules_warning.RULES,
        **rules_creating.RULES,
        **rules_shapes.RULES,
        **rules_reducing.RULES,
        **rules_statistics.RULES,
        **rules_nan.RULES,
        **rules_picking.RULES,
        **rules_ordering.RULES,
        **rules_counting.RULES,
        **rules_linear.RULES,
        **rules_fourier.RULES,
    }
