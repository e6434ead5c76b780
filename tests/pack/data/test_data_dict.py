"""What `to_tensor` is given: names, forms, ids, collate functions, and what is there at inference."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrax_pack.data import DataProvider
from hyrax_pack.errors import DataError
from tests.pack.data.conftest import Configure, Stars

ALL = {"split": {"train": 1.0}}


def stars(configure: Configure, form: Any = "list", **tables: Any) -> Any:
    return DataProvider(configure(Stars, **{**ALL, **tables}), form).group("train")


def test_a_data_set_becomes_a_dict_of_lists_with_the_ids_inside_and_beside(configure: Configure) -> None:
    data_dict = stars(configure).data_dict([3, 1])
    assert list(data_dict) == ["data", "object_id"]
    assert list(data_dict["data"]) == ["cutout", "flux", "name", "magnitude", "label", "object_id"]
    assert data_dict["object_id"] == [103, 101]
    assert data_dict["data"]["object_id"] == [103, 101]
    assert all(type(values) is list and len(values) == 2 for values in data_dict["data"].values())


def test_rows_keep_the_type_that_the_data_set_gave_them(configure: Configure) -> None:
    rows = {field: values[0] for field, values in stars(configure).data_dict([3])["data"].items()}
    assert type(rows["cutout"]) is np.ndarray
    assert rows["cutout"].dtype == np.float32
    assert type(rows["magnitude"]) is np.float32
    assert (type(rows["name"]), type(rows["label"])) == (str, int)


def test_the_stacked_form_stacks_rows_of_one_shape_and_leaves_the_others_a_list(configure: Configure) -> None:
    data = stars(configure, "stacked").data_dict([3, 1])["data"]
    assert data["cutout"].shape == (2, 2, 3)
    assert data["magnitude"].dtype == np.float32
    assert data["label"].tolist() == [1, 1]
    assert data["name"].tolist() == ["star 3", "star 1"]
    assert [values.shape for values in data["flux"]] == [(4,), (2,)]


def test_the_form_of_a_field_does_not_depend_on_the_batch(configure: Configure) -> None:
    group = stars(configure, "stacked")
    assert type(group.data_dict([3])["data"]["flux"]) is list
    assert group.data_dict([3])["data"]["cutout"].shape == (1, 2, 3)


def test_only_the_fields_that_are_asked_for_are_read(configure: Configure) -> None:
    requests = {"train": {"data": {"dataset_class": "Stars", "fields": ["label", "cutout"]}}}
    data_dict = DataProvider(configure(Stars, requests=requests, **ALL)).group("train").data_dict([0])
    assert list(data_dict["data"]) == ["label", "cutout"]
    assert data_dict["object_id"] == [100]


def test_without_ids_a_rows_id_is_its_position(configure: Configure) -> None:
    class Bare:
        def __len__(self) -> int:
            return 4

        def get_flux(self, row: int) -> float:
            return float(row)

    group = DataProvider(configure(Bare, **ALL)).group("train")
    assert group.data_dict([2, 0])["object_id"] == [2, 0]
    assert list(group.data_dict([2])["data"]) == ["flux"]


def test_big_endian_rows_arrive_in_native_byte_order(configure: Configure) -> None:
    class Fits(Stars):
        def get_cutout(self, row: int) -> Any:
            return np.array([1.0, 2.0], dtype=">f4")

    (row,) = DataProvider(configure(Fits, **ALL)).group("train").data_dict([0])["data"]["cutout"]
    assert row.dtype.isnative
    assert row.tolist() == [1.0, 2.0]


def test_the_labels_are_not_there_at_inference(configure: Configure) -> None:
    assert "label" not in stars(configure).data_dict([0], inference=True)["data"]


def test_other_fields_may_be_the_labels(configure: Configure) -> None:
    group = stars(configure, model={"labels": ["data/magnitude", "name"]})
    assert list(group.data_dict([0], inference=True)["data"]) == ["cutout", "flux", "label", "object_id"]


def test_a_label_that_no_data_set_has_is_named_with_the_nearest(configure: Configure) -> None:
    with pytest.raises(DataError, match=r"model\.labels: no data set .* has 'magntude'; did you mean 'magnitude'\?"):
        stars(configure, model={"labels": ["magntude"]})


def test_the_infer_request_says_what_is_there_at_inference(configure: Configure) -> None:
    requests = {
        "train": {"data": {"dataset_class": "Stars"}},
        "infer": {"data": {"dataset_class": "Stars", "dataset_config": {"rows": 3}, "fields": ["cutout", "label"]}},
    }
    provider = DataProvider(configure(Stars, requests=requests))
    assert list(provider.group("train").data_dict([0], inference=True)["data"]) == ["cutout", "label"]
    assert len(provider.group("infer")) == 3
    assert list(provider.group("infer").data_dict([0])["data"]) == ["cutout", "label"]


def test_an_infer_request_without_fields_leaves_out_the_labels(configure: Configure) -> None:
    requests = {
        "train": {"data": {"dataset_class": "Stars"}},
        "infer": {"data": {"dataset_class": "Stars", "dataset_config": {"rows": 3}}},
    }
    assert "label" not in DataProvider(configure(Stars, requests=requests)).group("infer").data_dict([0])["data"]


def test_an_infer_request_for_other_data_is_an_error_only_where_inference_is_asked_for(configure: Configure) -> None:
    requests = {
        "train": {"data": {"dataset_class": "Stars"}},
        "infer": {"stars": {"dataset_class": "Stars", "dataset_config": {"rows": 3}}},
    }
    group = DataProvider(configure(Stars, requests=requests)).group("train")
    group.data_dict([0])
    with pytest.raises(DataError, match=r"data_request\.infer\.stars: no data set of this name here"):
        group.data_dict([0], inference=True)


class Padded(Stars):
    def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        longest = max(len(row["flux"]) for row in rows)
        flux = np.zeros((len(rows), longest))
        for position, row in enumerate(rows):
            flux[position, : len(row["flux"])] = row["flux"]
        return {"flux": flux, "lengths": np.array([len(row["flux"]) for row in rows])}


class PaddedField(Stars):
    def collate_flux(self, values: list[Any]) -> Any:
        return np.array([value.sum() for value in values])


def test_a_data_sets_collate_function_has_the_last_word(configure: Configure) -> None:
    for form in ("list", "stacked"):
        data = DataProvider(configure(Padded, **ALL), form).group("train").data_dict([0, 2])["data"]
        assert list(data) == ["flux", "lengths"]
        assert data["flux"].tolist() == [[0, 0, 0], [0, 1, 2]]


def test_a_collate_function_for_one_field_leaves_the_others_as_they_are(configure: Configure) -> None:
    data = DataProvider(configure(PaddedField, **ALL)).group("train").data_dict([0, 2])["data"]
    assert data["flux"].tolist() == [0.0, 3.0]
    assert data["name"] == ["star 0", "star 2"]


def test_a_configured_collate_function_makes_the_entry_of_each_data_set(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "collating.py").write_text("def count(rows):\n    return {'count': [len(row) for row in rows]}\n")
    tables = {**ALL, "data_loader": {"collate_fn": "collating.py:count"}}
    assert DataProvider(configure(Stars, **tables)).group("train").data_dict([0, 1])["data"] == {"count": [6, 6]}
    own = DataProvider(configure(Padded, **tables)).group("train").data_dict([0, 1])["data"]
    assert list(own) == ["flux", "lengths"]


def test_a_collate_function_that_needs_the_label_at_inference_is_named(configure: Configure) -> None:
    class Needy(Stars):
        def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
            return {"label": [row["label"] for row in rows]}

    group = DataProvider(configure(Needy, **ALL)).group("train")
    with pytest.raises(DataError, match=r"data: collate\(cutout, .*\): KeyError: 'label' \(.*test_data_dict\.py, line"):
        group.data_dict([0], inference=True)


def test_a_collate_function_that_gives_no_dict_is_refused(configure: Configure) -> None:
    class Flat(Stars):
        def collate(self, rows: list[dict[str, Any]]) -> Any:
            return np.zeros(len(rows))

    with pytest.raises(DataError, match="collate returned a ndarray; expected a dict of field to values"):
        DataProvider(configure(Flat, **ALL)).group("train").data_dict([0])


def test_a_row_of_another_shape_in_the_stacked_form_says_what_to_do(configure: Configure) -> None:
    class Cropped(Stars):
        row_shapes = {"cutout": (2, 3)}

        def get_cutout(self, row: int) -> Any:
            return np.zeros((2, 3) if row else (2, 1))

    group = DataProvider(configure(Cropped, **ALL), "stacked").group("train")
    with pytest.raises(DataError, match=r"a row of shape \(2, 3\) among rows of shape \(2, 1\).*collate function"):
        group.data_dict([0, 1])


def test_a_row_that_fails_is_named_with_its_number_and_line(configure: Configure) -> None:
    class Holed(Stars):
        def get_cutout(self, row: int) -> Any:
            if row == 7:
                raise OSError("no such stamp")
            return super().get_cutout(row)

    group = DataProvider(configure(Holed, **ALL)).group("train")
    with pytest.raises(DataError) as caught:
        group.data_dict([6, 7])
    assert str(caught.value).startswith("data/cutout (Holed.get_cutout), row 7: OSError: no such stamp (")
    assert "test_data_dict.py, line" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None; a row needs a value"),
        ({"a": 1}, "a builtins.dict; return a numpy array, a number or a str"),
        (np.array([None]), "an array of Python objects"),
    ],
)
def test_a_value_that_nobody_can_use_is_named_before_anything_starts(
    configure: Configure, value: object, words: str
) -> None:
    class Odd(Stars):
        def get_cutout(self, row: int) -> Any:
            return value

    with pytest.raises(DataError, match=r"data/cutout \(Odd\.get_cutout\), row 0: " + words):
        DataProvider(configure(Odd, **ALL)).group("train")


class Quantity(np.ndarray[Any, Any]):
    """An array with a unit, as astropy has it."""

    unit = "Jy"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.ma.masked_invalid([1.0, np.nan]), r"a masked array, .*; return np\.ma\.filled\(value, fill\), such as NaN"),
        (np.ma.masked, r"a masked array"),
        (np.ones(2).view(Quantity), r"a .*Quantity, .*np\.asarray\(value\), in the unit that is meant"),
        (np.rec.array([(1.0, 2)]), r"a numpy.*recarray, .*; return a plain array: np\.asarray\(value\)$"),
    ],
    ids=["masked array", "the masked constant", "a quantity", "a record array"],
)
def test_an_array_that_is_more_than_its_numbers_is_no_row(configure: Configure, value: object, words: str) -> None:
    """Production gives plain arrays: a mask or a unit would be there in training alone. Rare rows may be such."""

    class Odd(Stars):
        def get_cutout(self, row: int) -> Any:
            return value if row == 7 else super().get_cutout(row)

        def get_flux(self, row: int) -> Any:
            return [value]

        def collate_flux(self, rows: list[Any]) -> Any:
            return rows[0][0]

    group = DataProvider(configure(Odd, **ALL)).group("train")
    with pytest.raises(DataError, match=r"data/cutout \(Odd\.get_cutout\), row 7: " + words):
        group.data_dict([6, 7])
    with pytest.raises(DataError, match=r"data/flux, as collate_flux gives it: " + words):
        group.data_dict([6])


def test_a_row_of_a_mapped_file_is_a_plain_array(configure: Configure, tmp_path: Path) -> None:
    class Mapped(Stars):
        def get_cutout(self, row: int) -> Any:
            return np.memmap(tmp_path / "stamps", np.float32, "w+", shape=(10, 2, 3))[row]

    group = DataProvider(configure(Mapped, **ALL)).group("train")
    assert type(group.data_dict([1])["data"]["cutout"][0]) is np.ndarray


def test_a_torch_tensor_is_no_row(configure: Configure) -> None:
    import torch

    class Torch(Stars):
        def get_cutout(self, row: int) -> Any:
            return torch.zeros(3)

    with pytest.raises(DataError, match=r"a torch\.Tensor; return value\.numpy\(\)"):
        DataProvider(configure(Torch, **ALL)).group("train")


def test_no_rows_are_an_empty_batch(configure: Configure) -> None:
    data_dict = stars(configure).data_dict([])
    assert data_dict["object_id"] == []
    assert data_dict["data"]["cutout"] == []


def test_fields_are_described_with_form_unit_and_meaning(configure: Configure) -> None:
    described = {each.path: each for each in stars(configure, "stacked").describe_fields()}
    assert (described["data/cutout"].form, described["data/cutout"].element) == ("stacked", "array")
    assert (described["data/cutout"].unit, described["data/cutout"].description) == ("nJy", "difference image")
    assert (described["data/flux"].form, described["data/flux"].element) == ("list", "array")
    assert list(described)[-1] == "object_id"
    listed = {each.path: each.element for each in stars(configure).describe_fields()}
    assert (listed["data/magnitude"], listed["data/name"], listed["object_id"]) == ("scalar", "python", "scalar")


def test_a_group_travels_to_another_process_as_its_settings(configure: Configure) -> None:
    group = DataProvider(configure(Stars, requests={"train": {"data": {"dataset_class": "DigitsDataset"}}})).group(
        "test"
    )
    again = pickle.loads(pickle.dumps(group))
    assert again.ids(range(len(again))) == group.ids(range(len(group)))
