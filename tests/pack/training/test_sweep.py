"""The example of a sweep in docs/, with two trials."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import hyrax_pack.demo
from hyrax_pack.run import list_runs
from tests.pack.training.conftest import in_child

SCRIPT = Path(__file__).parents[3] / "docs" / "examples" / "sweep.py"
DEMO = Path(hyrax_pack.demo.__file__).parent


def test_the_sweep_in_the_docs_names_the_better_of_two_runs(tmp_path: Path) -> None:
    (tmp_path / "digits_cnn.py").write_text((DEMO / "digits_cnn.py").read_text())
    (tmp_path / "digits.toml").write_text((DEMO / "digits.toml").read_text().replace("epochs = 12", "epochs = 1"))

    def sweep() -> None:
        os.chdir(tmp_path)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        sys.argv = ["sweep.py", "2"]
        with Path("out").open("w") as sys.stdout:
            runpy.run_path(str(SCRIPT), run_name="__main__")

    assert in_child(sweep) == 0
    runs = list_runs(tmp_path / "results")
    assert len({one.run.config.get("optimizer.lr") for one in runs}) == 2
    best = min(runs, key=lambda one: one.best or 0)
    assert (tmp_path / "out").read_text().strip() == str(best.run.path)
