"""A class that keeps state in every place that people keep it in."""

import os
import signal
from collections import deque

import numpy as np
import torch
from torch import nn

from hyrax_pack import hyrax_model


class JitteredDigits:
    """Twenty rows with noise from a generator of the data set and from numpy's global one."""

    def __init__(self, rows=20):
        self.rows = rows
        self.rng = np.random.default_rng(5)
        self.images = np.random.RandomState(3).rand(rows, 6).astype(np.float32)

    def __len__(self):
        return self.rows

    def get_image(self, row):
        noise = self.rng.normal(size=6) + np.random.normal(size=6)
        return self.images[row] + noise.astype(np.float32) * np.float32(0.01)

    def get_label(self, row):
        return np.int64(row % 3)


class Noise:
    """An augmentation with a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(5)

    def draw(self):
        return self.rng.normal(size=6)


MODULE_RNG = np.random.default_rng(9)


class ManyJitters(JitteredDigits):
    """Generators in an object, in a dict, in a slot, behind a method, and at the top of the file."""

    __slots__ = ("slotted",)

    def __init__(self, rows=20):
        super().__init__(rows)
        self.noise = Noise()
        self.several = {"noise": [np.random.default_rng(6)]}
        self.slotted = np.random.default_rng(7)
        self.method = Noise().draw

    def get_image(self, row):
        noise = self.noise.draw() + self.several["noise"][0].normal(size=6) + self.slotted.normal(size=6)
        noise = noise + self.method() + MODULE_RNG.normal(size=6)
        return super().get_image(row) + noise.astype(np.float32) * np.float32(0.01)


class Average:
    """A running mean of the weights, kept outside of torch's modules."""

    def __init__(self, model):
        self.shadow = {name: value.detach().clone() for name, value in model.named_parameters()}

    def update(self, model):
        for name, value in model.named_parameters():
            self.shadow[name].mul_(0.9).add_(value.detach(), alpha=0.1)

    def state_dict(self):
        return {"shadow": self.shadow}

    def load_state_dict(self, state):
        self.shadow = state["shadow"]


@hyrax_model
class Stateful(nn.Module):
    """Dropout, batch normalisation, two optimizers, a schedule by counter, generators, a history, a moving average."""

    def __init__(self, config, data_sample):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(8, 3)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64), persistent=False)
        self.optimizers = [
            torch.optim.Adam(self.body.parameters(), lr=0.01),
            torch.optim.SGD(self.head.parameters(), 0.1, 0.9),
        ]
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizers[0], step_size=3, gamma=0.9)
        self.average = Average(self)
        self.rng = np.random.default_rng(11)
        self.torch_rng = torch.Generator().manual_seed(4)
        self.steps = 0
        self.history = []
        self.recent = deque(maxlen=3)
        self.best = {"loss": np.float64(np.inf), "at": (0, None)}

    def forward(self, batch):
        return self.head(self.body(batch[0]))

    def train_step(self, batch):
        image, label = batch
        image = image + float(self.rng.normal()) * 0.01 + torch.randn(image.shape, generator=self.torch_rng) * 0.01
        self.steps += 1
        self.seen += len(image)
        warm = min(1.0, self.steps / 7)
        losses = nn.functional.cross_entropy(self.forward((image, label)), label, reduction="none") * warm
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        losses.mean().backward()
        for optimizer in self.optimizers:
            optimizer.step()
        self.schedule.step()
        self.average.update(self)
        loss = losses.mean().item()
        self.recent.append(loss)
        if loss < self.best["loss"]:
            self.best = {"loss": np.float64(loss), "at": (self.steps, None)}
        return {
            "loss": losses.tolist(),
            "rate": self.schedule.get_last_lr()[0],
            "recent": sum(self.recent),
            "seen": self.seen,
        }

    def validate_batch(self, batch):
        return {"loss": nn.functional.cross_entropy(self.forward(batch), batch[1])}

    def log_epoch_metrics(self):
        self.history.append(float(self.best["loss"]))
        return {"epochs": len(self.history), "average": self.average.shadow["head.bias"].sum()}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        return np.stack(data_dict["data"]["image"]), np.asarray(data_dict["data"].get("label", []), dtype=np.int64)


@hyrax_model
class Learning(Stateful):
    """The same without a validation of its own."""

    validate_batch = None


@hyrax_model
class NormFree(Stateful):
    """The same for batches of one row; killed at a step that the environment names."""

    def __init__(self, config, data_sample):
        super().__init__(config, data_sample)
        self.body[1] = nn.Identity()

    def train_step(self, batch):
        if str(self.steps) == os.environ.get("KILLED_AT"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().train_step(batch)
