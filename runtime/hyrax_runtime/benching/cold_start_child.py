"""The process whose start is timed: run by path, it makes a predictor, predicts, and prints when each step was done.

Argument: a JSON object with `path`, `trust`, `device`, `memory`, `threads`, `python`. The last line of stdout is one
with `marks_ns` (begun, imported, opened, ready, given, predicted; on the system's monotonic clock), `private_mb` and
`peak_mb`.
Making the rows, between ready and given, is nothing that production does, and is not counted.
"""

from __future__ import annotations

import time

BEGUN_NS = time.monotonic_ns()  # before any other import: those are what is timed next

import json  # noqa: E402
import sys  # noqa: E402


def main() -> None:
    """Predict once, and tell."""
    asked = json.loads(sys.argv[1])
    from hyrax_runtime.bundle import open_bundle
    from hyrax_runtime.predictor import Predictor
    from hyrax_runtime.settings import Settings, Tuning

    marks = [BEGUN_NS, time.monotonic_ns()]
    bundle = open_bundle(asked["path"])
    marks.append(time.monotonic_ns())
    tuning = Tuning(asked["tuning"]["spinning"], asked["tuning"]["strict"], tuple(asked["tuning"]["graph_batches"]))
    settings = Settings(asked["device"], asked["memory"], asked["threads"], asked["python"], tuning)
    predictor = Predictor(bundle, settings, asked["trust"])
    marks.append(time.monotonic_ns())
    from hyrax_runtime.benching.rows import RepeatedRows

    rows = RepeatedRows(bundle, predictor.route.contract)
    batch = rows.batch(rows.rows if bundle.contract.batch == "joint" else 1)
    marks.append(time.monotonic_ns())
    predictor.predict(batch)
    marks.append(time.monotonic_ns())
    told = {
        "marks_ns": marks,
        "private_mb": _proc_mb("smaps_rollup", "Private_Dirty"),
        "peak_mb": _proc_mb("status", "VmHWM"),
    }
    print(f"\n{json.dumps(told)}")


def _proc_mb(file: str, key: str) -> float | None:
    """Read an amount of kB from Linux's account of this process; None where there is none."""
    try:
        with open(f"/proc/self/{file}") as lines:  # noqa: PTH123 - pathlib would be one more import
            for line in lines:
                if line.startswith(f"{key}:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        return None
    return None


if __name__ == "__main__":
    main()
