"""What is said of a run that is brought back: on the terminal, and in the bundle."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from hyrax_pack.data import Observation, identify, identity_differences, observe_group
from hyrax_pack.run import Run
from hyrax_pack.run.folder import DATA_FILE
from hyrax_pack.run.listing import summarise
from hyrax_pack.run.records import VALIDATION_LOSS
from hyrax_pack.run.surroundings import training_packages
from hyrax_pack.workflow.trained import Trained


def describe_changes(trained: Trained) -> list[str]:
    """Say, each in a line, what is not as it was when the run was trained and does not stand in the way of export."""
    facts = trained.run.facts
    said = [f"accepted: {change}" for change in trained.accepted]
    said += [f"accepted in training: {change}" for change in facts.get("accepted", ())]
    before = {**facts.get("packages", {}), **facts.get("requirements", {})}
    now = {**_versions(facts.get("requirements", {})), **training_packages()}
    said += [
        f"trained with {name} {version}, exported with {now.get(name, 'none')}"
        for name, version in before.items()
        if now.get(name) != version
    ]
    recorded = trained.run.recorded(DATA_FILE) or {"groups": {}}
    here = {name: trained.provider.group(name) for name in recorded["groups"] if trained.provider.has_group(name)}
    changes = identity_differences(recorded["groups"], {name: identify(group) for name, group in here.items()})
    said += [f"the data is not what trained: {change}" for change in changes]
    seen = rows_in_training(trained.run)
    said += [f"{count:,} rows of {name} were in training too" for name, count in seen.items()]
    return [*said, *trained.notes, *_state_of_run(trained)]


def _versions(distributions: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in distributions:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _state_of_run(trained: Trained) -> Iterator[str]:
    """What a figure of these weights does not say by itself."""
    summary, weights = summarise(trained.run), trained.weights
    if summary.state != "finished":
        yield f"the run is {summary.state}: {summary.epochs_done} of {summary.epochs} epochs are done"
    if weights is not None:
        validated = any(VALIDATION_LOSS in record for record in trained.run.metrics())
        why = "; its validation loss is no number" if validated and weights.metric != VALIDATION_LOSS else ""
        yield f"weights of epoch {weights.epoch}, {weights.metric} {weights.score:.4g}{why}"


def observed_in_training(trained: Trained) -> Observation:
    """Return what training saw of every field; where that was not recorded, what there is to see now.

    Raises
    ------
    DataError
        The settings name data for inference that is not here.
    """
    recorded = trained.run.recorded(DATA_FILE)
    if recorded is None or recorded["observed"] is None:
        return observe_group(trained.provider.group("train"))
    return Observation.from_plain(recorded["observed"])


def rows_in_training(run: Run) -> dict[str, int]:
    """Return of how many rows of which group training is known to have had the same."""
    found: dict[str, int] = (run.recorded(DATA_FILE) or {}).get("in_training", {})
    return found


def provenance_of(trained: Trained) -> dict[str, Any]:
    """Return what a bundle says of the training: versions, the code's digest, and what was accepted."""
    facts = trained.run.facts
    accepted = [*facts.get("accepted", ()), *trained.accepted]
    found: dict[str, Any] = {"code_sha256": trained.code_sha256, "trained_with": facts.get("packages", {})}
    if trained.weights is not None:
        found["epoch"] = trained.weights.epoch
    if trained.captured.sha256 != trained.run.to_tensor_sha256:
        found["to_tensor_sha256_of_training"] = trained.run.to_tensor_sha256
    if trained.settings:
        found["settings_given_at_export"] = {
            key: False if value is None else value for key, value in trained.settings.items()
        }
    return found | ({"accepted_changes": accepted} if accepted else {})
