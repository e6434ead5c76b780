"""Everything of a model that training changes, as plain values and tensors, and back.

Weights and buffers are in its state_dict. Optimizers, schedulers, gradient scalers and averages of weights have a
state_dict of their own, under whatever attribute the class keeps them. Counters, histories, generators and objects of
the user's own are plain attributes; so are a layer's rate of dropout and the flags that freeze a parameter. All of it
is needed for a run that goes on to be the run that was never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hyrax_pack.run.weights import settle_lazy
from hyrax_pack.training.state.decoding import Decoder, Lost
from hyrax_pack.training.state.encoding import Encoded, Encoder, Own, Unsaved
from hyrax_pack.training.state.modules import attributes_of, buffers_outside, fill_buffers
from hyrax_pack.training.state.outside import Outside
from hyrax_pack.training.state.plain_objects import CODE, is_stateless, name_of_code

# What inference has no use for.
_OF_TRAINING = (Optimizer, LRScheduler, torch.amp.GradScaler)


class ModelState:
    """The state of one model, from the moment at which it was made.

    Parameters
    ----------
    model : nn.Module
        As it was made: what has another value later, and cannot be saved, is noticed.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._outside = Outside(model)
        self._made_with = dict(self._nameless())

    def capture(self) -> tuple[dict[str, Any], list[str]]:
        """Everything that training changes, and what of it a checkpoint cannot hold.

        Returns
        -------
        state : dict
            `weights` (the state_dict), `buffers` (those outside it), `attributes` (dotted path -> encoded value),
            `outside` (what classes and modules keep), `frozen` (parameters without gradient), `gradients` (those that
            wait for a step), `modes` (parts that are in evaluation mode).
        unsaved : list of str
            Path and reason: a resumed run starts these afresh.
        """
        named = list(self._model.named_parameters())
        attributes, unsaved = self._encode()
        weights, unsaved_weights = _encoded_weights(self._model)
        state = {
            "weights": weights,
            "buffers": buffers_outside(self._model),
            "attributes": attributes,
            "outside": self._outside.changed(),
            "frozen": [name for name, parameter in named if not parameter.requires_grad],
            "gradients": {name: parameter.grad for name, parameter in named if parameter.grad is not None},
            "modes": [name for name, module in self._model.named_modules() if not module.training],
        }
        return state, [*unsaved, *unsaved_weights, *self._outside.unsaved(), *self._replaced()]

    def capture_for_inference(self) -> dict[str, Any]:
        """What stands outside of the state_dict and may change what the model answers."""
        attributes, _unsaved = self._encode(without=_OF_TRAINING)
        return {"buffers": buffers_outside(self._model), "attributes": attributes, "outside": self._outside.changed()}

    def restore(self, state: Mapping[str, Any]) -> list[str]:
        """Put everything back; say what could not be put back, and why."""
        model = self._model
        model.load_state_dict(_decoded_weights(state["weights"]))
        settle_lazy(model)
        lost = self.restore_for_inference(state)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in state["frozen"])
            gradient = state["gradients"].get(name)
            parameter.grad = None if gradient is None else gradient.to(parameter.device, copy=True)
        for name, module in model.named_modules():
            module.training = name not in state["modes"]
        return lost

    def restore_for_inference(self, state: Mapping[str, Any]) -> list[str]:
        """Put back what stands outside of the state_dict; say what could not be put back, and why."""
        fill_buffers(self._model, state["buffers"])
        lost = self._decode(state["attributes"])
        try:
            self._outside.restore(state["outside"])
        except Lost as verdict:
            lost.append(str(verdict))
        return lost

    def _replaced(self) -> list[str]:
        return [
            f"{path} (another {type(value).__name__} than at first)"
            for path, value in self._nameless()
            if value is not self._made_with.get(path) and value != self._made_with.get(path)
        ]

    def _nameless(self) -> Iterator[tuple[str, Any]]:
        """Attributes of a kind that never changes and has no name to be found by."""
        for path, _, _, value in attributes_of(self._model):
            if is_stateless(value) and not (isinstance(value, CODE) and name_of_code(value)):
                yield path, value

    def _encode(self, without: tuple[type, ...] = ()) -> tuple[dict[str, Encoded], list[str]]:
        """The attributes, and those that cannot be encoded."""
        attributes: dict[str, Encoded] = {}
        unsaved: list[str] = []
        encoder = Encoder(Own.of(self._model))
        for path, _module, _name, value in attributes_of(self._model):
            if isinstance(value, without):
                continue
            try:
                encoded = encoder.encode(value)
            except Unsaved as verdict:
                unsaved.append(f"{path} ({verdict})")
                continue
            if encoded != ["same"]:
                attributes[path] = encoded
        return attributes, [*unsaved, *encoder.unsaved_inside]

    def _decode(self, attributes: Mapping[str, Encoded]) -> list[str]:
        """Put the attributes back; say which could not be."""
        current = {path: value for path, _, _, value in attributes_of(self._model)}
        modules = dict(self._model.named_modules())
        decoder = Decoder(Own.of(self._model))
        lost = []
        for path, encoded in attributes.items():
            owner, _, name = path.rpartition(".")
            try:
                if owner not in modules:
                    raise Lost(f"the model has no part {owner} now")
                restored = decoder.decode(encoded, current.get(path))
            except Lost as verdict:
                lost.append(f"{path}: {verdict}")
                continue
            if restored is not current.get(path, decoder):
                setattr(modules[owner], name, restored)
        return lost


def _encoded_weights(model: nn.Module) -> tuple[dict[str, Any], list[str]]:
    """The state_dict, with what is no tensor in it (get_extra_state) encoded; and what cannot be."""
    encoder = Encoder(Own())
    state: dict[str, Any] = {}
    unsaved: list[str] = []
    for name, value in model.state_dict().items():
        try:
            state[name] = value if torch.is_tensor(value) else ["extra", encoder.encode(value)]
        except Unsaved as verdict:
            unsaved.append(f"{name} ({verdict})")
    return state, unsaved


def _decoded_weights(state: Mapping[str, Any]) -> dict[str, Any]:
    decoder = Decoder(Own())
    return {name: decoder.decode(value[1], None) if isinstance(value, list) else value for name, value in state.items()}
