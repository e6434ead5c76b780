"""Train a torch model, prove it, and ship it in one file that runs without torch.

The names below load what they need when they are first used: importing hyrax_pack does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyrax_pack.model import hyrax_model
    from hyrax_pack.workflow import export, train

__all__ = ["export", "hyrax_model", "train"]
__version__ = "0.1.0"

_HOME = {"hyrax_model": "hyrax_pack.model", "train": "hyrax_pack.workflow", "export": "hyrax_pack.workflow"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'hyrax_pack' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
