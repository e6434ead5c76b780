"""Functions as astronomers write them, lowered: the graph gives what the function gives."""

import numpy as np
import pytest
from hyrax_runtime.graph_gate import read_graph
from hyrax_runtime.replay import as_slots
from hyrax_runtime.session import open_session

from hyrax_pack.lowering import Lowered, Refusal
from hyrax_pack.lowering.proving.samples import gather_samples
from tests.pack.lowering.cases import CORPUS, read_case

CASES = {path.stem: read_case(path) for path in CORPUS}
LOWERS = [name for name, case in CASES.items() if case.settings.get("LOWERS", True)]
REFUSED = [name for name in CASES if name not in LOWERS]


def test_at_least_85_in_100_of_the_corpus_lower():
    assert len(CASES) >= 60
    assert len(LOWERS) / len(CASES) >= 0.85


@pytest.mark.parametrize("name", LOWERS)
def test_the_graph_gives_what_the_function_gives(name):
    case = CASES[name]
    lowered = case.lower()
    assert isinstance(lowered, Lowered), str(lowered)
    session = open_session(lowered.model, None)
    samples = gather_samples(case.contract, [case.data_dict])
    for seed, size in enumerate((1, 4, 65)):
        columns = samples.draw(size, np.random.default_rng(seed + 50), stretch=seed)
        got = session.run({one.name: columns[one.name] for one in lowered.inputs})
        wanted = as_slots(case.function(samples.data_dict(columns)), rows=size).slots
        for slot in lowered.outputs:
            tensor = wanted[slot.place]
            assert got[slot.name].dtype == tensor.dtype == slot.dtype
            if tensor.dtype.kind == "f":
                scale = np.nanmax(np.abs(tensor[np.isfinite(tensor)]), initial=1.0)
                near = 1e-3 if tensor.dtype == np.float16 else 2e-5
                np.testing.assert_allclose(got[slot.name], tensor, rtol=near, atol=near * scale)
            else:
                np.testing.assert_array_equal(got[slot.name], tensor)


@pytest.mark.parametrize("name", LOWERS[::4])
def test_the_model_passes_the_runtimes_own_gate(name):
    lowered = CASES[name].lower()
    facts = read_graph(lowered.model, "to_tensor.onnx")
    assert facts.opset == 21
    assert [port.name for port in facts.inputs] == [one.name for one in lowered.inputs]
    assert all(port.shape[0] == "N" for port in (*facts.inputs, *facts.outputs))


@pytest.mark.parametrize("name", REFUSED)
def test_what_stays_python_is_refused_with_a_reason(name):
    refusal = CASES[name].lower()
    assert isinstance(refusal, Refusal)
    assert refusal.reason.text
    assert refusal.reason.hint
    assert refusal.reason.line in range(1, len(CASES[name].text.splitlines()) + 1)
