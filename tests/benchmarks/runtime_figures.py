"""The runtime's figures, each a comparison within one run on this machine. It needs no torch; it uses it where it is.

    python -m tests.benchmarks.runtime_figures [--only NAME ...] [--rows 50000] [--json]

Calls to be compared are interleaved, so that what else the machine does weighs on both; the least times are compared
where noise only adds, and medians of ratios where it does not. docs/benchmarks.md says what was found.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hyrax_runtime as hr
import numpy as np
import onnxruntime as ort
from hyrax_runtime.contract import InputContract

from tests.benchmarks.interleaving import Figure, interleaved, ratio, seconds
from tests.runtime.predict import forging

IMAGE = (3, 63, 63)
IMAGE_TEXT = """
def to_tensor(data_dict):
    import numpy as np
    return np.asarray(data_dict["data"]["image"])
"""
COSTLY_TEXT = """
def to_tensor(data_dict):
    import numpy as np
    image = np.asarray(data_dict["data"]["image"])
    for _ in range({repeats}):
        image = np.sqrt(image * image + np.float32(0.01))
    return image
"""


def bundle(folder: Path, name: str, contract: InputContract, text: str, network: forging.Network, golden: Any) -> Path:
    return forging.forge(folder / f"{name}.hyrax", contract, text, network, golden)


def load(path: Path, **settings: Any) -> hr.Predictor:
    with hr.open_bundle(path) as opened:
        return hr.load(path, trust=opened.id, **settings)


def bare_session(graph: bytes, threads: int) -> ort.InferenceSession:
    """What a careful person writes by hand: the same threads, no spinning."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def function_of(text: str) -> Callable[[Any], Any]:
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    function: Callable[[Any], Any] = namespace["to_tensor"]
    return function


# --- figures -------------------------------------------------------------------------------------------------------


def mlp_contract() -> InputContract:
    return InputContract((forging.field("data/features", shape=(10,)),), "independent")


def measure_call(folder: Path, rows: int) -> Figure:
    """`predict` against hand-written to_tensor and session.run: a dense layer of ten features, one row."""
    network = forging.dense(10, in_file=False)
    predictor = load(
        bundle(folder, "mlp", mlp_contract(), forging.FEATURES_TEXT, network, forging.features(8)), threads=1
    )
    session, to_tensor = bare_session(network.graph, 1), function_of(forging.FEATURES_TEXT)
    batch = forging.features(1)
    bare, ours = interleaved(
        [lambda: session.run(None, {"x": to_tensor(batch)}), lambda: predictor.predict(batch)], 40, 1000
    )
    more_us = (min(ours) - min(bare)) * 1e6
    detail = f"{min(ours) * 1e6:.1f} us against {min(bare) * 1e6:.1f} us"
    return Figure("call", more_us, "us more per call", "at most 10", more_us <= 10, detail)


def images(rows: int) -> dict[str, Any]:
    return {"data": {"image": list(np.random.default_rng(0).random((rows, *IMAGE), dtype="f4"))}}


def image_contract() -> InputContract:
    return InputContract((forging.field("data/image", shape=IMAGE),), "independent")


def measure_cnn(folder: Path, rows: int) -> Figure:
    """`predict` against the same by hand: a convolutional network on 64 cutouts, memory="fast"."""
    network = forging.convolutional(width=48)
    predictor = load(bundle(folder, "cnn", image_contract(), IMAGE_TEXT, network, images(8)), threads=1, memory="fast")
    session, to_tensor = bare_session(network.graph, 1), function_of(IMAGE_TEXT)
    batch = images(64)
    bare, ours = interleaved(
        [lambda: session.run(None, {"x": to_tensor(batch)}), lambda: predictor.predict(batch)], 25, 5
    )
    value = ratio(ours, bare)
    detail = f"{min(ours) * 1e3:.2f} ms against {min(bare) * 1e3:.2f} ms"
    return Figure("cnn", value, "times the bare call", "at most 1.02", value <= 1.02, detail)


def measure_gpu(folder: Path, rows: int) -> Figure:
    """`predict` on CUDA, host to host, against IO binding written by hand: a convolutional network on 256 cutouts."""
    network = forging.convolutional(width=48)
    predictor = load(bundle(folder, "gpu", image_contract(), IMAGE_TEXT, network, images(8)), device="cuda")
    to_tensor, batch = function_of(IMAGE_TEXT), images(256)
    cuda = ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})
    session = ort.InferenceSession(network.graph, providers=[cuda, "CPUExecutionProvider"])
    on_device = ort.OrtValue.ortvalue_from_numpy(to_tensor(batch), "cuda", 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", on_device)
    for output in session.get_outputs():
        binding.bind_output(output.name, "cuda", 0)

    def by_hand() -> Any:
        on_device.update_inplace(to_tensor(batch))
        session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()

    bare, ours = interleaved([by_hand, lambda: predictor.predict(batch)], 25, 5)
    value = ratio(bare, ours)
    detail = f"{256 / min(ours):,.0f} rows/s against {256 / min(bare):,.0f}"
    return Figure("gpu", value, "times the rate by hand", "at least 0.95", value >= 0.95, detail)


def measure_parquet(folder: Path, rows: int) -> Figure:
    """`stream` over cutouts in a Parquet file against a bare loop over the same file."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from hyrax_runtime.files import open_rows

    network = forging.convolutional(width=48)
    path = folder / "cutouts.parquet"
    kind = pa.list_(pa.float32(), int(np.prod(IMAGE)))
    schema = pa.schema(
        [pa.field("image", kind, metadata={"shape": json.dumps(IMAGE)}), pa.field("object_id", pa.int64())]
    )
    random = np.random.default_rng(0)
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, rows, 1000):
            count = min(1000, rows - start)
            flat = pa.array(random.random(count * int(np.prod(IMAGE)), dtype="f4"))
            columns = [
                pa.FixedSizeListArray.from_arrays(flat, kind.list_size),
                pa.array(np.arange(start, start + count)),
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    predictor = load(bundle(folder, "cutouts", image_contract(), IMAGE_TEXT, network, images(8)), threads=1)
    session, to_tensor = bare_session(network.graph, 1), function_of(IMAGE_TEXT)
    sums: dict[str, float] = {}

    def bare_loop() -> None:
        total = 0.0
        for batch in pq.ParquetFile(path).iter_batches(256):
            stacked = batch.column("image").flatten().to_numpy().reshape(-1, *IMAGE)
            total += float(session.run(None, {"x": to_tensor({"data": {"image": stacked}})})[0].sum())
        sums["bare"] = total

    def stream() -> None:
        outputs = predictor.stream(open_rows(path, predictor.contract).batches(256))
        sums["ours"] = sum(float(each["scores"].sum()) for each in outputs)

    bare, ours = interleaved([bare_loop, stream], 3, 1)
    assert np.isclose(sums["bare"], sums["ours"], rtol=1e-4)
    value = 1 / ratio(ours, bare)
    detail = f"{rows / min(ours):,.0f} rows/s against {rows / min(bare):,.0f}, {rows:,} cutouts"
    return Figure("parquet", value, "times the rate of a bare loop", "at least 0.97", value >= 0.97, detail)


def measure_overlap(folder: Path, rows: int) -> Figure:
    """`stream` where to_tensor costs as much as the network, against predicting one batch after another."""
    network = forging.convolutional(width=48)
    session = bare_session(network.graph, 1)
    batch = images(64)
    stacked = np.stack(batch["data"]["image"])
    run_s = min(seconds(lambda: session.run(None, {"x": stacked})) for _ in range(10))
    once = function_of(COSTLY_TEXT.format(repeats=10))
    repeats = max(1, round(10 * run_s / min(seconds(lambda: once(batch)) for _ in range(5))))
    text = COSTLY_TEXT.format(repeats=repeats)
    predictor = load(bundle(folder, "costly", image_contract(), text, network, images(8)), threads=1)
    given = [batch] * 40

    def serial() -> None:
        for each in given:
            predictor.predict(each)

    def stream() -> None:
        for _ in predictor.stream(given):
            pass

    one_by_one, overlapped = interleaved([serial, stream], 7, 1)
    value = ratio(one_by_one, overlapped)
    to_tensor_s = min(seconds(lambda: function_of(text)(batch)) for _ in range(5))
    detail = f"to_tensor {to_tensor_s * 1e3:.1f} ms, network {run_s * 1e3:.1f} ms a batch"
    return Figure("overlap", value, "times the serial loop", "at least 1.5", value >= 1.5, detail)


BARE_SCRIPT = """
import numpy as np, onnxruntime as ort
session = ort.InferenceSession({graph!r}, providers=["CPUExecutionProvider"])
def to_tensor(data_dict):
    return np.asarray(data_dict["data"]["features"])
print(session.run(None, {{"x": to_tensor({{"data": {{"features": [np.ones(10, "f4")]}}}})}})[0].sum())
"""
OUR_SCRIPT = """
import numpy as np, hyrax_runtime as hr
predictor = hr.load({bundle!r}, trust={identity!r})
print(predictor.predict({{"data": {{"features": [np.ones(10, "f4")]}}}})["scores"].sum())
"""
TORCH_SCRIPT = """
import torch
model = torch.nn.Linear(10, 3)
model.load_state_dict(torch.load({weights!r}, weights_only=True))
print(model(torch.ones(1, 10)).sum().item())
"""


def measure_start(folder: Path, rows: int) -> Figure:
    """From the start of a process to its first prediction, against a bare script with numpy and onnxruntime."""
    network = forging.dense(10, in_file=False)
    path = bundle(folder, "start", mlp_contract(), forging.FEATURES_TEXT, network, forging.features(8))
    (folder / "model.onnx").write_bytes(network.graph)
    with hr.open_bundle(path) as opened:
        identity = opened.id
    scripts = [
        BARE_SCRIPT.format(graph=str(folder / "model.onnx")),
        OUR_SCRIPT.format(bundle=str(path), identity=identity),
    ]
    starts = [lambda script=script: run_script(script) for script in scripts]
    bare, ours = interleaved(starts, 25, 1)
    value = ratio(ours, bare)
    detail = f"{min(ours) * 1e3:.0f} ms against {min(bare) * 1e3:.0f} ms"
    if find_spec("torch"):
        import torch

        torch.save(torch.nn.Linear(10, 3).state_dict(), folder / "weights.pt")
        script = TORCH_SCRIPT.format(weights=str(folder / "weights.pt"))
        ours, in_torch = interleaved([starts[1], lambda: run_script(script)], 5, 1)
        detail += f"; in torch {min(in_torch) * 1e3:.0f} ms, {ratio(in_torch, ours):.1f} times ours"
    return Figure("start", value, "times a bare script", "at most 1.2", value <= 1.2, detail)


def run_script(script: str) -> str:
    # compiled modules on disk, as in any installation
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", script]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return finished.stdout


def measure_import(folder: Path, rows: int) -> Figure:
    """What importing the package, and everything short of onnxruntime, adds to importing numpy."""
    script = (
        "import numpy, time; start = time.perf_counter(); import hyrax_runtime; first = time.perf_counter()\n"
        "from hyrax_runtime import bundle, contract_check, trust, replay\n"
        "print(first - start, time.perf_counter() - start)"
    )
    taken = [tuple(map(float, run_script(script).split())) for _ in range(15)]
    package_ms, all_ms = (min(each) * 1e3 for each in zip(*taken, strict=True))
    detail = f"{all_ms:.1f} ms with all that opening and checking need"
    return Figure("import", package_ms, "ms over numpy", "at most 20", package_ms <= 20, detail)


def measure_mlflow(folder: Path, rows: int) -> Figure:
    """The overhead of a call against that of mlflow.pyfunc around the same two lines."""
    import mlflow

    network = forging.dense(10, in_file=False)
    path = bundle(folder, "mlflow", mlp_contract(), forging.FEATURES_TEXT, network, forging.features(8))
    predictor = load(path, threads=1)
    session = bare_session(network.graph, 1)

    class ByHand(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def load_context(self, context: Any) -> None:
            self.session = bare_session(Path(context.artifacts["graph"]).read_bytes(), 1)

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return self.session.run(None, {"x": np.asarray(model_input["features"])})[0]

    (folder / "mlflow.onnx").write_bytes(network.graph)
    batch = forging.features(1)
    given = {"features": np.stack(batch["data"]["features"])}
    signature = mlflow.models.infer_signature(given, session.run(None, {"x": given["features"]})[0])
    mlflow.pyfunc.save_model(
        folder / "pyfunc", python_model=ByHand(), artifacts={"graph": str(folder / "mlflow.onnx")},
        signature=signature, pip_requirements=[],
    )  # fmt: skip
    pyfunc = mlflow.pyfunc.load_model(str(folder / "pyfunc"))
    bare, ours, theirs = interleaved(
        [
            lambda: session.run(None, {"x": np.asarray(batch["data"]["features"])}),
            lambda: predictor.predict(batch),
            lambda: pyfunc.predict(given),
        ],
        20,
        300,
    )
    our_us, their_us = (min(ours) - min(bare)) * 1e6, (min(theirs) - min(bare)) * 1e6
    value = their_us / our_us
    return Figure(
        "mlflow", value, "times our overhead", "at least 5", value >= 5, f"{their_us:.0f} us against {our_us:.1f} us"
    )


FIGURES: dict[str, Callable[[Path, int], Figure]] = {
    "call": measure_call,
    "cnn": measure_cnn,
    "gpu": measure_gpu,
    "parquet": measure_parquet,
    "overlap": measure_overlap,
    "start": measure_start,
    "import": measure_import,
    "mlflow": measure_mlflow,
}
NEEDS = {"parquet": "pyarrow", "mlflow": "mlflow"}


def measure(names: Sequence[str], rows: int) -> Iterator[Figure]:
    for name in names:
        if name in NEEDS and not find_spec(NEEDS[name]):
            print(f"{name}: left out, {NEEDS[name]} is not installed", file=sys.stderr)
            continue
        if name == "gpu" and "CUDAExecutionProvider" not in ort.get_available_providers():
            print("gpu: left out, this onnxruntime has no CUDA", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(prefix="figures-") as folder:
            yield FIGURES[name](Path(folder), rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES), help="some of the figures")
    parser.add_argument("--rows", type=int, default=8000, help="cutouts in the Parquet file (48 KB each)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = []
    for figure in measure(arguments.only, arguments.rows):
        figures.append(figure)
        if not arguments.json:
            verdict = "reached" if figure.reached else "MISSED"
            print(
                f"{figure.name:8} {figure.value:8.3f} {figure.unit} ({figure.must}: {verdict}); {figure.detail}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
