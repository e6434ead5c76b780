"""Classes to which something happens at a step that their settings name."""

import multiprocessing
import os
import signal
import time

import torch
from torch import nn

from hyrax_pack import hyrax_model
from tests.pack.training.models.plain import Plain


@hyrax_model
class Failing(Plain):
    """At training step or validation batch number `at`: a NaN loss, a signal, or an exception."""

    def __init__(self, config, data_sample):
        super().__init__(config, data_sample)
        self.what, self.at = config["model"]["Failing"]["what"], config["model"]["Failing"]["at"]
        if self.what.startswith("at the start: "):
            os.kill(os.getpid(), getattr(signal, self.what.removeprefix("at the start: ")))
        self.dropout = nn.Dropout(0.2)
        self.steps = 0
        self.validated = 0
        self.register_buffer("mask", torch.tensor([0.0, float("-inf")]), persistent=False)

    def forward(self, batch):
        return self.dropout(super().forward(batch))

    def train_step(self, batch):
        result = super().train_step(batch)
        self.steps += 1
        if self.steps == self.at and os.environ.get("HARMLESS") is None:
            if self.what == "nan":
                return {"loss": float("nan")}
            if self.what == "infinite":
                return {"loss": float("inf")}
            if self.what == "nan gradient":
                self.layer.weight.data[0, 0] = float("nan")  # what the optimizer makes of such a gradient
            if self.what == "raise":
                raise ValueError("no such star\nand no such sky")
            if self.what == "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
            if self.what == "terminate":
                os.kill(os.getpid(), signal.SIGTERM)
            if self.what == "hang up":
                os.kill(os.getpid(), signal.SIGHUP)
            if self.what == "terminate all":
                for process in (*multiprocessing.active_children(), multiprocessing.current_process()):
                    os.kill(process.pid, signal.SIGTERM)
                time.sleep(0.3)
            if self.what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.what == "twice":
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
        return result

    def validate_batch(self, batch):
        self.validated += 1
        if self.what == "interrupt validation" and self.validated == self.at and os.environ.get("HARMLESS") is None:
            os.kill(os.getpid(), signal.SIGINT)
        loss = nn.functional.cross_entropy(self.forward(batch), batch[1])
        bad = self.what == "nan validation" and self.validated >= self.at
        return {"loss": loss * (float("nan") if bad else 1), "noise": torch.rand(())}


@hyrax_model
class Counting(Failing):
    """Halves its weights after every epoch, and counts in a tensor what it gets right in validation."""

    def __init__(self, config, data_sample):
        config["model"]["Failing"] = config["model"]["Counting"]
        super().__init__(config, data_sample)
        self.right = torch.zeros(1)

    def train_post_epoch(self):
        with torch.no_grad():
            self.layer.weight.mul_(0.5)

    def validate_batch(self, batch):
        self.right += (self.forward(batch).argmax(1) == batch[1]).sum()
        return super().validate_batch(batch)

    def log_epoch_metrics(self):
        return {"right": self.right, "noise": torch.rand(())}
