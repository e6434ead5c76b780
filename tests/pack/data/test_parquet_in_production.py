"""One Parquet file read by training's data set and by `hyrax-run predict`: the same rows, or a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.contract_check import prepare
from hyrax_runtime.errors import DataFileError, FieldsError
from hyrax_runtime.files import open_rows

from hyrax_pack.data.datasets import ParquetDataset
from hyrax_pack.errors import DataError


def in_training(path: Path) -> list[Any]:
    data = ParquetDataset(str(path))
    return [np.asarray(data.get_x(row)).tolist() for row in range(len(data))]  # type: ignore[attr-defined]


def in_production(path: Path, dtype: str, shape: tuple[Any, ...]) -> list[Any]:
    kind: Any = "ragged" if shape and isinstance(shape[0], str) else "array"
    field = FieldContract("data/x", kind, dtype, shape, "list", "array" if shape else "scalar", read=True)
    contract = InputContract((field,), "independent")
    (batch,) = open_rows(path, contract).batches(10_000)
    return [np.asarray(row).tolist() for row in prepare(contract, batch).data_dict["data"]["x"]]


def tensor(rows: list[Any], kind: Any, shape: tuple[int, ...], permutation: list[int] | None = None) -> Any:
    storage = pa.array(rows, pa.list_(kind, int(np.prod(shape))))
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(kind, shape, permutation=permutation), storage)


def flat(rows: list[Any], width: int | None = None) -> Any:
    return pa.array(rows, pa.list_(pa.float32(), -1 if width is None else width))


ROWS = [[1.0, 2.0, 3.0, 4.0], [None, 5.0, 6.0, 7.0]]


@pytest.mark.parametrize(
    ("column", "metadata", "dtype", "shape"),
    [
        pytest.param(tensor(ROWS, pa.float32(), (2, 2)), None, "float32", (2, 2), id="a hole in a tensor"),
        pytest.param(flat(ROWS, 4), None, "float32", (4,), id="a hole in a list"),
        pytest.param(flat(ROWS), {"shape": "(2, 2)"}, "float32", (2, 2), id="a shape written as Python writes it"),
        pytest.param(flat(ROWS, 4), {"shape": "4"}, "float32", (4,), id="a shape of one number"),
        pytest.param(pa.array([1.5, None]), {"shape": "[1]"}, "float64", (), id="a shape beside plain numbers"),
        pytest.param(tensor(ROWS, pa.float32(), (2, 2)), {"shape": "4"}, "float32", (2, 2), id="a tensor has its own"),
    ],
)  # fmt: skip
def test_production_reads_what_training_read(
    tmp_path: Path, column: Any, metadata: Any, dtype: str, shape: tuple[Any, ...]
) -> None:
    schema = pa.schema([pa.field("x", column.type, metadata=metadata)])
    pq.write_table(pa.table([column], schema=schema), tmp_path / "rows.parquet")
    trained = in_training(tmp_path / "rows.parquet")
    np.testing.assert_equal(in_production(tmp_path / "rows.parquet", dtype, shape), trained)
    np.testing.assert_equal(np.shape(trained[1]), shape)


@pytest.mark.parametrize(
    ("column", "metadata", "dtype", "shape"),
    [
        pytest.param(tensor([[1, 2], [None, 4]], pa.int32(), (2,)), None, "int32", (2,), id="a hole among integers"),
        pytest.param(tensor([[1] * 6], pa.float32(), (3, 2), [1, 0]), None, "float32", (2, 3), id="permuted axes"),
        pytest.param(pa.array([[[True, None]], [[False]]]), None, "bool", ("x.1", "x.2"), id="a hole among truths"),
        pytest.param(pa.array([[None], [[1.0]]]), None, "float64", ("x.1", "x.2"), id="a hole for a list"),
        pytest.param(flat(ROWS, 4), {"shape": "[2.5, 2]"}, "float32", (2, 2), id="a shape with a fraction"),
        pytest.param(flat(ROWS, 4), {"shape": "[-2, -2]"}, "float32", (2, 2), id="a negative shape"),
    ],
)
def test_what_training_refuses_production_refuses(
    tmp_path: Path, column: Any, metadata: Any, dtype: str, shape: tuple[Any, ...]
) -> None:
    schema = pa.schema([pa.field("x", column.type, metadata=metadata)])
    pq.write_table(pa.table([column], schema=schema), tmp_path / "rows.parquet")
    with pytest.raises(DataError):
        in_training(tmp_path / "rows.parquet")
    with pytest.raises((DataFileError, FieldsError)):
        in_production(tmp_path / "rows.parquet", dtype, shape)


def test_a_row_of_nothing_keeps_the_axes_that_its_type_fixes(tmp_path: Path) -> None:
    kind = pa.list_(pa.list_(pa.list_(pa.float32(), 3)), 1)
    pq.write_table(pa.table({"x": pa.array([[[[1.0, 2.0, 3.0]]], [[]]], kind)}), tmp_path / "rows.parquet")
    data = ParquetDataset(str(tmp_path / "rows.parquet"))
    assert [data.get_x(row).shape for row in range(2)] == [(1, 1, 3), (1, 0, 3)]  # type: ignore[attr-defined]
    assert in_production(tmp_path / "rows.parquet", "float32", (1, "x.2", 3))[1] == [[]]


NOT_NULL = pa.list_(pa.field("item", pa.float32(), nullable=False), 4)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(flat(ROWS, 4), pa.array([[1.0] * 4], NOT_NULL), id="lists without nulls"),
        pytest.param(pa.nulls(2), flat(ROWS, 4), id="nothing but null first, in production"),
        pytest.param(tensor(ROWS, pa.float32(), (4,)), tensor(ROWS, pa.float32(), (4,)), id="tensors"),
    ],
)
def test_files_of_a_folder_are_read_alike(tmp_path: Path, first: Any, second: Any) -> None:
    for name, one in (("a", first), ("b", second)):
        pq.write_table(pa.table({"x": one, name: one}), tmp_path / f"{name}.parquet")
    if first.type == pa.null():
        with pytest.raises(DataError, match="null"):
            in_training(tmp_path)
        with pytest.raises(FieldsError, match="row 0: no value"):
            in_production(tmp_path, "float32", (4,))
    else:
        np.testing.assert_equal(in_production(tmp_path, "float32", (4,)), in_training(tmp_path))


@pytest.mark.parametrize("key", ["unit", "shape"])
def test_files_that_contradict_one_another_are_refused_alike(tmp_path: Path, key: str) -> None:
    for name, said in (("a", "[2, 2]"), ("b", "[4, 1]")):
        schema = pa.schema([pa.field("x", pa.list_(pa.float32(), 4), metadata={key: said})])
        pq.write_table(pa.table([flat(ROWS, 4)], schema=schema), tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=r"b\.parquet: column 'x' .* \[4, 1\] here and \[2, 2\] in a\.parquet"):
        in_training(tmp_path)
    with pytest.raises(DataFileError, match=r"b\.parquet: column 'x' .* \[4, 1\] here and \[2, 2\] in a\.parquet"):
        in_production(tmp_path, "float32", (2, 2))


@pytest.mark.parametrize("read", [in_training, lambda path: in_production(path, "float64", ())])
def test_a_page_that_is_not_what_was_written_is_refused(tmp_path: Path, read: Any) -> None:
    """Compressed or not, a flipped bit is another number; writers such as Spark put a checksum beside every page."""
    values = pa.array(np.random.default_rng(0).normal(size=1000))
    pq.write_table(pa.table({"x": values}), tmp_path / "rows.parquet", use_dictionary=False, write_page_checksum=True)
    assert read(tmp_path / "rows.parquet")[:100] == values.to_pylist()[:100]
    content = bytearray((tmp_path / "rows.parquet").read_bytes())
    content[4000] ^= 1
    (tmp_path / "rows.parquet").write_bytes(content)
    with pytest.raises((DataError, DataFileError), match="CRC checksum verification failed"):
        read(tmp_path / "rows.parquet")


def test_a_text_that_is_no_utf8_is_refused_in_both(tmp_path: Path) -> None:
    offsets, letters = np.array([0, 1, 3], dtype=np.int32), b"a\xe9b"
    texts = pa.StringArray.from_buffers(2, pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters))
    pq.write_table(pa.table({"x": texts, "object_id": texts}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"column x: a text near row 0 is no UTF-8; write it as UTF-8"):
        in_training(tmp_path / "rows.parquet")
    field = FieldContract("data/x", "string", "str", (), "list", "python", read=True)
    for contract in (InputContract((field,), "independent"), InputContract((), "independent")):
        with pytest.raises(DataFileError, match=r"column '(x|object_id)': a text that is no UTF-8; write it as UTF-8"):
            list(open_rows(tmp_path / "rows.parquet", contract).batches(10))


def test_a_unit_that_is_no_utf8_is_the_same_in_both(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("x", pa.float64(), metadata={b"unit": b"\xb5Jy"})])
    pq.write_table(pa.table([pa.array([1.0])], schema=schema), tmp_path / "rows.parquet")
    unit = ParquetDataset(str(tmp_path / "rows.parquet")).units["x"]
    contract = InputContract(
        (FieldContract("data/x", "array", "float64", (), "list", "scalar", read=True, unit=unit),), "independent"
    )
    assert unit == "\\xb5Jy" and open_rows(tmp_path / "rows.parquet", contract).rows == 1


def test_a_folder_says_what_of_it_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.parquet", "b.pq", "c.PARQUET", "notes.txt", "._a.parquet"):
        pq.write_table(pa.table({"x": [1.0]}), tmp_path / name)
    assert len(ParquetDataset(str(tmp_path))) == 3
    assert "left out: notes.txt" in caplog.text and "._a" not in caplog.text
    with pytest.raises(DataError, match="File name too long; check data_location"):
        ParquetDataset(str(tmp_path / ("n" * 300)))
