"""The least that a class has to be."""

from pathlib import Path

import torch
from torch import nn

from hyrax_pack import hyrax_model


@hyrax_model
class Plain(nn.Module):
    """One linear layer on digits."""

    def __init__(self, config, data_sample):
        super().__init__()
        image, _label = data_sample
        self.layer = nn.Linear(image.shape[1], 10)

    def forward(self, batch):
        image, _label = batch
        return self.layer(image)

    def train_step(self, batch):
        _image, label = batch
        self.optimizer.zero_grad()
        losses = nn.functional.cross_entropy(self.forward(batch), label, reduction="none")
        losses.mean().backward()
        self.optimizer.step()
        return {"loss": losses.tolist(), "greatest": losses.max()}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        data = data_dict["data"]
        image = np.asarray(data["image"], dtype=np.float32)
        label = np.asarray(data.get("label", []), dtype=np.int64)
        return image.reshape(len(image), -1) / np.float32(16), label


@hyrax_model
class Unshaped(Plain):
    """Layers that get their shape from the first batch."""

    def __init__(self, config, data_sample):
        super().__init__(config, data_sample)
        self.layer = nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.LazyLinear(10))


@hyrax_model
class Watched(Plain):
    """Tells the file named in its settings which rows it saw, and in which mode; with every hook."""

    def __init__(self, config, data_sample):
        super().__init__(config, data_sample)
        self.settings = config["model"]["Watched"]
        self.norm = nn.BatchNorm1d(10) if self.settings.get("norm") else nn.Identity()
        self.before = None

    def note(self, word):
        with Path(self.settings["diary"]).open("a") as diary:
            diary.write(f"{word}\n")

    def forward(self, batch):
        return self.norm(super().forward(batch))

    def train_step(self, batch):
        self.note(f"train {len(batch[0])} {self.training} {torch.is_grad_enabled()}")
        return super().train_step(batch)

    def validate_batch(self, batch):
        self.note(f"validate {len(batch[0])} {self.training} {torch.is_grad_enabled()}")
        loss = self.criterion(self.forward(batch), batch[1])
        return {"loss": loss, "accuracy": (self.forward(batch).argmax(1) == batch[1]).float().mean()}

    def test_batch(self, batch):
        self.note(f"test {len(batch[0])} {self.training} {torch.is_grad_enabled()}")
        return {"loss": self.criterion(self.forward(batch), batch[1]), "rows": float(len(batch[0]))}

    def log_epoch_metrics(self):
        self.note("log_epoch_metrics")
        return {"weight_norm": self.layer.weight.norm()}

    def train_post_epoch(self):
        self.note("train_post_epoch")

    def validate_post_epoch(self):
        self.note("validate_post_epoch")


@hyrax_model
class Rated(Plain):
    """Shows its learning rate once an epoch."""

    def log_epoch_metrics(self):
        return {"rate": self.optimizer.param_groups[0]["lr"]}


@hyrax_model
class StepsItself(Rated):
    """Steps its scheduler with every batch."""

    def train_step(self, batch):
        result = super().train_step(batch)
        self.scheduler.step()
        return result


@hyrax_model
class StepsSometimes(Rated):
    """Steps its scheduler with every fifth batch, which is not in every epoch, under another name."""

    def train_step(self, batch):
        result = super().train_step(batch)
        self.steps = getattr(self, "steps", 0) + 1
        plan = self.scheduler
        if self.steps % 5 == 0:
            plan.step()
        return result


@hyrax_model
class NeverSteps(Rated):
    """Has a method that steps the scheduler, and that nobody calls."""

    def slow_down(self):
        self.scheduler.step()


@hyrax_model
class StepsInSecret(Rated):
    """Steps its scheduler from the second epoch on, in a way that its code does not show."""

    def train_step(self, batch):
        result = super().train_step(batch)
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps > 4:
            vars(self)["sched" + "uler"].__class__.step(vars(self)["sched" + "uler"])
        return result


@hyrax_model
class NumpyState(Plain):
    """Gives numpy's numbers as extra state, which no weights file can hold."""

    def get_extra_state(self):
        import numpy as np

        return {"scale": np.float64(1.0)}

    def set_extra_state(self, state):
        pass


@hyrax_model
class OwnFormat(Plain):
    """Saves and loads its weights in its own way."""

    def save(self, path):
        torch.save({"format": "own", "parts": self.state_dict()}, path)

    def load(self, path):
        self.load_state_dict(torch.load(path, weights_only=True)["parts"])


@hyrax_model
class ForgetsToStep(Plain):
    """Computes a loss, and leaves it at that."""

    def train_step(self, batch):
        return {"loss": nn.functional.cross_entropy(self.forward(batch), batch[1])}


@hyrax_model
class TwoLosses(Plain):
    """Gives a loss of its own after every epoch."""

    def log_epoch_metrics(self):
        return {"loss": -1.0, "purity": 0.5}


@hyrax_model
class OddNames(Plain):
    """Calls its figures as people do."""

    def log_epoch_metrics(self):
        return {"acc@5": 0.5, "F1 (macro)": 0.25, "../worse": 0.125, "//a": 1.0, "": 2.0}
