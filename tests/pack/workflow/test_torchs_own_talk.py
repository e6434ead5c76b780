"""What torch says of its own state of development does not reach the user; what the model's author warns of does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CLASS = """
import warnings

import numpy as np
from torch import nn

from hyrax_pack import hyrax_model


@hyrax_model
class Masked(nn.Module):
    def __init__(self, config, data_sample=None):
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)

    def forward(self, batch):
        warnings.warn("the flux is not calibrated")
        image, _ = batch
        return self.encoder(image, src_key_padding_mask=(image == 0).all(-1)).nan_to_num().mean(1)

    def train_step(self, batch):
        return {"loss": 0.0}

    @staticmethod
    def to_tensor(data_dict):
        return np.stack(data_dict["data"]["image"]).astype(np.float32), None
"""
CHECK = "from hyrax_pack.workflow import check; print(check('masked.py:Masked', graph=True).to_text())"


def test_a_masked_transformer_is_exported_without_a_word_on_nested_tensors(tmp_path: Path) -> None:
    """In a process of its own: torch says it once."""
    (tmp_path / "masked.py").write_text(CLASS)
    done = subprocess.run([sys.executable, "-c", CHECK], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "exports with untrained weights" in done.stdout
    assert "nested tensors" not in done.stderr
    assert "the flux is not calibrated" in done.stderr
