"""Immutable values: what a frozen dataclass promises, kept without compiling code for each class."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys

import pytest
from hyrax_runtime.frozen import Frozen, replace


class Extent(Frozen):
    offset: int
    length: int = 8


class Named(Extent):
    name: str = "weights"


class Even(Frozen):
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")


@dataclasses.dataclass(frozen=True)
class ExtentAsDataclass:
    offset: int
    length: int = 8


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1,), {}), ((1, 2), {}), ((), {"length": 2, "offset": 1}), ((1,), {"length": 2})]
)
def test_it_is_made_compared_hashed_and_shown_as_the_dataclass_would_be(args, kwargs) -> None:
    made, expected = Extent(*args, **kwargs), ExtentAsDataclass(*args, **kwargs)
    assert repr(made) == repr(expected).replace("AsDataclass", "")
    assert dataclasses.asdict(made) == dataclasses.asdict(expected)
    assert [each.name for each in dataclasses.fields(made)] == ["offset", "length"]
    assert made == Extent(**vars(expected))
    assert made != Extent(offset=7)
    assert made != expected
    assert len({made, Extent(**vars(expected))}) == 1
    assert dataclasses.replace(made, length=3) == replace(made, length=3) == Extent(made.offset, 3)
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ((), {}, "Extent: missing: offset"),
        ((1, 2, 3), {}, "Extent takes 2 fields, and was given 3"),
        ((1,), {"offset": 2}, "Extent: given twice: offset"),
        ((1, 2), {"length": 2}, "Extent: given twice: length"),
        ((1,), {"size": 2}, "Extent: unknown: size"),
        ((), {"size": 2}, "Extent: unknown: size; missing: offset"),
    ],
)
def test_fields_that_do_not_fit_are_refused_by_name(args, kwargs, said) -> None:
    with pytest.raises(TypeError, match=f"^{said}$"):
        Extent(*args, **kwargs)
    with pytest.raises(TypeError):
        ExtentAsDataclass(*args, **kwargs)
    with pytest.raises(TypeError, match="unknown: size"):
        replace(Extent(1), size=2)


def test_it_never_changes() -> None:
    made = Extent(1)
    with pytest.raises(AttributeError, match="offset cannot be assigned to"):
        made.offset = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="other cannot be assigned to"):
        made.other = 2  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="offset cannot be deleted"):
        del made.offset
    assert made == Extent(1)


def test_a_subclass_has_the_fields_of_its_base_first_and_is_another_value() -> None:
    assert repr(Named(1, 2, "graph")) == "Named(offset=1, length=2, name='graph')"
    assert [each.name for each in dataclasses.fields(Named)] == ["offset", "length", "name"]
    assert Named(1) != Extent(1)


def test_it_is_looked_at_once_its_fields_stand() -> None:
    with pytest.raises(ValueError, match="3 is odd"):
        Even(3)
    with pytest.raises(ValueError, match="3 is odd"):
        replace(Even(2), number=3)


def test_a_default_that_can_change_is_refused_and_so_is_a_field_after_it_without_one() -> None:
    with pytest.raises(TypeError, match=r"Shared\.rows: the default \[\] can change"):
        type("Shared", (Frozen,), {"__annotations__": {"rows": "list[int]"}, "rows": []})
    with pytest.raises(TypeError, match=r"Made\.rows: dataclasses\.field is not known here"):
        type("Made", (Frozen,), {"__annotations__": {"rows": "int"}, "rows": dataclasses.field(default=1)})
    with pytest.raises(TypeError, match="Late: a field without a default stands after one that has one"):
        type("Late", (Frozen,), {"__annotations__": {"a": "int", "b": "int"}, "a": 1})


def test_a_start_loads_neither_what_compiles_classes_nor_what_reads_addresses() -> None:
    """The start's figure rests on it: each of these is milliseconds."""
    bare = loaded_by("numpy, onnxruntime")
    ours = loaded_by("numpy, onnxruntime, hyrax_runtime.loading") - bare
    assert "hyrax_runtime.session" in ours
    assert not {"dataclasses", "pathlib", "urllib.parse", "ipaddress", "tempfile", "tomllib", "logging"} & ours


def loaded_by(names: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys, {names}; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
