"""The methods that the framework knows by name, ours and the later upstream words, and the search for near misses."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hook:
    """One part that a method of the class plays.

    Attributes
    ----------
    names : tuple of str
        Our word first, then the words that upstream uses; the first one that the class has counts.
    signature : str
        How to write it, for messages.
    required : bool
        Whether a class without it is refused.
    mistaken : tuple of str
        Names that people write for it, from other frameworks too.
    arguments : int
        How many arguments it takes beside self.
    """

    names: tuple[str, ...]
    signature: str
    required: bool = False
    mistaken: tuple[str, ...] = ()
    arguments: int = 1


TENSOR = Hook(
    ("to_tensor", "prepare_inputs"),
    "@staticmethod def to_tensor(data_dict)",
    mistaken=("prepare_data", "prepare_input", "prepare_batch", "make_tensor", "as_tensor", "get_tensor"),
)
INIT = Hook(("__init__",), "def __init__(self, config, data_sample)", required=True)
FORWARD = Hook(("forward",), "def forward(self, batch)", required=True, mistaken=("predict", "call"))
TRAIN = Hook(
    ("train_step", "train_batch"),
    "def train_step(self, batch)",
    required=True,
    mistaken=("training_step", "step", "fit", "train_one_batch"),
)
INFER = Hook(
    ("infer_batch",),
    "def infer_batch(self, batch)",
    mistaken=(
        "infer", "infer_step", "inference", "inference_batch", "inference_step", "predict_batch", "predict_step",
    ),
)  # fmt: skip
VALIDATE = Hook(
    ("validate_batch",),
    "def validate_batch(self, batch)",
    mistaken=(
        "validate", "validate_step", "validation_step", "validation_batch", "val_step", "val_batch", "eval_step",
        "eval_batch", "evaluate_batch",
    ),
)  # fmt: skip
TEST = Hook(("test_batch",), "def test_batch(self, batch)", mistaken=("test_step", "testing_step"))
EPOCH_METRICS = Hook(
    ("log_epoch_metrics",),
    "def log_epoch_metrics(self)",
    arguments=0,
    mistaken=("log_metrics", "epoch_metrics", "get_epoch_metrics"),
)
TRAIN_POST_EPOCH = Hook(
    ("train_post_epoch",),
    "def train_post_epoch(self)",
    arguments=0,
    mistaken=(
        "post_epoch", "post_train_epoch", "epoch_end", "on_epoch_end", "train_epoch_end", "training_epoch_end",
        "on_train_epoch_end",
    ),
)  # fmt: skip
VALIDATE_POST_EPOCH = Hook(
    ("validate_post_epoch",),
    "def validate_post_epoch(self)",
    arguments=0,
    mistaken=(
        "post_validate_epoch", "validate_epoch_end", "validation_epoch_end", "on_validation_end",
        "on_validation_epoch_end",
    ),
)  # fmt: skip
SAVE = Hook(("save",), "def save(self, path)")
LOAD = Hook(("load",), "def load(self, path)")

HOOKS = (
    INIT,
    FORWARD,
    TRAIN,
    TENSOR,
    INFER,
    VALIDATE,
    TEST,
    EPOCH_METRICS,
    TRAIN_POST_EPOCH,
    VALIDATE_POST_EPOCH,
)
# A name this like a hook's is taken for a slip; below it, for a method of the class's own.
_SLIP = 0.86
# A class without a required one is refused anyway, so a guess costs nothing.
_SLIP_OF_A_REQUIRED_ONE = 0.7


def find_hook(cls: type, hook: Hook) -> str | None:
    """Return the name under which `cls` has the hook, itself or from a base class other than torch's; None without."""
    return next((name for name in hook.names if own_attribute(cls, name) is not None), None)


def hook_takes(cls: type, hook: Hook, count: int) -> bool:
    """Whether `cls` has the hook, as a method that can be called with so many arguments beside self."""
    name = find_hook(cls, hook)
    method = None if name is None else own_attribute(cls, name)
    if not inspect.isfunction(method):
        return False
    try:
        inspect.signature(method).bind(*range(count + 1))
    except TypeError:
        return False
    return True


def own_attribute(cls: type, name: str) -> Any:
    """Return what stands under `name` in `cls` or a base class that is neither torch's nor Python's, unbound."""
    for base in cls.__mro__:
        if name in vars(base):
            return None if _is_library(base) else inspect.getattr_static(base, name)
    return None


def own_methods(cls: type) -> list[str]:
    """Return the names of what `cls` and its own bases define and could be called."""
    names: dict[str, None] = {}
    for base in cls.__mro__:
        if not _is_library(base):
            callables = (name for name, value in vars(base).items() if callable(value) or _is_wrapped(value))
            names.update(dict.fromkeys(callables))
    return list(names)


def near_misses(cls: type, hook: Hook, taken: set[str]) -> list[str]:
    """Return methods of `cls` that were probably meant to be `hook`, nearest first.

    Parameters
    ----------
    taken : set of str
        Names that are hooks themselves and so are no slips.
    """
    candidates = [name for name in own_methods(cls) if name not in taken and not name.startswith("_")]
    mistaken = [
        name
        for name in candidates
        if name.lower() in hook.mistaken and (hook.required or hook is TENSOR or _could_be(cls, name, hook))
    ]
    cutoff = _SLIP_OF_A_REQUIRED_ONE if hook.required else _SLIP
    similar = [
        name
        for word in hook.names
        for name in difflib.get_close_matches(word, [other.lower() for other in candidates], n=3, cutoff=cutoff)
    ]
    return list(dict.fromkeys([*mistaken, *(name for name in candidates if name.lower() in similar)]))


def _could_be(cls: type, name: str, hook: Hook) -> bool:
    """Whether a method may be meant for a hook: it takes as many arguments, and no method of the class calls it."""
    method = own_attribute(cls, name)
    if inspect.isfunction(method):
        try:
            inspect.signature(method).bind(*range(hook.arguments + 1))
        except TypeError:
            return False
    return not any(name in _names_in(own_attribute(cls, other)) for other in own_methods(cls) if other != name)


def _names_in(method: Any) -> tuple[str, ...]:
    """The attributes and globals that a method's code names."""
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    return () if code is None else tuple(code.co_names)


def _is_wrapped(value: Any) -> bool:
    return isinstance(value, (staticmethod, classmethod))


def _is_library(base: type) -> bool:
    return base is object or base.__module__.split(".", 1)[0] in ("torch", "builtins", "abc", "typing")
