"""Parquet: every row type, rows in any order, bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrax_pack.data.datasets import ParquetDataset, parquet
from hyrax_pack.data.protocol import field_names
from hyrax_pack.errors import DataError


def write(path: Path, columns: dict[str, Any], **settings: Any) -> str:
    pq.write_table(pa.table(columns), path, **settings)
    return str(path)


def read(dataset: ParquetDataset, field: str, row: int) -> Any:
    return getattr(dataset, f"get_{field}")(row)


def with_metadata(kind: Any, **metadata: str) -> Any:
    return pa.field("flux", kind, metadata=metadata)


CUBE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
NESTED = pa.list_(pa.list_(pa.float32(), 4), 3)


def tensors() -> Any:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(CUBE)


@pytest.mark.parametrize(
    ("column", "row"),
    [
        pytest.param(pa.array([1.5, 2.5], pa.float32()), np.float32(2.5), id="float"),
        pytest.param(pa.array([1, 2], pa.uint8()), np.uint8(2), id="integer"),
        pytest.param(pa.array([True, False]), np.bool_(False), id="boolean"),
        pytest.param(pa.array([1.5, None], pa.float64()), np.float64("nan"), id="missing float"),
        pytest.param(pa.array(["α", "βγ"]), "βγ", id="text"),
        pytest.param(pa.array(["α", "βγ"]).dictionary_encode(), "βγ", id="text of a dictionary"),
        pytest.param(pa.array([b"a", b"\0b"]), b"\0b", id="bytes"),
        pytest.param(pa.array([3, 7]).dictionary_encode(), np.int64(7), id="number of a dictionary"),
        pytest.param(pa.array(CUBE.tolist(), NESTED), CUBE[1], id="nested fixed-size lists"),
        pytest.param(tensors(), CUBE[1], id="tensor extension"),
        pytest.param(pa.array([[1.0], [2.0, 3.0]], pa.list_(pa.float32())), np.float32([2, 3]), id="ragged"),
        pytest.param(pa.array([[1.0], []], pa.list_(pa.float32())), np.float32([]), id="ragged, no values"),
        pytest.param(
            pa.array([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], pa.list_(pa.list_(pa.float32(), 2))),
            np.float32([[3, 4], [5, 6]]),
            id="ragged in the first axis",
        ),
        pytest.param(
            pa.array([[[1.0]], [[3.0, 4.0], [5.0, 6.0]]], pa.list_(pa.list_(pa.float32()))),
            np.float32([[3, 4], [5, 6]]),
            id="ragged in both axes",
        ),
        pytest.param(
            pa.array([[1.0, None], [None, 2.0]], pa.list_(pa.float32(), 2)),
            np.float32([np.nan, 2]),
            id="holes in a list",
        ),
    ],
)
def test_a_row_comes_back_with_type_and_shape(tmp_path: Path, column: Any, row: Any) -> None:
    found = read(ParquetDataset(write(tmp_path / "rows.parquet", {"flux": column})), "flux", 1)
    assert type(found) is type(row)
    assert np.shape(found) == np.shape(row)
    if isinstance(row, np.ndarray | np.generic):
        assert found.dtype == row.dtype
        np.testing.assert_array_equal(found, row)
    else:
        assert found == row


@pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 12), pa.list_(pa.float32())])
def test_metadata_gives_a_flat_list_its_shape(tmp_path: Path, kind: Any) -> None:
    schema = pa.schema([with_metadata(kind, shape=json.dumps([3, 4]))])
    table = pa.Table.from_arrays([pa.array(CUBE.reshape(2, 12).tolist(), kind)], schema=schema)
    pq.write_table(table, tmp_path / "rows.parquet")
    assert np.array_equal(read(ParquetDataset(str(tmp_path / "rows.parquet")), "flux", 1), CUBE[1])


def test_unit_and_description_come_from_the_metadata(tmp_path: Path) -> None:
    schema = pa.schema([with_metadata(pa.float32(), unit="nJy", description="peak")])
    pq.write_table(pa.Table.from_arrays([pa.array([1.0], pa.float32())], schema=schema), tmp_path / "rows.parquet")
    data = ParquetDataset(str(tmp_path / "rows.parquet"))
    assert (data.units, data.descriptions) == ({"flux": "nJy"}, {"flux": "peak"})


def test_columns_of_a_struct_have_dotted_names(tmp_path: Path) -> None:
    candidates = [{"mag": 18.5, "fit": {"chi": 1}}, {"mag": 19.5, "fit": {"chi": 2}}]
    data = ParquetDataset(write(tmp_path / "rows.parquet", {"candidate": candidates, "id": [1, 2]}))
    assert field_names(data) == ("candidate.mag", "candidate.fit.chi", "id", "object_id")
    assert read(data, "candidate.mag", 1) == 19.5
    assert read(data, "candidate.fit.chi", 1) == 2


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_a_list_of_structs_is_a_list_for_each_member(tmp_path: Path, kind: Any) -> None:
    curves = [
        [{"mag": 18.5, "fit": {"chi": 1}}],
        [],
        [{"mag": 1.5, "fit": {"chi": 2}}, {"mag": 2.5, "fit": {"chi": 3}}],
    ]
    struct = pa.struct([("mag", pa.float32()), ("fit", pa.struct([("chi", pa.int64())]))])
    columns = {"curve": pa.array(curves, kind(struct)), "id": [1, 2, 3]}
    data = ParquetDataset(write(tmp_path / "rows.parquet", columns, row_group_size=2))
    assert field_names(data) == ("curve.mag", "curve.fit.chi", "id", "object_id")
    assert read(data, "curve.mag", 2).tolist() == [1.5, 2.5]
    assert read(data, "curve.fit.chi", 0).tolist() == [1]
    assert read(data, "curve.mag", 1).shape == (0,)


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_a_light_curve_that_is_null_is_one_without_detections(tmp_path: Path, kind: Any) -> None:
    curves = pa.array(
        [None, [{"mag": 1.5}], None, [{"mag": 2.5}, {"mag": None}]], kind(pa.struct([("mag", pa.float32())]))
    )
    nested = pa.array([[[1.0, 2.0]], None, [], [[3.0, 4.0]] * 2], kind(pa.list_(pa.float64(), 2)))
    data = ParquetDataset(write(tmp_path / "rows.parquet", {"curve": curves, "points": nested}, row_group_size=3))
    np.testing.assert_equal([read(data, "curve.mag", row).tolist() for row in range(4)], [[], [1.5], [], [2.5, np.nan]])
    assert [read(data, "points", row).shape for row in range(4)] == [(1, 2), (0, 2), (0, 2), (2, 2)]


def test_only_the_member_that_is_asked_for_is_read(tmp_path: Path) -> None:
    from hyrax_runtime.arrow_columns import find_leaves, storage_name

    path = write(tmp_path / "rows.parquet", {"curve": [[{"mag": 1.5, "fid": 1}]], "candidate": [{"mag": 1.5}]})
    with pq.ParquetFile(path) as file:
        names = [storage_name(leaf, file) for leaf in find_leaves(file.schema_arrow)]
    assert names == ["curve.list.element.mag", "curve.list.element.fid", "candidate.mag"]


def test_rows_come_in_any_order_across_row_groups_and_files(tmp_path: Path) -> None:
    values = np.arange(100)
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in (0, 1):
        rows = values[part * 50 : (part + 1) * 50]
        names = [f"star {row}" for row in rows]
        write(folder / f"part-{part}.parquet", {"object_id": rows, "name": names}, row_group_size=7)
    data = ParquetDataset(str(folder))
    assert len(data) == 100
    for row in (99, 0, 50, 49, 51):
        assert read(data, "object_id", row) == row
        assert read(data, "name", row) == f"star {row}"


def test_without_ids_a_rows_id_is_its_number(tmp_path: Path) -> None:
    assert ParquetDataset(write(tmp_path / "rows.parquet", {"flux": [1.0, 2.0]})).get_object_id(1) == 1


def test_a_row_beyond_the_end_is_an_index_error(tmp_path: Path) -> None:
    data = ParquetDataset(write(tmp_path / "rows.parquet", {"flux": [1.0, 2.0]}))
    for row in (2, -1):
        with pytest.raises(IndexError, match=f"row {row} of 2"):
            read(data, "flux", row)


def test_a_row_belongs_to_the_caller(tmp_path: Path) -> None:
    data = ParquetDataset(write(tmp_path / "rows.parquet", {"flux": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))}))
    read(data, "flux", 0)[:] = 7
    assert read(data, "flux", 0).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("budget", [0, 100, 10_000])
def test_what_does_not_fit_the_budget_stands_in_a_file_and_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setattr(parquet, "MEMORY_BYTES", budget)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    flux = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    columns = {
        "flux": pa.array(flux.tolist(), pa.list_(pa.float32(), 4)),
        "curve": [list(range(row % 5)) for row in range(500)],
        "name": [f"star {row}" for row in range(500)],
    }
    data = ParquetDataset(write(tmp_path / "rows.parquet", columns, row_group_size=64))
    for row in (499, 0, 250, 7):
        assert np.array_equal(read(data, "flux", row), flux[row])
        assert read(data, "curve", row).tolist() == list(range(row % 5))
        assert read(data, "name", row) == f"star {row}"
    assert sum(column.memory_bytes for column in data._columns.values()) <= budget * 1.25
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_disk_without_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, content: Any) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    monkeypatch.setattr(parquet, "MEMORY_BYTES", 0)
    monkeypatch.setattr("hyrax_pack.data.datasets.spool._nameless_file", Full)
    data = ParquetDataset(write(tmp_path / "rows.parquet", {"flux": [1.0, 2.0]}))
    with pytest.raises(DataError, match=r"column flux: rows cannot be laid out in .*: no space left; point XDG_CACHE"):
        read(data, "flux", 0)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([1, None]), "row 1: null; fill it, or leave the column out of `fields`"),
        (pa.array(["a", None]), "row 1: null"),
        (pa.array([[1], [None]], pa.list_(pa.int32())), "null inside a row"),
        (
            pa.array([[[1.0, 2.0]], [None]], pa.list_(pa.list_(pa.float32(), 2))),
            "cannot be read: Expected all lists to be of size=2",
        ),
        (pa.array([[[1.0], [1.0, 2.0]]]), "row 0: nested lists of unequal length"),
        (pa.array([[[{"a": 1}]]]), "a column of struct<a: int64> cannot be a field"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "cannot be a field"),
    ],
)
def test_a_column_that_cannot_be_rows_is_named(tmp_path: Path, column: Any, words: str) -> None:
    data = ParquetDataset(write(tmp_path / "rows.parquet", {"flux": column}))
    with pytest.raises(DataError) as caught:
        read(data, "flux", 0)
    assert f"{tmp_path}/rows.parquet: column flux" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "rows", "shape", "words"),
    [
        (pa.list_(pa.float32(), 4), [[1.0] * 4], "[3, 4]", r"its metadata says shape \[3, 4\], its type \[4\]"),
        (pa.list_(pa.float32()), [[1.0] * 12, [1.0]], "[3, 4]", "row 1: 1 values; its shape asks for 12"),
        (pa.list_(pa.float32(), 4), [[1.0] * 4], "big", "metadata shape b'big' is no list of numbers, such as"),
    ],
)
def test_metadata_that_contradicts_the_rows_is_refused(
    tmp_path: Path, kind: Any, rows: Any, shape: str, words: str
) -> None:
    table = pa.Table.from_arrays([pa.array(rows, kind)], schema=pa.schema([with_metadata(kind, shape=shape)]))
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=words):
        read(ParquetDataset(str(tmp_path / "rows.parquet")), "flux", 0)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.parquet: no such file or folder; check data_location"):
        ParquetDataset(str(tmp_path / "rows.parquet"))
    with pytest.raises(DataError, match=r"no \*\.parquet file in this folder"):
        ParquetDataset(str(tmp_path))
    for nothing in (None, ""):
        with pytest.raises(DataError, match="data_location is not set"):
            ParquetDataset(nothing)
    if os.name != "nt":
        os.mkfifo(tmp_path / "pipe.parquet")
        with pytest.raises(DataError, match=r"pipe\.parquet: is no regular file"):
            ParquetDataset(str(tmp_path))
        (tmp_path / "pipe.parquet").unlink()
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=r"rows\.parquet: is no readable Parquet file: "):
        ParquetDataset(str(tmp_path / "rows.parquet"))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"flux": [1.0]}, {"flux": [1]}, r"b\.parquet: column 'flux' is int64 here and double in a\.parquet; "),
        ({"flux": [1.0]}, {"mag": [1.0]}, r"b\.parquet: column 'flux' is not there, or leave it out of `fields`"),
        ({"mag": [1.0]}, {"flux": [1.0]}, r"a\.parquet: column 'flux' is not there"),
    ],
)
def test_a_column_in_which_files_differ_is_refused_when_it_is_read(
    tmp_path: Path, first: Any, second: Any, words: str
) -> None:
    write(tmp_path / "a.parquet", {"id": [1], **first})
    write(tmp_path / "b.parquet", {**second, "id": [2]})
    data = ParquetDataset(str(tmp_path))
    assert [int(read(data, "id", row)) for row in range(2)] == [1, 2]
    with pytest.raises(DataError, match=words):
        read(data, "flux", 0)


def test_a_column_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1.0], [2.0], [3]], names=["flux", "flux", "id"]), tmp_path / "rows.parquet")
    data = ParquetDataset(str(tmp_path / "rows.parquet"))
    assert read(data, "id", 0) == 3
    with pytest.raises(DataError, match="column 'flux' stands there twice; keep the one that is meant"):
        read(data, "flux", 0)


PEAK = """
import sys
import numpy as np
import pyarrow.parquet
from hyrax_pack.config import load_config
from hyrax_pack.data import DataProvider

def peak_mib():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024

before = peak_mib()
data = {"dataset_class": "ParquetDataset", "data_location": sys.argv[1]}
group = DataProvider(load_config(tables={"data_request": {"train": {"data": data}}})).group("train")
order = np.random.default_rng(0).permutation(len(group))
for start in range(0, 100_000, 500):
    rows = order[start : start + 500]
    data_dict = group.data_dict(rows)
    assert data_dict["data"]["flux"][0][0] == data_dict["object_id"][0] % 1000
print(peak_mib() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_million_rows_are_read_in_random_order_without_being_held_in_memory(tmp_path: Path) -> None:
    rows, width = 1_000_000, 200
    kind = pa.list_(pa.float32(), width)
    schema = pa.schema([("object_id", pa.int64()), ("flux", kind)])
    with pq.ParquetWriter(tmp_path / "rows.parquet", schema) as writer:
        for start in range(0, rows, 100_000):
            ids = np.arange(start, start + 100_000)
            flux = np.repeat((ids % 1000).astype(np.float32), width)
            columns = [pa.array(ids), pa.FixedSizeListArray.from_arrays(pa.array(flux), width)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    probe = [sys.executable, "-c", PEAK, str(tmp_path / "rows.parquet")]
    grown_mib = float(subprocess.run(probe, check=True, capture_output=True, text=True).stdout)
    assert grown_mib < 250, "the rows take 763 MiB"
