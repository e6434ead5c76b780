"""Parquet in and out: shapes from nested lists, tensor columns and metadata; nulls; batches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.cli import main
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.contract_check import prepare
from hyrax_runtime.errors import DataFileError, FieldsError, OutputFileError
from hyrax_runtime.files import open_rows, write_outputs
from hyrax_runtime.manifest import Output
from hyrax_runtime.outputs import Outputs

from tests.runtime.predict import forging

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

IMAGES = np.arange(24, dtype="f4").reshape(4, 2, 3)


def one_field(dtype: str, shape: tuple[Any, ...], **more: Any) -> InputContract:
    settings = {"kind": "array", "form": "list", "element": "array" if shape else "scalar", "read": True}
    return InputContract((FieldContract(path="data/x", dtype=dtype, shape=shape, **(settings | more)),), "independent")


def nested(values: np.ndarray[Any, Any]) -> Any:
    column = pa.array(values.reshape(-1))
    for size in reversed(values.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column


def read_back(path: Path, column: Any, contract: InputContract, metadata: dict[str, str] | None = None) -> list[Any]:
    schema = pa.schema([pa.field("x", column.type, metadata=metadata)])
    pq.write_table(pa.table([column], schema=schema), path / "rows.parquet")
    rows: list[Any] = []
    for batch in open_rows(path / "rows.parquet", contract).batches(3):
        rows += prepare(contract, batch).data_dict["data"]["x"]
    return rows


def tensors(values: np.ndarray[Any, Any]) -> Any:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(values)


@pytest.mark.parametrize(
    ("column", "metadata"),
    [
        pytest.param(nested(IMAGES), None, id="nested fixed-size lists"),
        pytest.param(tensors(IMAGES), None, id="tensor extension"),
        pytest.param(nested(IMAGES.reshape(4, 6)), {"shape": "[2, 3]"}, id="flat with metadata"),
        pytest.param(pa.array(IMAGES.reshape(4, 6).tolist()), {"shape": "(2, 3)"}, id="lists with metadata"),
        pytest.param(pa.array(IMAGES.tolist(), pa.list_(pa.list_(pa.float32()))), None, id="nested lists"),
        pytest.param(pa.array(IMAGES.tolist(), pa.large_list(pa.list_(pa.float32(), 3))), None, id="large lists"),
    ],
)  # fmt: skip
def test_a_row_shape_comes_from_the_column(tmp_path: Path, column: Any, metadata: Any) -> None:
    dtype = "float64" if metadata == {"shape": "(2, 3)"} else "float32"
    rows = read_back(tmp_path, column, one_field(dtype, (2, 3)), metadata)
    assert np.array_equal(np.stack(rows), IMAGES)


def test_a_sliced_column_begins_where_the_slice_begins() -> None:
    from hyrax_runtime.arrow_columns import column_rows

    for column in (nested(IMAGES), tensors(IMAGES), pa.array(IMAGES.tolist(), pa.list_(pa.list_(pa.float32())))):
        cut = column.slice(1, 2)
        assert np.array_equal(column_rows(cut, pa.field("x", cut.type)), IMAGES[1:3])


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pa.array([1.5, None, 2.5], pa.float32()), "float32"),
        (pa.array([1, 2, 3], pa.int16()), "int64"),
        (pa.array([True, False, True]), "bool"),
        (pa.array([1.5, 2.5, 3.5], pa.float64()).dictionary_encode(), "float64"),
    ],
    ids=["floats with a null", "narrow integers", "bools", "dictionary"],
)
def test_numbers_come_as_numpy_scalars(tmp_path: Path, column: Any, dtype: str) -> None:
    rows = read_back(tmp_path, column, one_field(dtype, ()))
    wanted = [np.nan if value is None else value for value in column.to_pylist()]
    np.testing.assert_array_equal(np.array(rows), np.array(wanted, dtype))
    assert all(type(row) is np.dtype(dtype).type for row in rows)


def test_ragged_rows_keep_their_lengths(tmp_path: Path) -> None:
    rows = [[1.0], [], [2.0, 3.0], [4.0]]
    contract = one_field("float64", ("x.1",), kind="ragged")
    assert [row.tolist() for row in read_back(tmp_path, pa.array(rows), contract)] == rows


def test_ragged_rows_of_points_keep_their_axes(tmp_path: Path) -> None:
    rows = [[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]], [[7.0, 8.0]]]
    contract = one_field("float64", ("x.1", 2), kind="ragged")
    for kind in (pa.list_(pa.list_(pa.float64(), 2)), pa.list_(pa.list_(pa.float64()))):
        assert [row.tolist() for row in read_back(tmp_path, pa.array(rows, kind), contract)] == rows


def test_text_and_bytes_come_as_they_are(tmp_path: Path) -> None:
    text = one_field("str", (), kind="string", element="python")
    assert read_back(tmp_path, pa.array(["a", "é", ""]), text) == ["a", "é", ""]
    assert read_back(tmp_path, pa.array(["a", "b", "a"]).dictionary_encode(), text) == ["a", "b", "a"]
    stamps = one_field("bytes", (), kind="bytes", element="python")
    assert read_back(tmp_path, pa.array([b"\x00a\x00", b""]), stamps) == [b"\x00a\x00", b""]


@pytest.mark.parametrize(
    ("column", "contract"),
    [
        (pa.array([1, None, 3]), one_field("int64", ())),
        (pa.array(["a", None, "c"]), one_field("str", (), kind="string", element="python")),
        (pa.array([[1.0], None, [3.0]]), one_field("float64", (1,))),
    ],
    ids=["integers", "text", "an array"],
)
def test_a_null_is_a_row_without_a_value(tmp_path: Path, column: Any, contract: InputContract) -> None:
    with pytest.raises(FieldsError, match="data/x row 1: "):
        read_back(tmp_path, column, contract)


def test_a_null_among_lists_of_fixed_size_is_a_row_without_a_value() -> None:
    from hyrax_runtime.arrow_columns import column_rows

    column = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float64(), 2))
    rows = column_rows(column, pa.field("x", column.type))
    assert [None if row is None else row.tolist() for row in rows] == [[1, 2], None, [3, 4]]
    tensors = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float64(), (2, 1)), column)
    rows = column_rows(tensors, pa.field("x", tensors.type))
    assert [None if row is None else row.tolist() for row in rows] == [[[1], [2]], None, [[3], [4]]]


def test_a_null_among_lists_of_fixed_size_that_pyarrow_cannot_read_is_explained(tmp_path: Path) -> None:
    column = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float64(), 2))
    with pytest.raises((DataFileError, FieldsError), match=r"pyarrow cannot read|data/x row 1: no value"):
        read_back(tmp_path, column, one_field("float64", (2,)))


@pytest.mark.parametrize(
    ("column", "metadata", "words"),
    [
        (pa.array([datetime(2026, 11, 24)]), None, "neither numbers nor text"),
        (pa.array([1.0]), {"shape": "two by two"}, "metadata shape"),
        (pa.array([1.0]), {"shape": "[-1]"}, "metadata shape"),
    ],
    ids=["dates", "no shape", "negative shape"],
)
def test_a_column_that_cannot_be_read_is_named(tmp_path: Path, column: Any, metadata: Any, words: str) -> None:
    with pytest.raises(DataFileError, match=words) as caught:
        read_back(tmp_path, column, one_field("float64", ()), metadata)
    assert "'x'" in str(caught.value)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0, 2.0]}), tmp_path / "rows.parquet")
    content = (tmp_path / "rows.parquet").read_bytes()
    (tmp_path / "rows.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataFileError, match="not a readable Parquet file"):
        open_rows(tmp_path / "rows.parquet", one_field("float64", ()))


def test_only_the_columns_that_are_needed_are_read_in_batches(tmp_path: Path) -> None:
    table = pa.table({"data/x": np.arange(1000.0), "other": [None] * 1000, "object_id": np.arange(1000)})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=64)
    rows = open_rows(tmp_path / "rows.parquet", one_field("float64", ()))
    batches = list(rows.batches(300))
    assert rows.rows == 1000 and max(len(batch["object_id"]) for batch in batches) <= 300
    assert np.concatenate([batch["object_id"] for batch in batches]).tolist() == list(range(1000))
    assert all(set(batch) == {"data", "object_id"} for batch in batches)


DECLARED = (
    Output("scores", "float32", ("N", 3), 0.0, 0.0, 0.0),
    Output("best", "int64", ("N",), 0.0, 0.0, 0.0),
    Output("map", "float64", ("N", 2, 2), 0.0, 0.0, 0.0),
    Output("free", "float32", ("N", "free.1"), 0.0, 0.0, 0.0),
)


def some_outputs(rows: int, width: int, **more: Any) -> Outputs:
    random = np.random.default_rng(rows)
    arrays = {
        "scores": random.normal(size=(rows, 3)).astype("f4"),
        "best": np.arange(rows),
        "map": random.normal(size=(rows, 2, 2)),
        "free": random.normal(size=(rows, width)).astype("f4"),
    }
    return Outputs(arrays, np.array([f"id{row}" for row in range(rows)]), **more)


def test_outputs_are_written_with_their_shapes(tmp_path: Path) -> None:
    batches = [some_outputs(3, 2), some_outputs(4, 5), some_outputs(1, 0)]
    assert write_outputs(tmp_path / "out.parquet", iter(batches), DECLARED) == 8
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["object_id", "scores", "best", "map", "free"]
    assert table.schema.field("map").type == pa.list_(pa.list_(pa.float64(), 2), 2)
    for name in ("scores", "best", "map", "free"):
        assert table[name].to_pylist() == [row for batch in batches for row in batch[name].tolist()]
    assert table["object_id"].to_pylist() == [row for batch in batches for row in batch.object_id.tolist()]


def test_outputs_of_no_rows_still_have_their_columns(tmp_path: Path) -> None:
    assert write_outputs(tmp_path / "out.parquet", [], DECLARED) == 0
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["scores", "best", "map", "free"]


def test_a_null_list_is_a_list_of_nothing_with_the_axes_of_the_contract(tmp_path: Path) -> None:
    rows = [None, [[1.0, 2.0]], []]
    contract = one_field("float64", ("x.1", 2), kind="ragged")
    for kind in (
        pa.list_(pa.list_(pa.float64(), 2)),
        pa.list_(pa.list_(pa.float64())),
        pa.large_list(pa.list_(pa.float64())),
    ):
        assert [row.shape for row in read_back(tmp_path, pa.array(rows, kind), contract)] == [(0, 2), (1, 2), (0, 2)]
        assert [row.shape for row in read_back(tmp_path, pa.array([[], []], kind), contract)] == [(0, 2)] * 2


def write_groups(path: Path, columns: dict[str, Any], rows: int) -> Path:
    """A file of row groups of so many rows, each with a dictionary of its own."""
    pq.write_table(pa.table(columns), path, row_group_size=rows)
    return path


@pytest.mark.parametrize("rows_at_a_time", [1, 4, 7, 30])
def test_a_batch_has_the_rows_that_were_asked_for_however_the_file_is_cut(tmp_path: Path, rows_at_a_time: int) -> None:
    survey = pa.array([f"survey{row // 4}" for row in range(30)]).dictionary_encode()
    contract = InputContract(
        (
            FieldContract("data/x", "array", "float64", (), "list", "scalar", read=True),
            FieldContract("data/survey", "string", "str", (), "list", "python", read=True),
        ),
        "joint",
    )
    columns = {
        "x": np.arange(30.0),
        "survey": survey,
        "object_id": pa.array([f"id{row}" for row in range(30)]).dictionary_encode(),
    }
    batches = list(open_rows(write_groups(tmp_path / "rows.parquet", columns, 3), contract).batches(rows_at_a_time))
    sizes = [len(batch["object_id"]) for batch in batches]
    assert set(sizes[:-1]) <= {rows_at_a_time} and sum(sizes) == 30
    assert [float(x) for batch in batches for x in batch["data"]["x"]] == list(range(30))
    assert [text for batch in batches for text in batch["data"]["survey"]] == survey.to_pylist()


def test_columns_inside_structs_are_read_by_their_dotted_names_as_in_training(tmp_path: Path) -> None:
    alerts = [
        {"candidate": {"magpsf": 18.5, "candid": 7}, "prv": [{"mag": 17.0, "jd": 1.0}, {"mag": None, "jd": 2.0}]},
        {"candidate": {"magpsf": 19.5, "candid": 8}, "prv": None},
    ]
    pq.write_table(pa.Table.from_pylist(alerts), tmp_path / "alerts.parquet")
    contract = InputContract(
        (
            FieldContract("ztf/candidate.magpsf", "array", "float64", (), "list", "scalar", read=True),
            FieldContract("ztf/prv.mag", "ragged", "float64", ("prv.mag.1",), "list", "array", read=True),
        ),
        "independent",
        id_field="ztf/candidate.candid",
    )
    (batch,) = open_rows(tmp_path / "alerts.parquet", contract).batches(10)
    assert list(batch["ztf"]["candidate.magpsf"]) == [18.5, 19.5] and list(batch["object_id"]) == [7, 8]
    np.testing.assert_equal([row.tolist() for row in batch["ztf"]["prv.mag"]], [[17.0, np.nan], []])


def test_a_column_in_another_unit_is_refused(tmp_path: Path) -> None:
    contract = one_field("float64", (), unit="nJy")
    assert len(read_back(tmp_path, pa.array([1.0]), contract, {"unit": "nJy"})) == 1
    with pytest.raises(DataFileError, match=r"data/x: column 'x' is in mJy where nJy is recorded"):
        read_back(tmp_path, pa.array([1.0]), contract, {"unit": "mJy"})


IDS = {
    "big-endian integers": np.arange(3, dtype=">i8"),
    "dates": pa.array([datetime(2026, 11, day) for day in (1, 2, 3)]),
    "nanoseconds": pa.array(np.array(["2026-11-24T01:02:03.123456789"] * 3, "M8[ns]")),
    "decimals": pa.array([Decimal("1.5")] * 3),
    "integers with a null": pa.array([2**60 + 1, None, 3]),
    "nothing but null": pa.array([None] * 3, pa.string()),
    "bytes": pa.array([b"a\0", b"\0", b""]),
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_ids_are_handed_through_as_they_are(tmp_path: Path, ids: Any) -> None:
    native = ids.astype("i8") if isinstance(ids, np.ndarray) else ids
    pq.write_table(pa.table({"x": [1.0, 2.0, 3.0], "object_id": native}), tmp_path / "rows.parquet")
    contract = one_field("float64", ())
    outputs = [
        Outputs({"scores": np.zeros((len(batch["object_id"]), 3), "f4")}, prepare(contract, batch).object_id)
        for batch in open_rows(tmp_path / "rows.parquet", contract).batches(2)
    ]
    if isinstance(ids, np.ndarray):
        outputs = [Outputs({"scores": np.zeros((3, 3), "f4")}, ids)]
    write_outputs(tmp_path / "out.parquet", outputs, DECLARED[:1])
    assert pq.read_table(tmp_path / "out.parquet")["object_id"].to_pylist() == native.tolist()


@pytest.mark.parametrize("ids", [np.zeros((2, 2)), np.array([1 + 2j, 3]), np.array(["2026"] * 2, "M8[m]")])
def test_ids_that_parquet_cannot_hold_are_refused(tmp_path: Path, ids: Any) -> None:
    with pytest.raises(OutputFileError, match="the ids cannot stand in Parquet"):
        write_outputs(tmp_path / "out.parquet", [Outputs({"scores": np.zeros((2, 3), "f4")}, ids)], DECLARED[:1])
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_no_rows_is_one_batch_of_none(tmp_path: Path) -> None:
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((4, 2, 3), "f4"))
    table = pa.table({"data/x": images, "object_id": ["a", "b", "c", "d"]}).slice(0, 0)
    pq.write_table(table, tmp_path / "rows.parquet")
    (batch,) = open_rows(tmp_path / "rows.parquet", one_field("float32", (2, 3))).batches(10)
    assert np.asarray(batch["data"]["x"]).shape == (0, 2, 3) and list(batch["object_id"]) == []


def test_ids_of_two_types_are_refused(tmp_path: Path) -> None:
    batches = [some_outputs(3, 2), some_outputs(4, 5)]
    batches[1].object_id = np.arange(4)
    with pytest.raises(OutputFileError, match="the ids are string in the first rows and int64 later"):
        write_outputs(tmp_path / "out.parquet", iter(batches), DECLARED)
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table([np.arange(3.0), np.arange(3.0) * 2], names=["x", "x"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(DataFileError, match="data/x: stands in the file as 'x' and as 'x'"):
        open_rows(tmp_path / "rows.parquet", one_field("float64", ()))


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Any:
        yield some_outputs(2, 2)
        raise DataFileError("the rows ended")

    with pytest.raises(DataFileError, match="the rows ended"):
        write_outputs(tmp_path / "out.parquet", broken(), DECLARED)
    assert list(tmp_path.iterdir()) == []


def test_predict_from_parquet_to_parquet_masks_what_is_wrong(
    sources_bundle: Path, tmp_path: Path, pin: Callable[[Path], str]
) -> None:
    rows = forging.sources(20)
    data = rows["data"]
    columns = {
        "data/flux": pa.array([flux.tolist() for flux in data["flux"]], pa.list_(pa.float32(), 3)),
        "mag": pa.array(np.array(data["mag"])),
        "curve": pa.array([curve.tolist() for curve in data["curve"]], pa.list_(pa.list_(pa.float64(), 2))),
        "survey": ["unknown" if row == 9 else name if row != 4 else None for row, name in enumerate(data["survey"])],
        "object_id": rows["object_id"],
        "comment": ["not read"] * 20,
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    line = ["predict", str(sources_bundle), str(tmp_path / "rows.parquet"), "-o", str(tmp_path / "out.parquet")]
    line += ["--trust", pin(sources_bundle), "--batch", "6"]
    assert main(line) == 1
    assert not (tmp_path / "out.parquet").exists()
    assert main([*line, "--on-error", "mask"]) == 0
    table = pq.read_table(tmp_path / "out.parquet")
    import hyrax_runtime as hr

    wanted = hr.load(sources_bundle, trust=pin(sources_bundle)).predict(rows)["scores"]
    got = np.array(table["scores"].to_pylist(), "f4")
    good = [row for row in range(20) if row not in (4, 9)]
    np.testing.assert_allclose(got[good], wanted[good], rtol=1e-6, atol=1e-6)
    assert np.isnan(got[[4, 9]]).all()
    assert table["object_id"].to_pylist() == rows["object_id"]
    errors = table["error"].to_pylist()
    assert "data/survey row 4: no value (None)" in errors[4] and "no zero point" in errors[9]
    assert all(errors[row] is None for row in good)
