"""Which method of a class plays which part."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from hyrax_pack.model import hooks
from hyrax_pack.model.decorating import check_class
from hyrax_pack.model.default_input import to_tensor as default_to_tensor
from hyrax_pack.model.hooks import find_hook, hook_takes, own_attribute

# How older classes call the second argument of __init__, which then is the shape of one row.
_SHAPE_WORDS = ("shape", "data_shape", "input_shape", "image_shape", "img_shape")


@dataclass(frozen=True)
class ModelSpec:
    """What a model class offers, by the names of its methods; None where it does not have one.

    Attributes
    ----------
    cls : type
        The class.
    train_hook : str
        `train_step` or `train_batch`: called with each training batch, returns a dict.
    infer_hook : str
        `infer_batch` or `forward`: what inference, and so the exported graph, runs.
    validate_hook, test_hook : str or None
        `validate_batch`, `test_batch`: called with each batch of that group, return a dict.
    tensor_function : callable
        The live `to_tensor`, `prepare_inputs` or default, as a plain function of `data_dict`.
    tensor_name : str or None
        The name under which the class has it; None where it is the default.
    form : str
        What the function is called with: `list` of rows per field, or `stacked` arrays (`prepare_inputs`).
    init_takes : str
        The second argument of `__init__`: `data_sample`, or `shape` for older classes.
    log_epoch_metrics, train_post_epoch, validate_post_epoch : str or None
        The optional hooks around an epoch.
    save, load : str or None
        The class's own way to save and load, where it has both and each takes a path: one of them alone cannot be it.
    notes : tuple of str
        What a user should know: a method with a hook's name that is not taken for the hook.
    """

    cls: type
    train_hook: str
    infer_hook: str
    validate_hook: str | None
    test_hook: str | None
    tensor_function: Callable[[dict[str, Any]], Any]
    tensor_name: str | None
    form: Literal["list", "stacked"]
    init_takes: Literal["data_sample", "shape"]
    log_epoch_metrics: str | None
    train_post_epoch: str | None
    validate_post_epoch: str | None
    save: str | None
    load: str | None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The class's bare name."""
        return self.cls.__name__


def describe_model(cls: type) -> ModelSpec:
    """Say which method of `cls` plays which part.

    Raises
    ------
    ModelError
        The class breaks the contract; also one that was never decorated is checked.
    """
    check_class(cls)
    tensor_name = find_hook(cls, hooks.TENSOR)
    return ModelSpec(
        cls=cls,
        train_hook=find_hook(cls, hooks.TRAIN) or hooks.TRAIN.names[0],
        infer_hook=find_hook(cls, hooks.INFER) or hooks.FORWARD.names[0],
        validate_hook=find_hook(cls, hooks.VALIDATE),
        test_hook=find_hook(cls, hooks.TEST),
        tensor_function=own_attribute(cls, tensor_name).__func__ if tensor_name else default_to_tensor,
        tensor_name=tensor_name,
        form="stacked" if tensor_name == "prepare_inputs" else "list",
        init_takes=_init_takes(cls),
        log_epoch_metrics=find_hook(cls, hooks.EPOCH_METRICS),
        train_post_epoch=find_hook(cls, hooks.TRAIN_POST_EPOCH),
        validate_post_epoch=find_hook(cls, hooks.VALIDATE_POST_EPOCH),
        save=hooks.SAVE.names[0] if _saves_itself(cls) else None,
        load=hooks.LOAD.names[0] if _saves_itself(cls) else None,
        notes=tuple(_notes(cls)),
    )


def _saves_itself(cls: type) -> bool:
    return all(hook_takes(cls, hook, 1) for hook in (hooks.SAVE, hooks.LOAD))


def _notes(cls: type) -> Iterator[str]:
    here = [hook for hook in (hooks.SAVE, hooks.LOAD) if find_hook(cls, hook) is not None]
    if here and not _saves_itself(cls):
        names = " and ".join(hook.names[0] for hook in here)
        yield (
            f"{cls.__name__}.{names}: taken for a method of your own, and weights are written as a state_dict. A class "
            f"that saves itself has both: {hooks.SAVE.signature} and {hooks.LOAD.signature}"
        )


def _init_takes(cls: type) -> Literal["data_sample", "shape"]:
    parameters = list(inspect.signature(own_attribute(cls, "__init__")).parameters)
    return "shape" if len(parameters) > 2 and parameters[2] in _SHAPE_WORDS else "data_sample"
