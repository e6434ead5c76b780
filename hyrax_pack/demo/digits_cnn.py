"""A small convolutional network for handwritten digits: the one file that a scientist writes."""

import torch
from torch import nn

from hyrax_pack import hyrax_model


@hyrax_model
class DigitsCNN(nn.Module):
    """Two convolutions and two linear layers, for images of 8 x 8 pixels in ten classes."""

    def __init__(self, config, data_sample):
        super().__init__()
        width = config["model"]["DigitsCNN"]["width"]
        self.network = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * width * 4 * 4, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )
        # Preflight: a mismatch between data and network shows here, not after an hour of training.
        self.forward(data_sample)

    def forward(self, batch):
        image, _label = batch
        return self.network(image)

    def train_step(self, batch):
        _image, label = batch
        self.optimizer.zero_grad()
        scores = self.forward(batch)
        loss = self.criterion(scores, label)
        loss.backward()
        self.optimizer.step()
        return {"loss": loss, "accuracy": (scores.argmax(dim=1) == label).float().mean()}

    def validate_batch(self, batch):
        _image, label = batch
        with torch.no_grad():
            scores = self.forward(batch)
            return {"loss": self.criterion(scores, label), "accuracy": (scores.argmax(dim=1) == label).float().mean()}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        data = data_dict["data"]
        # Pixels are counts from 0 to 16; the network sees (N, 1, 8, 8) float32 from 0 to 1.
        image = np.asarray(data["image"], dtype=np.float32)[:, None] / np.float32(16)
        # There is no label when the model runs in production.
        label = np.asarray(data.get("label", []), dtype=np.int64)
        return image, label
