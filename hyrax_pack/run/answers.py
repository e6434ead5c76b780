"""What a model answered when its weights were written: the witness that a run brought back is the run that trained.

Beside `weights.pt` stands `weights.answers.pt`: the tensors that to_tensor made of a few rows, what inference answered
to them, and what of the model's state is not in its weights. It is written before the weights take their place; until
they have, the one of the weights from before stands beside it, for a kill may come in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyrax_pack.errors import TrainingError
from hyrax_pack.run.weights import read_tensors

if TYPE_CHECKING:
    import torch

SUFFIX = ".answers.pt"
_BEFORE = ".before"


@dataclass(frozen=True)
class Answers:
    """What was asked, what was answered, and with which state.

    Attributes
    ----------
    group : str
        The group that the rows are of.
    rows : list of int
    digests : dict of str to str
        Of the values of their fields, by path.
    slots : list of (tensor or None)
        What to_tensor made of them, without labels.
    returns : str
        Whether it gave one `array` or a `tuple`.
    outputs : dict of str to tensor
    failure : str or None
        Why inference did not answer.
    device : str
        `cpu`, `cuda` or `mps`.
    state : dict
        From `ModelState.capture_for_inference`.
    weights_sha256 : str
        Of the weights file that it belongs to.
    """

    group: str
    rows: list[int]
    digests: dict[str, str]
    slots: list[torch.Tensor | None]
    returns: str
    outputs: dict[str, torch.Tensor]
    failure: str | None
    device: str
    state: dict[str, Any] = field(repr=False)
    weights_sha256: str = ""


def answers_path(weights: Path) -> Path:
    """Where the answers of a weights file stand."""
    return weights.with_name(weights.stem + SUFFIX)


def set_aside_path(weights: Path) -> Path:
    """Where those of the weights from before stand, while new ones take their place."""
    path = answers_path(weights)
    return path.with_name(path.name + _BEFORE)


def set_aside(weights: Path) -> None:
    """Keep the answers that stand there, until the new weights have taken their place."""
    path = answers_path(weights)
    if path.is_file():
        path.replace(set_aside_path(weights))


def drop_aside(weights: Path) -> None:
    """Remove what was set aside."""
    set_aside_path(weights).unlink(missing_ok=True)


def find_answers(weights: Path, sha256: str) -> Path | None:
    """The file with the answers of a weights file, whose digest is `sha256`; None where there is none.

    Raises
    ------
    TrainingError
        A file of answers cannot be read.
    """
    for file in (answers_path(weights), set_aside_path(weights)):
        if file.is_file() and read_answers(file).weights_sha256 == sha256:
            return file
    return None


def read_answers(file: Path) -> Answers:
    """Read answers onto the CPU; nothing in the file is executed.

    Raises
    ------
    TrainingError
        The file is damaged, or holds something else.
    """
    try:
        found = read_tensors(file)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{file}: unreadable answers ({error}); put the file back") from error
    if not isinstance(found, Mapping) or set(found) != set(Answers.__dataclass_fields__):
        raise TrainingError(f"{file}: holds no answers of this version of hyrax-pack; put the file back")
    return Answers(**found)
