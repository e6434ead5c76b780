"""Which epoch has the best weights: the one with the least validation loss, as long as that is a number."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hyrax_pack.run.records import TRAINING_LOSS, VALIDATION_LOSS, rank
from hyrax_pack.training.checkpoints import Position


def choose_epoch(position: Position, figures: Mapping[str, float], validated: Mapping[str, float] | None) -> bool:
    """Note in `position` what the epoch that has just ended is chosen by, and say whether it is the best so far.

    An epoch whose validation loss is no number comes behind every one where it is; among such, and where nothing is
    held out, the training loss decides.
    """
    if validated is not None and math.isfinite(validated["loss"]):
        position.metric, position.score = VALIDATION_LOSS, validated["loss"]
    else:
        position.metric, position.score = TRAINING_LOSS, figures["loss"]
    best = rank(position.metric, position.score) < rank(position.best_metric, position.best_score)
    if position.best_epoch and not best:
        return False
    position.best_epoch, position.best_metric, position.best_score = position.epoch, position.metric, position.score
    return True


def words_on_validation(before: str, position: Position, validated: Mapping[str, float] | None) -> str:
    """What to say where the validation loss has just ceased to be a number; `before` is the metric until now."""
    if validated is None or position.metric == VALIDATION_LOSS or before == TRAINING_LOSS:
        return ""
    return (
        f"The validation loss is {validated['loss']} in epoch {position.epoch}. Such an epoch is never the best; until "
        "there is another, the best is that with the least training loss. Look for NaN in the validation rows."
    )


def words_at_the_end(position: Position, *, validates: bool) -> str:
    """What to say of the best weights of a run whose validation loss never was a number."""
    if not validates or position.best_metric == VALIDATION_LOSS:
        return ""
    return (
        "The validation loss never was a number: the best weights are those of the least training loss, of epoch "
        f"{position.best_epoch}."
    )
