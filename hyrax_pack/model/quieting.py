"""What torch says of itself, and no user can do anything about: kept from those who train and export.

Each is told by its exact beginning, so that no other warning goes with it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# nn.TransformerEncoder with a padding mask takes a short cut through them, in evaluation mode.
_OWN_TALK = ("The PyTorch API of nested tensors is in prototype stage",)


@contextmanager
def without_torchs_own_talk() -> Iterator[None]:
    """Let every warning through but torch's remarks on its own state of development."""
    with warnings.catch_warnings():
        for beginning in _OWN_TALK:
            warnings.filterwarnings("ignore", message=beginning, category=UserWarning)
        yield
