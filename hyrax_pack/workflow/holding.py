"""The weights of a run that is still training, held still: it replaces them while they are brought back."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hyrax_pack.run import Run, is_locked
from hyrax_pack.run.answers import answers_path, find_answers, set_aside_path

_TRIES, _PAUSE_S = 50, 0.05


@contextmanager
def held_still(run: Run, weights: Path) -> Iterator[Path]:
    """Give a weights file with the answers that belong to it beside it: copies, where the run is under way."""
    if not is_locked(run.path):
        yield weights
        return
    with tempfile.TemporaryDirectory(prefix="hyrax-") as folder:
        copy = Path(folder) / weights.name
        for _ in range(_TRIES):
            shutil.copyfile(weights, copy)  # one file whole, whatever takes its place meanwhile
            for beside in (answers_path, set_aside_path):
                with suppress(FileNotFoundError):
                    shutil.copyfile(beside(weights), beside(copy))
            facts = run.facts_of(copy)
            if facts is not None and find_answers(copy, facts.sha256) is not None:
                break
            time.sleep(_PAUSE_S)
        yield copy
