"""The contract that is recorded from rows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.contract import FieldContract, InputContract

from hyrax_pack.data import DataProvider, Observation, observe, observe_group
from hyrax_pack.errors import DataError
from tests.pack.data.conftest import Configure, Stars

ALL = {"split": {"train": 1.0}}


def contract_of(configure: Configure, cls: type, read: set[str], *, form: Any = "list", size: int = 5) -> InputContract:
    group = DataProvider(configure(cls, **ALL), form).group("train")
    batches = (group.data_dict(range(at, at + size), inference=True) for at in range(0, 10, size))
    return observe(batches, group).contract(read)


def by_path(contract: InputContract) -> dict[str, FieldContract]:
    return {field.path: field for field in contract.fields}


def test_a_field_is_recorded_with_everything_that_was_seen_of_it(configure: Configure) -> None:
    fields = by_path(contract_of(configure, Stars, {"data/cutout"}))
    assert fields["data/cutout"] == FieldContract(
        path="data/cutout",
        kind="array",
        dtype="float32",
        shape=(2, 3),
        form="list",
        element="array",
        read=True,
        least=0.0,
        greatest=9.0,
        nan_share=0.0,
        unit="nJy",
        description="difference image",
    )


def test_fields_stand_in_the_order_of_data_dict_and_labels_are_not_among_them(configure: Configure) -> None:
    paths = list(by_path(contract_of(configure, Stars, set())))
    assert paths == ["data/cutout", "data/flux", "data/name", "data/magnitude", "data/object_id", "object_id"]


def test_rows_of_differing_shape_are_ragged_and_the_free_axis_has_a_name(configure: Configure) -> None:
    for size in (5, 1):
        flux = by_path(contract_of(configure, Stars, {"data/flux"}, size=size))["data/flux"]
        assert (flux.kind, flux.shape, flux.form) == ("ragged", ("flux.1",), "list")


def test_texts_numbers_and_ids_have_their_elements(configure: Configure) -> None:
    fields = by_path(contract_of(configure, Stars, set()))
    described = {path: (fields[path].kind, fields[path].dtype, fields[path].element) for path in fields}
    assert described["data/name"] == ("string", "str", "python")
    assert described["data/magnitude"] == ("array", "float32", "scalar")
    assert described["object_id"] == ("array", "int64", "scalar")


def test_the_field_of_the_ids_is_recorded(configure: Configure) -> None:
    assert contract_of(configure, Stars, set()).id_field == "data/object_id"

    class Nameless(Stars):
        get_object_id = None

    assert contract_of(configure, Nameless, set()).id_field is None


def test_stacked_fields_are_recorded_as_stacked(configure: Configure) -> None:
    fields = by_path(contract_of(configure, Stars, set(), form="stacked"))
    assert (fields["data/cutout"].form, fields["data/cutout"].shape) == ("stacked", (2, 3))
    assert (fields["data/flux"].form, fields["data/flux"].kind) == ("list", "ragged")
    assert fields["object_id"].form == "stacked"


def test_collated_fields_are_those_of_the_result_with_the_padded_axis_free(configure: Configure) -> None:
    class Padded(Stars):
        def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
            longest = max(len(row["flux"]) for row in rows)
            flux = np.zeros((len(rows), 2, longest))
            return {"flux": flux, "lengths": np.array([len(row["flux"]) for row in rows])}

    fields = by_path(contract_of(configure, Padded, {"data/flux"}))
    assert list(fields) == ["data/flux", "data/lengths", "object_id"]
    assert fields["data/flux"].shape == (2, "flux.2")
    assert (fields["data/flux"].kind, fields["data/flux"].form) == ("array", "collated")


def test_a_padded_axis_is_free_although_every_batch_was_padded_alike(configure: Configure) -> None:
    class Padded(Stars):
        def collate_flux(self, values: list[Any]) -> Any:
            longest = max(map(len, values))
            return np.array([np.pad(value, (0, longest - len(value))) for value in values])

    flux = by_path(contract_of(configure, Padded, {"data/flux"}, size=10))["data/flux"]
    assert flux.shape == ("flux.1",)


def test_a_list_from_a_collate_function_is_replayed_as_a_list(configure: Configure) -> None:
    class Listed(Stars):
        def collate_flux(self, values: list[Any]) -> Any:
            return [value * 2 for value in values]

    flux = by_path(contract_of(configure, Listed, {"data/flux"}))["data/flux"]
    assert (flux.kind, flux.form, flux.element) == ("ragged", "list", "array")


def test_nan_is_counted_and_no_bound(configure: Configure) -> None:
    class Holed(Stars):
        def get_cutout(self, row: int) -> Any:
            return np.array([np.nan, np.inf, -3.0, row], dtype=np.float32)

    cutout = by_path(contract_of(configure, Holed, {"data/cutout"}))["data/cutout"]
    assert (cutout.least, cutout.greatest, cutout.nan_share) == (-3.0, 9.0, 0.25)


def test_a_field_of_nothing_but_nan_has_no_bounds(configure: Configure) -> None:
    class Blank(Stars):
        def get_cutout(self, row: int) -> Any:
            return np.full(3, np.nan)

    cutout = by_path(contract_of(configure, Blank, {"data/cutout"}))["data/cutout"]
    assert (cutout.least, cutout.greatest, cutout.nan_share) == (None, None, 1.0)


def odd(cutout: Any) -> type:
    class Odd(Stars):
        def get_cutout(self, row: int) -> Any:
            return cutout(row)

    return Odd


@pytest.mark.parametrize(
    ("cutout", "words"),
    [
        (
            lambda row: np.zeros(3, "f4" if row else "f8"),
            "rows of different dtypes (float64 in 1 rows, float32 in 9 rows)",
        ),
        (lambda row: np.zeros((2,) * (1 + row % 2)), "rows with different numbers of axes ((2,), (2, 2))"),
        (lambda row: np.datetime64("2026-01-02"), "values of dtype datetime64[D] cannot travel"),
        (lambda row: [[1.0], [1.0, 2.0]], "a row is a nested list of unequal lengths"),
        (lambda row: np.array(["a", "b"]), "arrays of texts; a row may hold one text"),
    ],
)
def test_a_field_that_cannot_have_a_contract_is_named_if_it_is_read(
    configure: Configure, cutout: Any, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        contract_of(configure, odd(cutout), {"data/cutout"})
    assert str(caught.value).startswith("input contract: data/cutout: ")
    assert words in str(caught.value)
    assert "data/cutout" not in by_path(contract_of(configure, odd(cutout), {"data/flux"}))


def test_a_collated_array_whose_first_axis_is_not_the_rows_is_refused(configure: Configure) -> None:
    class Flat(Stars):
        def collate_flux(self, values: list[Any]) -> Any:
            return np.concatenate(values)

        def collate_name(self, values: list[str]) -> Any:
            return " ".join(values)

    with pytest.raises(DataError) as caught:
        contract_of(configure, Flat, {"data/flux", "data/name"})
    assert "data/flux: (15,) for 5 rows; the first axis is N" in str(caught.value)
    assert "data/name: a str; expected a list of rows or an array" in str(caught.value)


def test_a_joint_batch_is_recorded(configure: Configure) -> None:
    group = DataProvider(configure(Stars, **ALL)).group("train")
    contract = observe([group.data_dict([0], inference=True)], group).contract(set(), batch="joint")
    assert contract.batch == "joint"


def test_rows_that_stand_out_are_remembered_by_their_numbers(configure: Configure) -> None:
    class Holed(Stars):
        def get_magnitude(self, row: int) -> Any:
            return np.float32({3: np.nan, 5: np.inf, 7: 100.0, 8: -100.0}.get(row, 1.0))

        def get_cutout(self, row: int) -> Any:
            return np.ones((2, 3), np.float32)

        def get_flux(self, row: int) -> Any:
            return np.ones(3)

        def get_label(self, row: int) -> int:
            return 1

    group = DataProvider(configure(Holed, **ALL)).group("train")
    seen = observe_group(group)
    stand_out = {int(group.ids([row])[0]) - 100 for row in seen.odd["train"]}
    assert {3, 5, 7, 8} <= stand_out
    assert seen.with_nan == ("data/magnitude",)
    assert Observation.from_plain(json.loads(json.dumps(seen.to_plain()))) == seen
