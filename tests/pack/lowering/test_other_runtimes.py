"""The same graphs in the browser's runtime, under Node.

npm install --prefix DIR onnxruntime-web
HYRAX_NODE_PREFIX=DIR python -m pytest tests/pack/lowering/test_other_runtimes.py -m slow
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hyrax_pack.lowering import Lowered
from hyrax_pack.lowering.proving.calling import call_original, raising_rows
from hyrax_pack.lowering.proving.comparing import TOLERANCE, find_difference
from hyrax_pack.lowering.proving.noise import ShakenFunction, measure_noise
from hyrax_pack.lowering.proving.samples import gather_samples, take_rows
from hyrax_pack.lowering.proving.stress import stress_columns
from tests.pack.lowering.cases import CORPUS, HAZARDS, HERE, read_case

PREFIX = Path(os.environ.get("HYRAX_NODE_PREFIX", "."))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine"),
    pytest.mark.skipif(
        not (PREFIX / "node_modules" / "onnxruntime-web").is_dir(), reason="HYRAX_NODE_PREFIX has no onnxruntime-web"
    ),
]


def write_case(folder: Path, path: Path) -> tuple[dict, dict] | None:
    """Write a model and rows under stress for it; return what to run, and what numpy gives with its rounding noise."""
    case = read_case(path)
    lowered = case.lower()
    if not isinstance(lowered, Lowered):
        return None
    samples = gather_samples(case.contract, [case.data_dict])
    columns = stress_columns(samples, [one.name for one in lowered.inputs], np.random.default_rng(5))
    columns = take_rows(columns, ~raising_rows(case.function, samples, columns))
    (folder / f"{path.stem}.onnx").write_bytes(lowered.model)
    inputs = []
    for number, one in enumerate(lowered.inputs):
        array = np.ascontiguousarray(columns[one.name])
        (folder / f"{path.stem}.{number}.in").write_bytes(array.tobytes())
        file = f"{path.stem}.{number}.in"
        inputs.append({"name": one.name, "dtype": one.dtype, "shape": array.shape, "file": file})
    outputs = [{"name": one.name, "file": f"{path.stem}.{one.name}.out"} for one in lowered.outputs]
    plain = call_original(case.function, samples, columns)
    noise = measure_noise(ShakenFunction(case.text), samples, columns, plain)
    wanted = {one.name: (plain[one.place], noise[one.place]) for one in lowered.outputs}
    return {"key": path.stem, "model": f"{path.stem}.onnx", "inputs": inputs, "outputs": outputs}, wanted


def test_the_browsers_runtime_gives_what_numpy_gives_to_within_its_rounding(tmp_path):
    written = [one for path in (*CORPUS, *HAZARDS) if (one := write_case(tmp_path, path))]
    (tmp_path / "cases.json").write_text(json.dumps([case for case, _ in written]))
    subprocess.run(
        ["node", HERE / "onnxruntime_web.mjs", tmp_path, PREFIX.resolve()], check=True, capture_output=True, timeout=600
    )
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(results) > 100
    differing = []
    for result, (_, wanted) in zip(results, written, strict=True):
        assert "error" not in result, f"{result['key']}: {result.get('error')}"
        for output in result["outputs"]:
            value, noise = wanted[output["name"]]
            got = np.frombuffer((tmp_path / output["file"]).read_bytes(), value.dtype).reshape(value.shape)
            difference = find_difference(value, got, TOLERANCE.get(value.dtype, 0.0), noise)
            if difference is not None:
                differing.append(f"{result['key']} {output['name']}: {difference}")
    assert differing == []
