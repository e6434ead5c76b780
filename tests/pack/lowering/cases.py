"""Functions to lower, written as files: literal constants say what their fields are, the rest is a captured text.

FIELDS    path -> [dtype, row shape, least, greatest]; a dimension that is text is free; dtype `ragged` or `str`
FORM      list (default), stacked or collated
ELEMENT   python: rows are plain Python values
BATCH     independent (default) or joint
NAN       share of NaN in the rows of float fields
LOWERS    False where it must not lower
REFUSED   what the refusal must say
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.manifest import Slot
from hyrax_runtime.replay import as_slots, compile_protected

from hyrax_pack.lowering import Lowered, Refusal, lower

ROWS = 24
HERE = Path(__file__).parent
CORPUS = sorted((HERE / "corpus").glob("*.py"))
HAZARDS = sorted((HERE / "hazards").glob("*.py"))


@dataclass
class Case:
    """A function to lower, its contract and rows for it."""

    text: str
    contract: InputContract
    data_dict: dict[str, Any]
    stretched: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def function(self) -> Callable[[Any], Any]:
        """The text as it is replayed."""
        return compile_protected(self.text, on_copy=True)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What the function returns, recorded as export does."""
        with np.errstate(all="ignore"):
            arrays = as_slots(self.function(copy_input(self.data_dict)), rows=None).slots
            others = as_slots(self.function(copy_input(self.stretched)), rows=None).slots
        return tuple(
            _recorded(array, other, place) for place, (array, other) in enumerate(zip(arrays, others, strict=True))
        )

    def lower(self) -> Lowered | Refusal:
        """Lower it."""
        return lower(
            self.text,
            contract=self.contract,
            slots=self.slots,
            function=self.function,
            examples=[self.data_dict],
        )


def _recorded(array: np.ndarray | None, other: np.ndarray | None, place: int) -> Slot:
    if array is None:
        return Slot("none", "", (), None)
    if not len(array):
        return Slot("empty", array.dtype.name, ("N", *array.shape[1:]), None)
    dims = [
        a if a == b else f"slot_{place}.{axis}"
        for axis, (a, b) in enumerate(zip(array.shape, other.shape, strict=True))
        if axis
    ]
    return Slot("tensor", array.dtype.name, ("N", *dims), f"slot_{place}")


def build_case(text: str, fields: dict[str, list[Any]], *, rows: int = ROWS, seed: int = 0, **settings: Any) -> Case:
    """Make a case of a text and a description of its fields."""
    random = np.random.default_rng(seed)
    form, element = settings.get("FORM", "list"), settings.get("ELEMENT")
    contracts, data, stretched = [], {}, {}
    for path, (dtype, shape, low, high) in fields.items():
        kind = {"ragged": "ragged", "str": "string"}.get(dtype, "array")
        values = _values(random, dtype, shape, (low, high), rows, settings.get("NAN", 0.0))
        rank = element or ("python" if kind == "string" else "array" if shape else "scalar")
        name = "float32" if kind == "ragged" else dtype
        contracts.append(FieldContract(path, kind, name, tuple(shape), form, rank, read=True, least=low, greatest=high))
        group, _, name = path.rpartition("/")
        formed = values if form != "list" else values.tolist() if element == "python" else list(values)
        (data.setdefault(group, {}) if group else data)[name] = formed
        is_free = any(not isinstance(dim, int) for dim in shape)
        other = np.repeat(values, 2, axis=1) if is_free else formed
        (stretched.setdefault(group, {}) if group else stretched)[name] = other
    contract = InputContract(tuple(contracts), settings.get("BATCH", "independent"))
    return Case(text, contract, data, stretched, settings)


def _values(
    random: np.random.Generator, dtype: str, shape: list[Any], limits: tuple[float, float], rows: int, nan: float
) -> Any:
    if dtype == "str":
        return np.array(["g", "r", "i"])[random.integers(0, 3, rows)]
    if dtype == "ragged":
        return [random.uniform(*limits, random.integers(3, 40)).astype(np.float32) for _ in range(rows)]
    sizes = tuple(dim if isinstance(dim, int) else 9 for dim in shape)
    if dtype == "bool":
        return random.random((rows, *sizes)) < 0.5
    if np.dtype(dtype).kind in "iu":
        return random.integers(int(limits[0]), int(limits[1]) + 1, (rows, *sizes)).astype(dtype)
    values = random.uniform(*limits, (rows, *sizes)).astype(dtype)
    values[random.random(values.shape) < nan] = np.nan
    return values


def read_case(path: Path) -> Case:
    """Read a case from a file."""
    text = path.read_text().replace("def prepare_inputs(", "def to_tensor(")
    settings = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            settings[node.targets[0].id] = ast.literal_eval(node.value)
    fields = settings.pop("FIELDS")
    return build_case(text, fields, **settings)
