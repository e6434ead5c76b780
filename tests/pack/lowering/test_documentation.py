"""docs/lowering.md names every function that lowers."""

import re
from pathlib import Path

from hyrax_pack.lowering.operations.loops import LOOPS
from hyrax_pack.lowering.tracing import (
    rules_counting,
    rules_creating,
    rules_fourier,
    rules_linear,
    rules_nan,
    rules_ordering,
    rules_picking,
    rules_reducing,
    rules_shapes,
    rules_statistics,
)

PAGE = Path(__file__).parents[3] / "docs" / "lowering.md"
MODULES = (
    rules_counting,
    rules_creating,
    rules_fourier,
    rules_linear,
    rules_nan,
    rules_ordering,
    rules_picking,
    rules_reducing,
    rules_shapes,
    rules_statistics,
)
REFUSING = {"asarray_chkfinite"}
OTHER_NAMES = {"amax": "max", "amin": "min", "concat": "concatenate", "permute_dims": "transpose"}


def test_every_function_with_a_rule_is_named():
    words = set(re.findall(r"[a-z_0-9]+", PAGE.read_text()))
    functions = {function.__name__ for module in MODULES for function in module.RULES} | {one.__name__ for one in LOOPS}
    named = {OTHER_NAMES.get(name, name) for name in functions - REFUSING}
    assert named <= words, sorted(named - words)
