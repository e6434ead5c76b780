"""Classes that two processes might train apart."""

import torch
from torch import nn

from hyrax_pack import hyrax_model
from tests.pack.training.models.plain import Plain


@hyrax_model
class ByGrad(Plain):
    """Asks autograd for gradients, and steps by hand."""

    def train_step(self, batch):
        loss = nn.functional.cross_entropy(self.forward(batch), batch[1])
        parameters = list(self.parameters())
        with torch.no_grad():
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter -= 0.1 * gradient
        return {"loss": loss}


@hyrax_model
class GradIntoOptimizer(Plain):
    """Asks autograd for gradients, and gives them to the optimizer."""

    def train_step(self, batch):
        loss = nn.functional.cross_entropy(self.forward(batch), batch[1])
        parameters = list(self.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        return {"loss": loss}


@hyrax_model
class LineSearch(Plain):
    """Steps as far as a line search finds right."""

    def __init__(self, config, data_sample):
        super().__init__(config, data_sample)
        self.optimizer = torch.optim.LBFGS(self.parameters(), lr=0.5, line_search_fn="strong_wolfe")


@hyrax_model
class Temperature(Plain):
    """Learns a temperature that is a plain tensor."""

    def __init__(self, config, data_sample):
        super().__init__(config, data_sample)
        self.warmth = torch.zeros((), requires_grad=True)
        self.optimizer = torch.optim.SGD([*self.parameters(), self.warmth], lr=0.1)

    def train_step(self, batch):
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.forward(batch) * self.warmth.exp(), batch[1])
        loss.backward()
        self.optimizer.step()
        return {"loss": loss}

    def log_epoch_metrics(self):
        return {"temperature": self.warmth.detach()}


@hyrax_model
class Normalised(Plain):
    """Normalises by running figures."""

    def __init__(self, config, data_sample):
        super().__init__(config, data_sample)
        self.norm = nn.BatchNorm1d(10)

    def forward(self, batch):
        return self.norm(super().forward(batch))

    def validate_batch(self, batch):
        return {"loss": self.criterion(self.forward(batch), batch[1])}
