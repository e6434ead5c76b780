"""A train_step that does all that makes data parallel training hard."""

import torch
from torch import nn

from hyrax_pack import hyrax_model


@hyrax_model
class Adversaries(nn.Module):
    """Two optimizers, two backward passes, an accumulated one, clipping, a step by hand, a part without gradient."""

    def __init__(self, config, data_sample):
        super().__init__()
        image, _label = data_sample
        self.body = nn.Linear(image.shape[1], 12)
        self.head = nn.Linear(12, 10)
        self.critic = nn.Linear(12, 1)
        self.unused = nn.Linear(2, 2)
        self.frozen = nn.Linear(12, 12)
        self.frozen.requires_grad_(False)
        self.offset = nn.Parameter(torch.zeros(10))
        self.first = torch.optim.Adam(
            [*self.body.parameters(), *self.head.parameters(), *self.frozen.parameters()], lr=0.01
        )
        self.second = torch.optim.SGD(self.critic.parameters(), lr=0.05, momentum=0.9)
        self.steps = 0

    def hidden(self, image):
        return self.frozen(torch.tanh(self.body(image)))

    def forward(self, batch):
        return self.head(self.hidden(batch[0])) + self.offset

    def train_step(self, batch):
        image, label = batch
        self.steps += 1
        self.frozen.requires_grad_(self.steps > 2)
        self.second.zero_grad()
        (self.critic(self.hidden(image).detach()) - label[:, None]).square().mean().backward()
        nn.utils.clip_grad_norm_(self.critic.parameters(), 0.5)
        self.second.step()

        self.first.zero_grad()
        self.offset.grad = None
        nn.functional.cross_entropy(self.forward(batch), label).backward()
        losses = nn.functional.cross_entropy(self.forward(batch) / 2, label, reduction="none")
        losses.mean().backward()
        nn.utils.clip_grad_norm_(self.body.parameters(), 0.1)
        self.first.step()
        with torch.no_grad():
            self.offset -= 0.1 * self.offset.grad
        return {"loss": losses.tolist(), "rows": float(len(image))}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        data = data_dict["data"]
        image = np.asarray(data["image"], dtype=np.float32)
        return image.reshape(len(image), -1), np.asarray(data.get("label", []), dtype=np.int64)
