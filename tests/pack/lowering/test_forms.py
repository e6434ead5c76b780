"""Whole batch, row by row, Scan: which form a function takes, and that the forms agree."""

import numpy as np
import onnx
import pytest
from hyrax_runtime.session import open_session

from hyrax_pack.lowering import Lowered, Refusal
from hyrax_pack.lowering.compiling import draw_shadows
from hyrax_pack.lowering.graph.model import Outlet
from hyrax_pack.lowering.graph.scanning import to_scan_model
from hyrax_pack.lowering.proving.samples import gather_samples
from hyrax_pack.lowering.tracing.running import write_down
from tests.pack.lowering.cases import CORPUS, build_case, read_case

LOOPS = [path for path in CORPUS if " for " in path.read_text() and "one_by_one" in path.stem]
HEAD = "def to_tensor(d):\n    import numpy as np\n"


def case_of(body, **fields):
    described = {f"data/{name}": list(one) for name, one in fields.items()}
    return build_case(HEAD + "".join(f"    {line}\n" for line in body.splitlines()), described)


def nodes_of(lowered):
    return [node.op_type for node in onnx.load_model_from_string(lowered.model).graph.node]


X = ("float32", [4], -3, 3)


def test_a_loop_over_rows_becomes_a_graph_of_the_batch():
    found = case_of("return np.stack([row / (row.max() + 1) for row in d['data']['x']])", x=X).lower()
    assert (found.mode, found.form) == ("row", "whole")
    assert "Scan" not in nodes_of(found)


def test_a_length_that_depends_on_the_row_runs_in_a_scan():
    found = case_of("return np.stack([row - row[row > 0].sum() for row in d['data']['x']])", x=X).lower()
    assert (found.mode, found.form) == ("row", "scan")
    assert nodes_of(found) == ["Scan"]


@pytest.mark.parametrize("path", LOOPS, ids=[path.stem for path in LOOPS])
def test_the_graph_of_the_batch_and_the_scan_agree(path):
    case = read_case(path)
    lowered = case.lower()
    samples = gather_samples(case.contract, [case.data_dict])
    written = write_down(case.text, case.contract, case.slots, draw_shadows(samples, "row"), "row")
    outlets = [
        Outlet(case.slots[place].graph_input, value, case.slots[place].shape)
        for place, value in written.outputs.items()
    ]
    shapes = {one.name: one.shape for one in lowered.inputs}
    scan = to_scan_model(outlets, written.inputs, shapes).SerializeToString()
    feeds = {name: samples.draw(9, np.random.default_rng(4))[name] for name in shapes}
    whole, rows = (open_session(model, None).run(feeds) for model in (lowered.model, scan))
    for name, value in whole.items():
        np.testing.assert_allclose(value, rows[name], rtol=1e-5, atol=1e-5)


def test_a_field_that_nothing_depends_on_is_no_input():
    found = case_of("n = len(d['data']['y'])\nreturn np.asarray(d['data']['x']).reshape(n, 4)", x=X, y=X).lower()
    assert [one.name for one in found.inputs] == ["data/x"]


def test_an_output_that_depends_on_the_number_of_rows_alone_still_has_an_input():
    body = "x = np.asarray(d['data']['x'])\nreturn x, np.full((len(x), 2), -1, dtype=np.int64)"
    case = case_of(body, x=X)
    found = case.lower()
    assert [slot.dtype for slot in found.outputs] == ["float32", "int64"]
    got = open_session(found.model, None).run({"data/x": np.zeros((3, 4), np.float32)})
    np.testing.assert_array_equal(got["slot_1"], np.full((3, 2), -1))


def test_absent_and_pruned_slots_are_no_outputs():
    case = case_of("x = np.asarray(d['data']['x'])\nreturn x, None, x * 2", x=X)
    found = case.lower()
    assert [(slot.place, slot.name) for slot in found.outputs] == [(0, "slot_0"), (2, "slot_2")]


def test_every_dtype_of_a_field_goes_in_and_comes_out():
    dtypes = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float64"]
    fields = {f"f{at}": (dtype, [3], 0, 1) for at, dtype in enumerate(dtypes)}
    body = "return " + ", ".join(f"np.asarray(d['data']['{name}'])[:, ::-1]" for name in fields)
    found = case_of(body, **fields).lower()
    assert isinstance(found, Lowered), str(found)
    assert [slot.dtype for slot in found.outputs] == dtypes
    assert [one.dtype for one in found.inputs] == dtypes


def test_a_free_dimension_stays_free():
    text = HEAD + "    return np.asarray(d['data']['flux']).cumsum(axis=1)\n"
    case = build_case(text, {"data/flux": ["float32", ["flux.1"], -3, 3]}, FORM="collated")
    found = case.lower()
    assert found.inputs[0].shape == ("N", "flux.1")
    session = open_session(found.model, None)
    for length in (3, 20):
        assert session.run({"data/flux": np.ones((2, length), np.float32)})["slot_0"].shape == (2, length)


@pytest.mark.parametrize(
    "path", ["to_tensor/batch", "to_tensor/t2", "to_tensor/c1", "to_tensor/batch_axis", "network/x", "row of x", "N"]
)
@pytest.mark.parametrize("body", ["x / x.shape[1]", "np.stack([r[r > 0].sum() * r for r in x])"], ids=["whole", "scan"])
def test_a_field_may_be_called_as_a_value_of_our_own_was(path, body):
    group, _, name = path.rpartition("/")
    place = f"d['{group}']['{name}']" if group else f"d['{name}']"
    found = build_case(f"{HEAD}    x = np.asarray({place})\n    return {body}\n", {path: list(X)}).lower()
    assert isinstance(found, Lowered), str(found)
    assert [one.name for one in found.inputs] == [path]


def test_a_field_that_is_called_as_an_input_of_the_network_is_named():
    found = build_case(f"{HEAD}    return np.asarray(d['slot_0'])\n", {"slot_0": list(X)}).lower()
    assert "the field 'slot_0' is called as an input of the network" in str(found)


def test_curves_of_257_points_are_sorted_by_time():
    curves = {"t": ("float32", [257], 0, 90), "flux": ("float32", [257], -1, 9)}
    body = (
        "t, flux = np.asarray(d['data']['t']), np.asarray(d['data']['flux'])\n"
        "return np.take_along_axis(flux, np.argsort(t, axis=1, kind='stable'), axis=1)"
    )
    assert isinstance(found := case_of(body, **curves).lower(), Lowered), str(found)


def test_lowering_twice_gives_the_same_bytes():
    case = read_case(CORPUS[0])
    assert case.lower().model == case.lower().model


def test_a_model_has_no_clock_host_or_path_inside():
    model = onnx.load_model_from_string(read_case(CORPUS[0]).lower().model)
    assert (model.producer_name, model.ir_version) == ("hyrax-pack", 10)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 21)]
    assert not model.metadata_props
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_a_field_that_was_not_seen_to_be_read_is_not_relied_on():
    from dataclasses import replace

    case = case_of("return np.asarray(d['data']['x'])", x=X)
    unread = replace(case.contract, fields=tuple(replace(one, read=False) for one in case.contract.fields))
    case.contract = unread
    found = case.lower()
    assert isinstance(found, Refusal)
    assert "not seen to be read" in str(found)


RECORDS = """
@dataclass
class Star:
    flux: float
    error: float = 2.0
stars = [Star(float(v)) for v in d['data']['v']]
return np.array([star.flux / 2 + star.error for star in stars])
"""
NAMED = RECORDS.replace("@dataclass\nclass Star:", "class Star(NamedTuple):")
PLAIN_PYTHON = {
    "a record of each row": "from dataclasses import dataclass" + RECORDS,
    "a named tuple of each row": "from typing import NamedTuple" + NAMED,
    "one bit of a flag word": "return np.array([1.0 if int(k) & 4 else 0.0 for k in d['data']['k']])",
    "the byte above the lowest": "return np.array([(int(k) >> 8) & 255 for k in d['data']['k']])",
    "other bits": "return np.array([((~int(k) | 3) ^ 5) & 127 for k in d['data']['k']])",
    "the product of decomposed constants": (
        "parts = np.linalg.svd(np.arange(16.0).reshape(4, 4) + np.eye(4))\nreturn np.asarray(d['data']['x']) @ parts.Vh"
    ),
}

PLAIN_PYTHON |= {
    "rows counted from one": (
        "out = []\nfor i, row in enumerate(d['data']['x'], 1):\n    out.append(row * 2)\nreturn np.stack(out)"
    ),
    "rows counted from one and put in their places": (
        "out = np.zeros((len(d['data']['x']), 4), np.float32)\nfor i, row in enumerate(d['data']['x'], start=1):\n"
        "    out[i - 1] = row\nreturn out"
    ),
    "the largest of each row set to zero": (
        "x = np.array(d['data']['x'])\nnp.put_along_axis(x, x.argmax(axis=1)[:, None], 0, axis=1)\nreturn x"
    ),
    "what is put twice in one place": (
        "x = np.array(d['data']['x'])\nat = np.clip(x, 0, 3).astype(np.int64)\n"
        "np.put_along_axis(x, at, np.arange(4.0), axis=1)\nreturn x"
    ),
    "counts of whole numbers": (
        "return np.stack([np.bincount((row * 3).astype(np.int64) % 4, minlength=4) for row in d['data']['x']])"
    ),
    "counts of quotients": (
        "return np.array([np.bincount([k % 100 // 32], minlength=4) for k in np.asarray(d['data']['k'])])"
    ),
    "counts of whole numbers by weight": (
        "return np.stack([np.bincount(np.clip(row.astype(np.int64), 0, 3), row, 5) for row in d['data']['x']])"
    ),
    "a histogram by weight": (
        "return np.stack([np.histogram(row, 6, (-3, 3), weights=row * row)[0] for row in d['data']['x']])"
    ),
    "the power of a spectrum over its length": (
        "x = np.asarray(d['data']['x'])\nx = np.where(np.isfinite(x), x, 0)\nreturn np.abs(np.fft.rfft(x) / 4) ** 2"
    ),
    "the logarithm of a power spectrum": (
        "x = np.clip(np.asarray(d['data']['x']), -1e5, 1e5)\nreturn np.log1p(np.abs(np.fft.rfft(x)) ** 2)"
    ),
}


@pytest.mark.parametrize("what", PLAIN_PYTHON)
def test_plain_python_of_a_row_lowers(what):
    fields = {"x": X, "v": ("float32", [], 0, 9), "k": ("int32", [], -70000, 70000)}
    found = case_of(PLAIN_PYTHON[what].strip(), **fields).lower()
    assert isinstance(found, Lowered), str(found)
