"""The lowered form against replay, the network behind both: a batch of 64, and how long lowering takes.

    python -m pytest tests/benchmarks/test_lowering.py -m slow -s --benchmark-disable

The sizes are those of alerts and spectra: cutouts of 3x63x63, 24 features, light curves of 257x7, spectra of 4,096. The
network is a small one (two convolutions, or two dense layers), so that preprocessing counts. Prints every ratio and the
medians; the aims are a median of at most 1.0 and lowering within a second.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import onnx
import pytest
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.manifest import Slot
from hyrax_runtime.replay import as_slots, compile_function
from onnx import TensorProto, helper, numpy_helper

from hyrax_pack.lowering import Lowered, fuse, lower, measure_speed

ROWS = 64
CUTOUT = {"data/image": ("float32", (3, 63, 63), -5.0, 900.0)}
WHOLE_BATCH = {
    "uint16 to unit scale": (
        {"data/image": ("uint16", (3, 63, 63), 0, 65535)},
        "return (np.asarray(d['image']) / 65535).astype(np.float32)",
    ),
    "clip and log1p": (CUTOUT, "return np.log1p(np.clip(np.asarray(d['image']), 0, None))"),
    "asinh stretch": (CUTOUT, "return np.arcsinh(np.asarray(d['image'], dtype=np.float32) / 10)"),
    "standardised": (
        CUTOUT,
        "x = np.nan_to_num(np.asarray(d['image']))\n"
        "    m, s = x.mean(axis=(2, 3), keepdims=True), x.std(axis=(2, 3), keepdims=True)\n"
        "    return (x - m) / (s + 1e-8)",
    ),
    "between extremes": (
        CUTOUT,
        "x = np.asarray(d['image'])\n"
        "    low, high = x.min(axis=(1, 2, 3), keepdims=True), x.max(axis=(1, 2, 3), keepdims=True)\n"
        "    return (x - low) / (high - low + 1e-6)",
    ),
    "channels first": (
        {"data/image": ("uint8", (63, 63, 3), 0, 255)},
        "return np.asarray(d['image']).astype(np.float32).transpose(0, 3, 1, 2) / 255",
    ),
    "features, known statistics": (
        {"data/x": ("float64", (24,), -3.0, 30.0)},
        "return ((np.asarray(d['x']) - np.linspace(0, 1, 24)) / np.linspace(1, 2, 24)).astype(np.float32)",
    ),
    "spectra, divided by their mean": (
        {"data/flux": ("float32", (4096,), 0.1, 30.0)},
        "x = np.asarray(d['flux'])\n    return x / x.mean(axis=1, keepdims=True)",
    ),
    "light curves, masked": (
        {"data/x": ("float32", (257, 7), -5.0, 60.0)},
        "x = np.asarray(d['x'])\n"
        "    good = np.isfinite(x)\n"
        "    mean = np.where(good, x, 0).sum(axis=1, keepdims=True) / np.maximum(good.sum(axis=1, keepdims=True), 1)\n"
        "    return np.where(good, x - mean, 0).astype(np.float32)",
    ),
}
ROW_BY_ROW = {
    "each standardised in a loop": (
        CUTOUT,
        "return np.stack([(x - x.mean()) / (x.std() + 1e-8) for x in d['image']])",
    ),
    "each clipped at percentiles": (
        {"data/image": ("float32", (21, 21), -5.0, 900.0)},
        "return np.stack([np.clip(x, *np.percentile(x, [1, 99])) for x in d['image']]).astype(np.float32)",
    ),
    "each without its bad pixels (Scan)": (
        {"data/flux": ("float32", (128,), -5.0, 900.0)},
        "return np.stack([x - x[np.abs(x) < 500].mean() for x in d['flux']])",
    ),
}


def rows_of(fields: dict[str, Any]) -> dict[str, Any]:
    random = np.random.default_rng(0)
    data = {}
    for path, (dtype, shape, low, high) in fields.items():
        data[path.split("/")[1]] = list(random.uniform(low, high, (ROWS, *shape)).astype(dtype))
    return {"data": data}


def small_network(shape: tuple[int, ...]) -> bytes:
    """Two convolutions for images, two dense layers for all else; ten outputs."""
    random = np.random.default_rng(1)

    def weight(name: str, *dims: int) -> onnx.TensorProto:
        return numpy_helper.from_array((random.normal(size=dims) * 0.05).astype(np.float32), name)

    if len(shape) == 3:
        inner = [
            helper.make_node("Conv", ["slot_0", "w1"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "w2"], ["c"], strides=[2, 2]),
            helper.make_node("GlobalAveragePool", ["c"], ["e"]),
        ]
        weights = [weight("w1", 8, shape[0], 3, 3), weight("w2", 16, 8, 3, 3), weight("w3", 16, 10)]
    else:
        inner = [
            helper.make_node("Flatten", ["slot_0"], ["a"]),
            helper.make_node("MatMul", ["a", "w1"], ["b"]),
            helper.make_node("Relu", ["b"], ["e"]),
        ]
        weights = [weight("w1", int(np.prod(shape)), 64), weight("w3", 64, 10)]
    nodes = [
        *inner,
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("MatMul", ["f", "w3"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("slot_0", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def measured(fields: dict[str, Any], body: str) -> tuple[float, float, Lowered]:
    """Return fused against replay and network, the seconds that lowering took, and what it gave."""
    text = f"def to_tensor(data_dict):\n    import numpy as np\n    d = data_dict['data']\n    {body}\n"
    function, data = compile_function(text), rows_of(fields)
    (tensor,) = as_slots(function(data), rows=ROWS).slots
    assert tensor is not None
    contract = InputContract(
        tuple(
            FieldContract(path, "array", dtype, shape, "list", "array", read=True)
            for path, (dtype, shape, _, _) in fields.items()
        ),
        "independent",
    )
    slots = [Slot("tensor", tensor.dtype.name, ("N", *tensor.shape[1:]), "slot_0")]
    start = time.perf_counter()
    lowered = lower(text, contract=contract, slots=slots, function=function, examples=[data])
    seconds = time.perf_counter() - start
    assert isinstance(lowered, Lowered), str(lowered)
    network = small_network(tensor.shape[1:])
    speed = measure_speed(
        lowered, function, contract=contract, examples=[data], network=network, fused=fuse(lowered, network)
    )
    return speed.ratio, seconds, lowered


@pytest.mark.slow
@pytest.mark.parametrize(("cases", "mode"), [(WHOLE_BATCH, "batch"), (ROW_BY_ROW, "row")], ids=["batch", "row"])
def test_one_graph_against_numpy_and_network(cases, mode, capsys):
    figures = {name: measured(*case) for name, case in cases.items()}
    with capsys.disabled():
        print(f"\n{mode}: one graph / (numpy + network), {ROWS} rows; seconds to lower")
        for name, (ratio, seconds, lowered) in figures.items():
            print(f"  {name:38} {ratio:5.2f}   {seconds:5.2f} s   {lowered.form}")
        print(f"  {'median':38} {statistics.median(ratio for ratio, _, _ in figures.values()):5.2f}")
    assert all(lowered.mode == mode for _, _, lowered in figures.values())
