"""The built-in data sets."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrax_pack.data.datasets import BUILT_IN, DigitsDataset, NpzDataset, RandomDataset
from hyrax_pack.data.protocol import field_names
from hyrax_pack.errors import DataError


def test_the_built_in_data_sets_are_known_by_name() -> None:
    assert sorted(BUILT_IN) == ["DigitsDataset", "NpzDataset", "ParquetDataset", "RandomDataset"]


def test_the_digits_are_real_images_with_labels_and_ids() -> None:
    digits = DigitsDataset()
    assert len(digits) == 1797
    assert field_names(digits) == ("image", "label", "object_id")
    image = digits.get_image(7)
    assert (image.shape, image.dtype, float(image.max())) == ((8, 8), np.float32, 16.0)
    assert type(digits.get_label(7)) is np.int64
    assert digits.get_object_id(7) == 7


def test_what_a_model_does_to_a_row_does_not_change_the_data_set() -> None:
    digits = DigitsDataset()
    before = digits.get_image(0).copy()
    digits.get_image(0)[:] = -1
    assert np.array_equal(digits.get_image(0), before)


def test_random_rows_are_the_same_every_time_and_differ_from_one_another() -> None:
    data = RandomDataset(rows=5, shape=[3, 4], seed=3)
    assert len(data) == 5
    assert data.get_image(2).shape == (3, 4)
    assert data.get_image(2).dtype == np.float32
    assert np.array_equal(data.get_image(2), RandomDataset(rows=9, shape=[3, 4], seed=3).get_image(2))
    assert not np.array_equal(data.get_image(2), data.get_image(3))
    assert not np.array_equal(data.get_image(2), RandomDataset(rows=5, shape=[3, 4], seed=4).get_image(2))
    assert {int(data.get_label(row)) for row in range(5)} <= set(range(10))


def test_random_rows_may_hold_nan() -> None:
    share = np.isnan(RandomDataset(shape=[100, 100], nan_share=0.25).get_image(0)).mean()
    assert 0.2 < share < 0.3


@pytest.mark.parametrize("wrong", [{"rows": -1}, {"shape": [0]}, {"classes": 0}, {"nan_share": 1.5}])
def test_a_random_data_set_of_impossible_size_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"RandomDataset\(rows="):
        RandomDataset(**wrong)


def save(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_an_npz_file_gives_a_field_for_each_array(tmp_path: Path) -> None:
    data = NpzDataset(
        save(
            tmp_path / "rows.npz",
            flux=np.arange(6, dtype=np.float32).reshape(3, 2),
            name=np.array(["a", "b", "c"]),
            count=np.arange(3),
        )
    )
    assert len(data) == 3
    assert field_names(data) == ("flux", "name", "count", "object_id")
    assert data.get_flux(1).tolist() == [2.0, 3.0]  # type: ignore[attr-defined]
    assert type(data.get_count(1)) is np.int64  # type: ignore[attr-defined]
    assert type(data.get_name(1)) is str  # type: ignore[attr-defined]
    assert data.get_object_id(2) == 2
    assert data.row_shapes == {"flux": (2,), "name": (), "count": ()}


def test_ids_in_an_npz_file_are_the_ids(tmp_path: Path) -> None:
    data = NpzDataset(save(tmp_path / "rows.npz", flux=np.zeros(2), object_id=np.array([70, 80])))
    assert data.get_object_id(1) == 80


def test_arrays_named_after_their_data_set_are_found(tmp_path: Path) -> None:
    arrays = {"data/flux": np.zeros(2), "other/flux": np.ones(2), "magnitude": np.zeros(2)}
    path = save(tmp_path / "rows.npz", **arrays)
    data = NpzDataset(path, friendly="data")
    assert field_names(data) == ("flux", "magnitude", "object_id")
    assert data.get_flux(0) == 0.0  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="'data/flux' and 'other/flux' are both the field 'flux'; keep one"):
        NpzDataset(path)


def test_a_compressed_npz_file_is_read_too(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "rows.npz", flux=np.arange(4.0))
    assert NpzDataset(str(tmp_path / "rows.npz")).get_flux(3) == 3.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": np.zeros(3), "b": np.zeros(2), "c": np.zeros(3)}, "b: has 2 rows; the others have 3"),
        ({"a": np.zeros(3), "b": np.float32(1)}, "b: is a single value; expected an array whose first axis is rows"),
        ({"a": np.array([None, 1])}, "a: holds Python objects; save numbers of one dtype"),
    ],
)
def test_arrays_that_are_no_rows_are_named(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    path = save(tmp_path / "rows.npz", **arrays)
    with pytest.raises(DataError) as caught:
        NpzDataset(path)
    assert str(caught.value) == f"{path}: {words}" or words in str(caught.value)


def test_an_array_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for value in (0.0, 1.0):
            with io.BytesIO() as member:
                np.save(member, np.full(3, value))
                archive.writestr("flux.npy", member.getvalue())
    with pytest.raises(DataError, match=r"flux\.npy stands there twice; keep the one that is meant"):
        NpzDataset(str(tmp_path / "rows.npz"))


def test_a_missing_npz_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.npz: no such file; check data_location"):
        NpzDataset(str(tmp_path / "rows.npz"))
    with pytest.raises(DataError, match="data_location is not set"):
        NpzDataset(None)


def test_a_file_that_is_no_npz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    path.write_bytes(b"not a zip file")
    with pytest.raises(DataError, match=r"rows\.npz: is no readable \.npz file"):
        NpzDataset(str(path))


def test_a_cut_off_array_is_named(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (100,)})
    path = tmp_path / "rows.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flux.npy", header.getvalue() + b"\0" * 16)
    with pytest.raises(DataError, match="array 'flux' cannot be read"):
        NpzDataset(str(path)).get_flux(0)  # type: ignore[attr-defined]
