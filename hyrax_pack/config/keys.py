"""The settings that exist: their types, bounds and meanings. default.toml gives their values.

The checks (`checking`) and the JSON Schema (`schema`) both read these tables, so they cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal["string", "strings", "integer", "number", "boolean"]

GROUPS = ("train", "validate", "test", "infer")
# Tables whose `name` is a class and whose other keys are arguments of its constructor.
CONSTRUCTOR_TABLES = ("criterion", "optimizer", "scheduler")
# Tables that hold one sub-table for each class: [model.<Class>], [data_set.<Class>].
CLASS_TABLES = ("model", "data_set")

# The end of a text, in every dialect of regular expressions: Python's `$` also matches before a last line break.
END = r"(?![\s\S])"

# `object_id` stands beside the data sets in data_dict; `/` joins friendly name and field.
FRIENDLY = rf"(?!object_id{END})[^/.\x00-\x1f]+"

TYPE_WORDS: dict[Type, str] = {
    "string": "a string",
    "strings": "a list of strings",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
}


@dataclass(frozen=True)
class Key:
    """One setting.

    Attributes
    ----------
    type : str
        `string`, `strings` (a list of them), `integer`, `number` or `boolean`.
    meaning : str
        One sentence, shown by editors.
    optional : bool
        Whether `false` stands for "not set".
    least, greatest : float or None
        Bounds of a number, both allowed.
    choices : tuple of str
        The only values of a string; empty: any.
    pattern : str or None
        A regular expression that a string matches as a whole, in words that Python and JSON Schema (ECMA 262) share.
    words : str or None
        What the pattern asks for, where it is hard to read.
    """

    type: Type
    meaning: str
    optional: bool = False
    least: float | None = None
    greatest: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    words: str | None = None

    def expected(self) -> str:
        """What a value has to be, in words."""
        if self.choices:
            words = "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        else:
            words = TYPE_WORDS[self.type]
            if self.least is not None and self.greatest is not None:
                words += f" from {self.least:g} to {self.greatest:g}"
            elif self.least is not None:
                words += f" of at least {self.least:g}"
            if self.pattern:
                words = self.words or f"{words} like {self.pattern}"
        return words + (', or false for "not set"' if self.optional else "")

    def not_set(self, value: Any) -> bool:
        """Whether `value` is the `false` that means "not set"."""
        return self.optional and value is False

    def fits(self, value: Any) -> bool:
        """Whether `value` may stand here; a whole number with a point counts as the integer that it is."""
        if self.not_set(value):
            return True
        if self.type == "boolean":
            return isinstance(value, bool)
        if self.type == "strings":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        if self.type == "string":
            return (
                isinstance(value, str)
                and (not self.choices or value in self.choices)
                and (self.pattern is None or re.search(whole(self.pattern), value) is not None)
            )
        value = self.meant(value)
        if isinstance(value, bool) or not isinstance(value, int if self.type == "integer" else (int, float)):
            return False
        # A comparison with NaN is false, so NaN fits no bound.
        return (self.least is None or value >= self.least) and (self.greatest is None or value <= self.greatest)

    def meant(self, value: Any) -> Any:
        """The value as it is kept: 3.0 and 1e3 are integers where one belongs, as they are in JSON."""
        if self.type == "integer" and isinstance(value, float) and value.is_integer():
            return int(value)
        return value


def whole(pattern: str) -> str:
    """The regular expression for a text that `pattern` matches from its beginning to its end."""
    return f"^(?:{pattern}){END}"


DEVICE = r"auto|cpu|mps|cuda(:[0-9]+)?"
# The files that a run folder has of its own.
_TAKEN = r"last\.pt|run\.json|runtime_config\.toml|to_tensor\.py|code\.json|data\.json|metrics\.jsonl|tracking\.log"
WEIGHTS = rf"(?!({_TAKEN}){END}|checkpoint_|events\.out|\.)[^/\\\x00-\x1f]+(?<!\.answers\.pt)(?<!\.partial)"
FUNCTION = r"[^\x00-\x1f]+:[^\x00-\x1f/\\:.]+"

TABLES: dict[str, dict[str, Key]] = {
    "general": {
        "results_dir": Key("string", "Where run folders go; a relative path starts where the command runs."),
        "log_level": Key(
            "string", "The least message that is shown.", choices=("debug", "info", "warning", "error", "critical")
        ),
        "base_dir": Key("string", "Where relative names of model files and data start.", optional=True),
    },
    "model": {
        "name": Key("string", "A registered name, a dotted path, or path/to/file.py:Class.", optional=True),
        "labels": Key("strings", "Fields that are not there at inference: `field` or `friendly/field`."),
        "batch": Key(
            "string",
            "`joint` where the rows of a batch change one another's outputs.",
            choices=("independent", "joint"),
        ),
        "requires": Key("strings", "Modules beyond numpy and the standard library that to_tensor may import."),
        "classes": Key("strings", "Names of the classes that the outputs stand for.", optional=True),
        "outputs": Key("strings", "Names of the outputs, in order, in place of the model's own.", optional=True),
    },
    "criterion": {"name": Key("string", "The class of the loss function.", optional=True)},
    "optimizer": {"name": Key("string", "The class of the optimizer.", optional=True)},
    "scheduler": {"name": Key("string", "The class of the learning rate scheduler.", optional=True)},
    "data_set": {},
    "split": {
        "train": Key(
            "number", "Fraction of the training data; not set: what the others leave.", True, least=0, greatest=1
        ),
        "validate": Key("number", "Fraction held out for validation.", optional=True, least=0, greatest=1),
        "test": Key("number", "Fraction held out for the test.", optional=True, least=0, greatest=1),
        "infer": Key("number", "Fraction for inference; not set: all rows.", optional=True, least=0, greatest=1),
        "rng_seed": Key("integer", "The seed that decides which row goes where.", least=0, greatest=2**32 - 1),
    },
    "train": {
        "epochs": Key("integer", "How often every row is visited.", least=1),
        "seed": Key("integer", "Makes a run repeatable; not set: another one for every run.", True, 0, 2**32 - 1),
        "device": Key("string", "Where training runs.", pattern=DEVICE),
        "shuffle": Key("boolean", "Whether rows are visited in a seeded permutation."),
        "resume": Key("string", "The run folder to go on with.", optional=True),
        "model_weights_file": Key("string", "Weights (a state_dict) to start from.", optional=True),
        "weights_filename": Key(
            "string",
            "The name of the weights file in the run folder.",
            pattern=WEIGHTS,
            words="a plain file name that the run folder has no file of its own for",
        ),
        "checkpoint_minutes": Key(
            "number", "Within an epoch, save this often too; not set: after epochs only.", optional=True, least=0
        ),
        "keep_checkpoints": Key("integer", "How many are kept, newest first; not set: all.", optional=True, least=1),
        "experiment_name": Key("string", "The experiment in MLflow."),
        "run_name": Key("string", "The run in MLflow; not set: the run folder's name.", optional=True),
    },
    "data_loader": {
        "batch_size": Key("integer", "Rows in one training step.", least=1),
        "num_workers": Key("integer", "Processes that read rows and run to_tensor; 0: the training process.", least=0),
        "prefetch_factor": Key("integer", "Batches that each worker keeps ready.", least=1),
        "pin_memory": Key("boolean", "Whether batches for a GPU are put in page-locked memory."),
        "collate_fn": Key(
            "string",
            "package.module:function: rows of one data set to its entry of data_dict.",
            optional=True,
            pattern=FUNCTION,
            words="a string like package.module:function",
        ),
    },
    "onnx": {"opset_version": Key("integer", "The ONNX opset of the exported graph.", least=18, greatest=27)},
}

# The keys of one [data_request.<group>.<friendly>].
REQUEST: dict[str, Key] = {
    "dataset_class": Key("string", "A built-in data set, a dotted path, or path/to/file.py:Class."),
    "data_location": Key("string", "The file or folder that the data set reads.", optional=True),
    "fields": Key("strings", "The fields to give to to_tensor; not set: all.", optional=True),
    "primary_id_field": Key("string", "The field whose values are the ids of the rows.", optional=True),
    "join_field": Key("string", "The field that holds the primary data set's ids.", optional=True),
}
# The one key of a request that is a table: settings of the data set itself.
REQUEST_TABLE = "dataset_config"


def find_key(path: str) -> Key | None:
    """Return the setting at a dotted path such as `train.epochs`; None where it is none of ours."""
    parts = path.split(".")
    if len(parts) == 2:
        return TABLES.get(parts[0], {}).get(parts[1])
    if len(parts) == 4 and parts[0] == "data_request":
        return REQUEST.get(parts[3])
    return None


def as_meant(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return one layer of settings with every value of ours as it is kept (`Key.meant`); the layer is not changed."""
    meant = dict(layer)
    for table, keys in TABLES.items():
        values = meant.get(table)
        if isinstance(values, Mapping):
            meant[table] = {name: keys[name].meant(value) if name in keys else value for name, value in values.items()}
    return meant
