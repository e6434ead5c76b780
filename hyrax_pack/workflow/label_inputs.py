"""Slots that labels fill in training and one value fills at inference: the graph may not compute with them.

Such a model has learned from what production never gives: its figures are those of a model that is told the answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from hyrax_runtime.manifest import Slot

from hyrax_pack.errors import ExportError
from hyrax_pack.workflow.evidence import Evidence

_ROWS = 64


def refuse_label_inputs(evidence: Evidence, slots: Sequence[Slot]) -> None:
    """Hold the slots with labels against those without, where they are inputs of the graph.

    Raises
    ------
    ExportError
        Names the slot and the labels.
    """
    from hyrax_pack.capturing.labels import labels_of, stand_ins

    rows = [*evidence.held_out, *evidence.sample][:_ROWS]
    training, inference = evidence.training_dict(rows), evidence.data_dict(rows)
    labels = labels_of(training, inference)
    if not labels:
        return
    places = stand_ins(evidence.slots_of(training), evidence.slots_of(inference))
    for place in (place for place in places if slots[place].graph_input is not None):
        held = ", ".join(sorted(labels))
        raise ExportError(
            f"to_tensor ({evidence.captured.origin}): slot {place} holds {held} in training and the same for every row "
            "at inference, and the model's outputs are computed with it: it learned from what production never gives. "
            "Use it in train_step alone; or, where production has it, leave it out of [model] labels"
        )
