"""What would be silently wrong is refused, or right: branches on values, state, views, NaN, ties, wrap-around."""

import pytest

from hyrax_pack.lowering import Lowered, Refusal
from hyrax_pack.lowering.proving.gate import Promise, check_graph
from hyrax_pack.lowering.proving.noise import ShakenFunction
from hyrax_pack.lowering.proving.samples import gather_samples
from tests.pack.lowering.cases import HAZARDS, read_case

CASES = {path.stem: read_case(path) for path in HAZARDS}
RIGHT = [name for name, case in CASES.items() if "REFUSED" not in case.settings]
REFUSED = [name for name in CASES if name not in RIGHT]
# Whether their dtype depends on values: refused for that, and right to be.
UNSETTLED = ["greatest_by_the_builtin", "shortcut_or_default"]


def test_there_are_at_least_40_hazards():
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", [name for name in RIGHT if name not in UNSETTLED])
def test_a_hazard_that_lowers_is_right_on_other_rows_too(name):
    case = CASES[name]
    lowered = case.lower()
    assert isinstance(lowered, Lowered), str(lowered)
    assert list(lowered.asked_absent) == case.settings.get("ASKED", [])
    relative = 1e-9 if all(one.dtype not in ("float16", "float32") for one in lowered.inputs) else 2e-5
    promises = [Promise(slot.name, slot.place, relative) for slot in lowered.outputs]
    samples = gather_samples(case.contract, [case.data_dict])
    names = [one.name for one in lowered.inputs]
    for seed in (7, 8):
        shaken = ShakenFunction(case.text)
        assert check_graph(lowered.model, case.function, shaken, promises, samples, names, seed=seed) is None


@pytest.mark.parametrize("name", REFUSED)
def test_a_hazard_that_cannot_be_right_is_refused(name):
    refusal = CASES[name].lower()
    assert isinstance(refusal, Refusal), f"{name} lowered"
    assert CASES[name].settings["REFUSED"] in str(refusal)


@pytest.mark.parametrize("name", UNSETTLED)
def test_a_dtype_that_depends_on_values_is_refused(name):
    assert "is recorded" in str(CASES[name].lower())
