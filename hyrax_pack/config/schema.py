"""The JSON Schema of a configuration file, written from the same tables as the checks.

    python -m hyrax_pack.config.schema > schemas/config.v1.schema.json

What a schema cannot say, the checks alone do: fractions that add up to more than 1, joins without a primary data set,
keys that a package's default_config.toml does not know, a package's table that no name leads to, NaN (which JSON does
not have).
"""

from __future__ import annotations

import json
from typing import Any

from hyrax_pack.config.keys import (
    CLASS_TABLES,
    CONSTRUCTOR_TABLES,
    FRIENDLY,
    GROUPS,
    REQUEST,
    REQUEST_TABLE,
    TABLES,
    Key,
    whole,
)

ADDRESS = "https://json-schema.org/draft/2020-12/schema"

TABLE_MEANINGS = {
    "general": "Where things go.",
    "model": "The model class; [model.<Class>] holds its own settings.",
    "criterion": "The loss function: `name`, and arguments of its constructor.",
    "optimizer": "The optimizer: `name`, and arguments of its constructor.",
    "scheduler": "The learning rate scheduler: `name`, and arguments of its constructor.",
    "data_set": "[data_set.<Class>] holds settings of a data set class.",
    "split": "How the training data is dealt out to groups, as fractions.",
    "train": "The training run.",
    "data_loader": "How batches are made.",
    "onnx": "The exported graph.",
}
_OF_A_CLASS = {"type": "object", "description": "Settings of this class."}


def json_schema() -> dict[str, Any]:
    """Return the schema as plain dicts and lists."""
    tables = {name: _table(name, keys) for name, keys in TABLES.items()}
    return {
        "$schema": ADDRESS,
        "title": "hyrax-pack configuration, version 1",
        "type": "object",
        "properties": {**tables, "data_request": _data_request()},
        "patternProperties": {
            r"\.": {"type": "object", "description": "Arguments of the constructor of the class with this dotted path."}
        },
        "additionalProperties": {
            "type": "object",
            "description": "[<package>.<Class>]: settings of a class of the package that a name leads to.",
            "additionalProperties": _OF_A_CLASS,
        },
    }


def _table(name: str, keys: dict[str, Key]) -> dict[str, Any]:
    rest: Any = False
    if name in CONSTRUCTOR_TABLES:
        rest = {"description": "An argument of the constructor."}
    elif name in CLASS_TABLES:
        rest = _OF_A_CLASS
    return {
        "type": "object",
        "description": TABLE_MEANINGS[name],
        "properties": {key: _value(said) for key, said in keys.items()},
        "additionalProperties": rest,
    }


def _data_request() -> dict[str, Any]:
    request = {
        "type": "object",
        "description": "One data set under its friendly name.",
        "properties": {
            **{key: _value(said) for key, said in REQUEST.items()},
            REQUEST_TABLE: {"type": "object", "description": "Settings of the data set."},
        },
        "required": ["dataset_class"],
        "additionalProperties": False,
    }
    group = {
        "type": "object",
        "description": "Data sets by friendly name.",
        "propertyNames": {"pattern": whole(FRIENDLY)},
        "minProperties": 1,
        "additionalProperties": request,
    }
    return {
        "type": "object",
        "description": "[data_request.<group>.<friendly name>]: the data of train, validate, test and infer.",
        "properties": dict.fromkeys(GROUPS, group),
        "additionalProperties": False,
    }


def _value(key: Key) -> dict[str, Any]:
    value = _typed(key)
    if key.optional:
        return {"description": key.meaning, "anyOf": [value, {"const": False, "description": "not set"}]}
    return {"description": key.meaning, **value}


def _typed(key: Key) -> dict[str, Any]:
    if key.choices:
        return {"enum": list(key.choices)}
    if key.type == "strings":
        return {"type": "array", "items": {"type": "string"}}
    typed: dict[str, Any] = {"type": key.type}
    if key.pattern:
        typed["pattern"] = whole(key.pattern)
    if key.least is not None:
        typed["minimum"] = key.least
    if key.greatest is not None:
        typed["maximum"] = key.greatest
    return typed


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
