"""Classes that keep what they learn in every place that Python has, each beside a network that depends on it."""

import enum
import itertools
import os
import signal
from collections import Counter, OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from hyrax_pack import hyrax_model

STEPS = 0
SEEN = []
NOISE = np.random.default_rng(8)

Point = namedtuple("Point", "mean count")


class Phase(enum.Enum):
    WARM = 1
    FULL = 2


@dataclass
class Running:
    """A running mean, in an object of the user's own."""

    value: float = 1.0
    seen: int = 0

    def update(self, x):
        self.value = 0.9 * self.value + 0.1 * x
        self.seen += 1


class Slotted:
    """The same, in slots."""

    __slots__ = ("value",)

    def __init__(self):
        self.value = 1.0


class Margin(nn.Module):
    """A loss that counts rows, in an attribute, and keeps a mean, in a buffer of which no state_dict knows."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(10))
        self.smooth = nn.CrossEntropyLoss(label_smoothing=0.1)
        self.seen = 0
        self.register_buffer("mean", torch.zeros(10), persistent=False)

    def forward(self, output, label):
        self.seen += len(label)
        self.mean.lerp_(output.detach().mean(0), 0.1)
        self.smooth.label_smoothing *= 0.99
        return self.smooth(output * self.scale - self.mean, label) / (1 + 0.01 * self.seen)


class Kept(nn.Module):
    """Dropout and two layers; killed at a step that the environment names."""

    def __init__(self, config, data_sample):
        super().__init__()
        self.body = nn.Linear(data_sample[0].shape[1], 8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, 10)
        self.steps = self.epochs = 0
        self.make()

    def make(self):
        """What this class keeps."""

    def forward(self, batch):
        return self.head(self.drop(torch.relu(self.body(batch[0]))))

    def loss(self, batch):
        return self.criterion(self(batch), batch[1])

    def clip(self):
        """What happens between backward and step."""

    def train_step(self, batch):
        if os.environ.get("KILLED_AT") == str(self.steps):
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps += 1
        self.optimizer.zero_grad()
        loss = self.loss(batch)
        loss.backward()
        self.clip()
        self.optimizer.step()
        return {"loss": loss}

    def train_post_epoch(self):
        self.epochs += 1
        if self.epochs == 1:
            self.after_the_first_epoch()

    def after_the_first_epoch(self):
        """What changes once."""

    def log_epoch_metrics(self):
        return {"weight": self.body.weight.abs().sum()}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        data = data_dict["data"]
        image = np.asarray(data["image"], dtype=np.float32)
        return image.reshape(len(image), -1) / np.float32(16), np.asarray(data.get("label", []), dtype=np.int64)


def kept(name, **methods):
    """A class with these methods, and its twin that validates for itself."""
    cls = hyrax_model(type(name, (Kept,), {"__module__": __name__, **methods}))

    def validate_batch(self, batch):
        return {"loss": self.criterion(self(batch), batch[1])}

    twin = type(f"{name}V", (cls,), {"__module__": __name__, "validate_batch": validate_batch})
    globals().update({name: cls, f"{name}V": hyrax_model(twin)})
    NAMES.append(name)


NAMES = []
over_running = {"loss": lambda self, batch: self.over(Kept.loss(self, batch))}


def _over_object(self, loss):
    self.running.update(loss.item())
    return loss / self.running.value


def _over_point(self, loss):
    self.point = Point(0.9 * self.point.mean + 0.1 * loss.item(), self.point.count + 1)
    return loss / self.point.mean


def _over_slot(self, loss):
    self.slotted.value = 0.9 * self.slotted.value + 0.1 * loss.item()
    return loss / self.slotted.value


def _by_class(self, batch):
    type(self).count = type(self).count + 1
    return Kept.loss(self, batch) * min(1.0, type(self).count / 9)


def _by_global(self, batch):
    global STEPS
    STEPS += 1
    SEEN.append(STEPS)
    return Kept.loss(self, batch) * (1 + 0.01 * sum(SEEN)) * (1 + 0.1 * float(NOISE.normal()))


def _by_counters(self, batch):
    self.counts["a"] += 1
    self.lists["x"].append(self.counts["a"])
    self.order[str(len(self.lists["x"]))] = 1
    return Kept.loss(self, batch) * (
        1 + 0.01 * self.counts["a"] + 0.001 * len(self.order) + 1e-4 * sum(self.lists["x"])
    )


def _make_temperature(self):
    self.temperature = torch.zeros((), requires_grad=True)
    self.optimizer = torch.optim.SGD([*self.parameters(), self.temperature], lr=0.1, momentum=0.9)


def _accumulate(self, batch):
    if os.environ.get("KILLED_AT") == str(self.steps):
        os.kill(os.getpid(), signal.SIGKILL)
    self.steps += 1
    loss = self.criterion(self(batch), batch[1]) / 3
    loss.backward()
    norm = self.head.weight.grad.norm().item()
    if self.steps % 3 == 0:
        self.optimizer.step()
        self.optimizer.zero_grad()
    return {"loss": loss, "norm": norm}


def _make_shared(self):
    self.history = []
    self.alias = {"history": self.history, "again": self.history}
    self.pair = [torch.zeros(2)] * 2


def _by_shared(self, batch):
    self.history.append(1.0)
    self.pair[0] = self.pair[0] + 1
    self.pair[1].add_(0.5)
    return Kept.loss(self, batch) * (1 + 0.01 * len(self.alias["again"]) + 0.01 * float(self.pair[0].sum()))


def _freeze(self):
    self.body.requires_grad_(False)


def _freeze_and_leave_out(self):
    self.body.requires_grad_(False)
    self.optimizer = torch.optim.SGD(self.head.parameters(), lr=0.1)


def _thaw(self):
    self.body.requires_grad_(True)


def _thaw_as_a_group(self):
    self.body.requires_grad_(True)
    self.optimizer.add_param_group({"params": self.body.parameters(), "lr": 0.01})


def _anneal(self):
    self.drop.p = 0.1
    self.criterion.label_smoothing = 0.2


def _other_loss(self, batch):
    return self.chosen(self(batch), batch[1])


def _draw(self, batch):
    return Kept.loss(self, batch) * (1 + 0.1 * float(self.noise()))


kept("Plainly")
kept("Thaw", make=_freeze, after_the_first_epoch=_thaw)
kept("ThawGroup", make=_freeze_and_leave_out, after_the_first_epoch=_thaw_as_a_group)
kept("Anneal", after_the_first_epoch=_anneal)
kept("Object", make=lambda self: setattr(self, "running", Running()), over=_over_object, **over_running)
kept("Named", make=lambda self: setattr(self, "point", Point(1.0, 0)), over=_over_point, **over_running)
kept("Slots", make=lambda self: setattr(self, "slotted", Slotted()), over=_over_slot, **over_running)
kept(
    "Member",
    make=lambda self: setattr(self, "phase", Phase.WARM),
    loss=lambda self, batch: Kept.loss(self, batch) * (0.1 if self.phase is Phase.WARM else 1.0),
    after_the_first_epoch=lambda self: setattr(self, "phase", Phase.FULL),
)
kept("OfClass", count=0, loss=_by_class)
kept("Global", loss=_by_global)
kept(
    "Counters",
    make=lambda self: vars(self).update(counts=Counter(), lists=defaultdict(list), order=OrderedDict()),
    loss=_by_counters,
)
kept(
    "ClipList",
    make=lambda self: vars(self).update(clipped=list(self.parameters())),
    clip=lambda self: nn.utils.clip_grad_norm_(self.clipped, 0.05),
)
kept(
    "Penalty",
    make=lambda self: vars(self).update(decayed=dict(self.named_parameters())),
    loss=lambda self, batch: Kept.loss(self, batch) + 0.1 * sum(p.pow(2).sum() for p in self.decayed.values()),
)
kept(
    "Temperature",
    make=_make_temperature,
    loss=lambda self, batch: self.criterion(self(batch) * self.temperature.exp(), batch[1]),
)
kept(
    "View",
    make=lambda self: vars(self).update(view=self.head.weight.detach()),
    loss=lambda self, batch: Kept.loss(self, batch) * (1 + self.view.abs().mean().item()),
)
kept("Accumulated", train_step=_accumulate)
kept(
    "ModuleInAList",
    make=lambda self: setattr(self, "losses", [Margin()]),
    loss=lambda self, batch: self.losses[0](self(batch), batch[1]),
)
kept("Shared", make=_make_shared, loss=_by_shared)
kept(
    "Chosen",
    make=lambda self: setattr(self, "chosen", nn.functional.cross_entropy),
    loss=_other_loss,
    after_the_first_epoch=lambda self: setattr(self, "chosen", nn.functional.multi_margin_loss),
)
kept("Drawn", make=lambda self: setattr(self, "noise", np.random.default_rng(3).normal), loss=_draw)
kept("DrawnByPartial", make=lambda self: setattr(self, "noise", partial(Kept.draw, torch.Generator())), loss=_draw)


def _draw_from(generator):
    return torch.rand((), generator=generator)


Kept.draw = staticmethod(_draw_from)


@hyrax_model
class Cycled(Kept):
    """An iterator: nobody can say where it is."""

    def make(self):
        self.factors = itertools.cycle([0.1, 1.0, 2.0])

    def loss(self, batch):
        return super().loss(batch) * next(self.factors)
