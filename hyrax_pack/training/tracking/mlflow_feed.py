"""MLflow: one run under the run folder's name, in a database that all runs of a results folder share."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hyrax_pack.errors import TrainingError
from hyrax_pack.run import lock_folder, write_file
from hyrax_pack.training.tracking.following import FeedError, Point
from hyrax_pack.training.tracking.handle import SAYS
from hyrax_pack.training.tracking.plan import TrackingPlan, allowed_name
from hyrax_pack.training.tracking.system_metrics import SystemMetrics

RUN_ID_FILE = "mlflow.json"
# MLflow's own limits for one call.
_METRICS, _PARAMS, _CHARACTERS = 1000, 100, 6000
_SQLITE = "sqlite:///"


class MlflowFeed:
    """Metrics under the names of the journal, beside params, tags, the configuration and system metrics."""

    name = "MLflow"

    def __init__(self, plan: TrackingPlan) -> None:
        self._plan = plan
        self._folder = Path(plan.folder)
        self._client: Any = None
        self._run_id = ""
        self._system = SystemMetrics()
        self._refused: set[str] = set()

    def open(self) -> dict[str, int]:
        """Find the run, where it was resumed, or make it."""
        with _said_as_feed_error():
            self._prepare_database()
            from mlflow import MlflowClient

            self._client = MlflowClient(self._plan.uri)
            found = self._find_run()
            if found is not None:
                self._run_id = found.info.run_id
                self._client.update_run(self._run_id, status="RUNNING")
                there = {name: self._last_step(name) for name in found.data.metrics}
                self._system.go_on_from(max((there[name] for name in there if name.startswith("system/")), default=-1))
                return there
            self._run_id = self._make_run()
        return {}

    def write(self, points: Sequence[Point]) -> None:
        """Send metrics."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        with _said_as_feed_error():
            for start in range(0, len(points), _METRICS):
                batch = [Metric(one.name, one.value, now, one.step) for one in points[start : start + _METRICS]]
                self._send(metrics=batch)

    def _send(self, **entities: Sequence[Any]) -> None:
        """Send metrics or params; where MLflow takes offence at one of them, all but that one, and say so."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.log_batch(self._run_id, **entities)
        except MlflowException as error:
            ((kind, many),) = entities.items()
            if error.error_code != "INVALID_PARAMETER_VALUE" or not many:
                raise
            if len(many) > 1:
                half = len(many) // 2
                self._send(**{kind: many[:half]})
                self._send(**{kind: many[half:]})
            elif many[0].key not in self._refused:
                self._refused.add(many[0].key)
                reason = " ".join(str(error).split())[:200]
                print(f"{SAYS}MLflow does not take {many[0].key}: {reason}. Everything else goes there.", flush=True)

    def tick(self) -> None:
        """Send system metrics when ten seconds have passed."""
        self.write(self._system.measure())

    def close(self, end: str, points: Sequence[Point]) -> None:
        """Say how the run ended."""
        with _said_as_feed_error():
            self._client.set_terminated(self._run_id, status=end)

    def _prepare_database(self) -> None:
        """Make sure at once that a database in the results folder can be written: MLflow would try for minutes."""
        if not self._plan.uri.startswith(_SQLITE):
            return
        path = Path(self._plan.uri.removeprefix(_SQLITE))
        if odd := sorted(set("?%") & set(str(path))):
            raise FeedError(f"{path}: no address of a database may hold {odd[0]!r}; choose another general.results_dir")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(path):
            database = sqlite3.connect(path if path.exists() else ":memory:", timeout=20)
            try:
                database.execute("BEGIN IMMEDIATE")
            finally:
                database.close()
            # Two first runs at one time would both make the tables.
            from mlflow import MlflowClient

            if path.exists():
                MlflowClient(self._plan.uri).search_experiments(max_results=1)
                return
            # A kill in the middle of that leaves a database that MLflow can neither use nor mend.
            unfinished = path.with_name(f".{path.name}.partial")
            unfinished.unlink(missing_ok=True)
            unfinished.touch()
            MlflowClient(f"{_SQLITE}{unfinished}").search_experiments(max_results=1)
            unfinished.rename(path)

    def _find_run(self) -> Any:
        """The run that a predecessor made; None where there is none, or another store is used now."""
        from mlflow.exceptions import MlflowException

        try:
            known = json.loads((self._folder / RUN_ID_FILE).read_bytes())
        except (OSError, ValueError):
            return None
        if known.get("uri") != self._plan.uri:
            return None
        try:
            return self._client.get_run(known["run_id"])
        except MlflowException:
            return None

    def _make_run(self) -> str:
        from mlflow.entities import Param, RunTag

        run = self._client.create_run(self._experiment(), run_name=self._plan.run_name)
        run_id = str(run.info.run_id)
        write_file(self._folder / RUN_ID_FILE, json.dumps({"uri": self._plan.uri, "run_id": run_id}) + "\n")
        self._run_id = run_id
        params = [Param(allowed_name(key), str(value)[:_CHARACTERS]) for key, value in self._plan.params.items()]
        self._client.log_batch(run_id, tags=[RunTag(key, value) for key, value in self._plan.tags.items()])
        for start in range(0, len(params), _PARAMS):
            self._send(params=params[start : start + _PARAMS])
        self._client.log_artifact(run_id, str(self._folder / "runtime_config.toml"))
        return run_id

    def _experiment(self) -> str:
        """The experiment's id; made where it does not exist, unless another process is quicker."""
        from mlflow.exceptions import MlflowException

        name = self._plan.experiment
        found = self._client.get_experiment_by_name(name)
        if found is None:
            database = self._plan.uri.removeprefix(_SQLITE)
            beside = Path(database).parent / "artifacts" if self._plan.uri.startswith(_SQLITE) else None
            try:
                return str(self._client.create_experiment(name, beside.as_uri() if beside else None))
            except MlflowException:
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _last_step(self, name: str) -> int:
        return max(int(one.step) for one in self._client.get_metric_history(self._run_id, name))


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with lock_folder(path.parent, f".{path.name}.lock", wait=True):
        yield


@contextmanager
def _said_as_feed_error() -> Iterator[None]:
    """What MLflow, its database and the network raise, as the one error that is said and tried again."""
    try:
        yield
    except (ImportError, OSError, sqlite3.Error, TrainingError) as error:
        raise FeedError(str(error)) from error
    except _library_errors() as error:
        raise FeedError(str(error)) from error


def _library_errors() -> tuple[type[Exception], ...]:
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, RequestException, SQLAlchemyError)
