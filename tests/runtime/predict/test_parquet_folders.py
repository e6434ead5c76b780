"""A folder of Parquet files as one table: which files are read, and what may differ between them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.cli import main
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.contract_check import InputCheck, prepare
from hyrax_runtime.errors import DataFileError
from hyrax_runtime.files import open_rows

from tests.runtime.predict import forging

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

FLUX = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2))
FLAT = pa.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]] * 2, pa.list_(pa.float32(), 6))


def one_field(dtype: str, shape: tuple[Any, ...], **more: Any) -> InputContract:
    settings = {"kind": "array", "form": "list", "element": "array" if shape else "scalar", "read": True}
    return InputContract((FieldContract(path="data/x", dtype=dtype, shape=shape, **(settings | more)),), "independent")


def column(values: Any, **metadata: str) -> tuple[Any, dict[str, str]]:
    return (values, metadata)


def write(path: Path, **columns: Any) -> Path:
    """A file of columns, each an array or an array and its metadata."""
    path.parent.mkdir(exist_ok=True)
    pairs = {name: each if isinstance(each, tuple) else (pa.array(each), {}) for name, each in columns.items()}
    fields = [pa.field(name, array.type, metadata=metadata) for name, (array, metadata) in pairs.items()]
    pq.write_table(pa.table([array for array, _ in pairs.values()], schema=pa.schema(fields)), path)
    return path


def read(folder: Path, contract: InputContract, size: int = 100) -> tuple[list[Any], list[Any]]:
    rows: list[Any] = []
    ids: list[Any] = []
    for batch in open_rows(folder, contract).batches(size):
        prepared = prepare(contract, batch)
        rows += [np.asarray(row).tolist() for row in prepared.data_dict["data"]["x"]]
        ids += list(prepared.object_id if prepared.object_id is not None else [])
    return rows, ids


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, first in (("b", 5), ("a", 0)):
        write(tmp_path / "night" / f"{name}.parquet", x=np.arange(first, first + 5.0))
    rows = open_rows(tmp_path / "night", one_field("float64", ()))
    assert rows.rows == 10
    assert [list(batch["data"]["x"]) for batch in rows.batches(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    write(tmp_path / "night" / "c.parquet", y=[1.0])
    with pytest.raises(DataFileError, match=r"c\.parquet: data/x: no column 'data/x' or 'x'; the file has y"):
        open_rows(tmp_path / "night", one_field("float64", ()))
    with pytest.raises(DataFileError, match=r"no \*\.parquet file in this folder; it holds night/"):
        open_rows(tmp_path, one_field("float64", ()))


@pytest.mark.parametrize(
    ("first", "second", "contract"),
    [
        pytest.param(
            {"x": column(FLUX, unit="nJy")}, {"x": column(FLUX, unit="mJy")}, one_field("float32", (2,)),
            id="another unit, where none is recorded",
        ),
        pytest.param(
            {"x": column(FLUX, unit="nJy")}, {"x": column(FLUX, unit="mJy")}, one_field("float32", (2,), unit="nJy"),
            id="another unit than the recorded one",
        ),
        pytest.param(
            {"x": FLUX}, {"x": column(FLUX, unit="mJy")}, one_field("float32", (2,), unit="nJy"),
            id="another unit behind a file that names none",
        ),
        pytest.param(
            {"x": column(FLAT, shape="[2, 3]")}, {"x": column(FLAT, shape="[3, 2]")}, one_field("float32", (2, 3)),
            id="another row shape",
        ),
        pytest.param(
            {"x": column(FLAT, shape="[2, 3]")}, {"x": FLAT}, one_field("float32", (2, 3)), id="no row shape",
        ),
        pytest.param({"x": [1, 2]}, {"x": [1.0, 2.0]}, one_field("int64", ()), id="another type"),
        pytest.param(
            {"x": [1.0], "object_id": [7]}, {"x": [1.0]}, one_field("float64", ()), id="ids in one of them",
        ),
        pytest.param(
            {"x": [1.0]}, {"x": [1.0], "object_id": [7]}, one_field("float64", ()), id="ids in the other",
        ),
        pytest.param(
            {"x": [1.0]}, {"x": [1.0], "ivar": [1.0]},
            InputContract(one_field("float64", ()).fields, "independent", asked_absent=("data/ivar",)),
            id="a column that changes the function",
        ),
    ],
)  # fmt: skip
def test_what_may_change_a_value_is_refused_by_the_name_of_its_file(
    tmp_path: Path, first: Any, second: Any, contract: InputContract
) -> None:
    for name, one in (("a", first), ("b", second)):
        write(tmp_path / f"{name}.parquet", **one)
    with pytest.raises(DataFileError, match=r"/b\.parquet: "):
        read(tmp_path, contract)


NOT_NULL = pa.list_(pa.field("item", pa.float64(), nullable=False))


@pytest.mark.parametrize(
    ("first", "second", "contract", "wanted"),
    [
        pytest.param(
            {"x": [1.0], "object_id": [1]}, {"object_id": [2], "comment": ["-"], "x": [2.0]},
            one_field("float64", ()), [1.0, 2.0], id="other columns, in another order",
        ),
        pytest.param(
            {"x": [[1.0], []], "object_id": [1, 2]}, {"x": pa.array([[3.0]], NOT_NULL), "object_id": [3]},
            one_field("float64", ("x.1",), kind="ragged"), [[1.0], [], [3.0]], id="lists without nulls",
        ),
        pytest.param(
            {"x": [[1.0]], "object_id": ["a"]},
            {"x": pa.array([[2.0]], pa.large_list(pa.float64())), "object_id": pa.array(["b"], pa.large_string())},
            one_field("float64", ("x.1",), kind="ragged"), [[1.0], [2.0]], id="large lists and texts",
        ),
        pytest.param(
            {"x": ["a"], "object_id": [1]}, {"x": pa.array(["b"]).dictionary_encode(), "object_id": [2]},
            one_field("str", (), kind="string", element="python"), ["a", "b"], id="a dictionary",
        ),
        pytest.param(
            {"x": pa.nulls(1), "object_id": [1]}, {"x": [2.0], "object_id": [2]},
            one_field("float64", ()), [np.nan, 2.0], id="nothing but null in one of them",
        ),
        pytest.param(
            {"x": [1.0], "object_id": ["a"]}, {"x": [2.0], "object_id": pa.nulls(1)},
            one_field("float64", ()), [1.0, 2.0], id="ids of nothing but null",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 100])
def test_what_changes_no_value_may_differ(
    tmp_path: Path, first: Any, second: Any, contract: InputContract, wanted: Any, size: int
) -> None:
    for name, one in (("a", first), ("b", second)):
        write(tmp_path / f"{name}.parquet", **one)
    rows, ids = read(tmp_path, contract, size)
    np.testing.assert_equal(rows, wanted)
    given = [each for one in (first, second) for each in pa.array(one["object_id"]).to_pylist()]
    assert [getattr(each, "as_py", lambda each=each: each)() for each in ids] == given


@pytest.mark.parametrize(
    ("values", "contract", "wanted"),
    [
        (pa.nulls(2), one_field("float64", ()), [np.nan, np.nan]),
        (pa.nulls(2), one_field("int64", ()), "row 0: no value"),
        (pa.nulls(2), one_field("str", (), kind="string", element="python"), "row 0: no value"),
        (pa.nulls(2), one_field("float64", (3,)), "row 0: no value"),
        (pa.nulls(2), one_field("float64", ("x.1",), kind="ragged"), [[], []]),
        (pa.array([[None, None]]), one_field("float64", (2,)), [[np.nan, np.nan]]),
        (pa.array([[], []]), one_field("float64", ("x.1",), kind="ragged"), [[], []]),
    ],
    ids=["numbers", "integers", "texts", "arrays", "ragged", "lists of null", "lists of nothing"],
)
def test_a_column_of_nothing_but_null_is_one_of_the_recorded_type(
    tmp_path: Path, values: Any, contract: InputContract, wanted: Any
) -> None:
    write(tmp_path / "rows.parquet", x=values)
    (batch,) = open_rows(tmp_path / "rows.parquet", contract).batches(10)
    prepared = InputCheck(contract).prepare(batch, mask=True)
    if isinstance(wanted, str):
        assert sorted(prepared.refused) == [0, 1] and wanted in str(prepared.refused[0])
    else:
        np.testing.assert_equal([np.asarray(row).tolist() for row in prepared.data_dict["data"]["x"]], wanted)


def test_both_endings_are_read_and_what_else_lies_there_is_said(
    features_bundle: Path, tmp_path: Path, pin: Callable[[Path], str], capsys: Any
) -> None:
    features = pa.array([row.tolist() for row in forging.features(2)["data"]["features"]], pa.list_(pa.float32(), 10))
    for start, name in enumerate(("a.parquet", "b.PARQUET", "c.pq")):
        write(tmp_path / "night" / name, features=column(features), object_id=[2 * start, 2 * start + 1])
    for hidden in ("._a.parquet", ".a.parquet.crc", "_SUCCESS"):
        (tmp_path / "night" / hidden).write_bytes(b"none of ours")
    line = ["predict", str(features_bundle), str(tmp_path / "night"), "-o", str(tmp_path / "out.npz")]
    line += ["--trust", pin(features_bundle)]
    assert main(line) == 0
    assert capsys.readouterr().err == ""
    with np.load(tmp_path / "out.npz") as written:
        assert written["object_id"].tolist() == list(range(6))
    write(tmp_path / "night" / "field=1" / "d.parquet", features=column(features))
    (tmp_path / "night" / "notes.txt").write_text("cloudy")
    assert main(line) == 0
    said = capsys.readouterr().err
    assert "*.parquet and *.pq files of the folder itself are read; left out: field=1/, notes.txt" in said


def test_a_folder_that_ends_like_a_file_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "night" / "a.parquet", x=[1.0])
    write(tmp_path / "night" / "b.parquet" / "part-0.parquet", x=[1.0])
    with pytest.raises(DataFileError, match=r"b\.parquet: is a folder; folders within a folder are not read"):
        open_rows(tmp_path / "night", one_field("float64", ()))


@pytest.mark.skipif(os.name == "nt", reason="needs pipes")
def test_a_pipe_among_the_files_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", x=[1.0])
    os.mkfifo(tmp_path / "b.parquet")
    with pytest.raises(DataFileError, match=r"b\.parquet: is no regular file"):
        open_rows(tmp_path, one_field("float64", ()))


def test_a_folder_that_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataFileError, match="Permission denied"):
        open_rows(tmp_path, one_field("float64", ()))


def test_more_rows_at_a_time_than_there_are_is_all_of_them(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", x=[1.0, 2.0])
    (batch,) = open_rows(tmp_path, one_field("float64", ())).batches(2**70)
    assert list(batch["data"]["x"]) == [1.0, 2.0]


def test_a_file_that_is_written_anew_meanwhile_is_refused(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.parquet", x=column(pa.array([1.0]), unit="nJy"))
    batches = open_rows(tmp_path, one_field("float64", (), unit="nJy")).batches(1)
    next(batches)
    write(tmp_path / "b.parquet", x=column(pa.array([1.0]), unit="mJy"))
    with pytest.raises(DataFileError, match=r"b\.parquet: was written anew while it was being read"):
        next(batches)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_one_file_is_open_at_a_time(tmp_path: Path) -> None:
    for number in range(8):
        write(tmp_path / f"{number}.parquet", x=[1.0])
    before = len(list(Path("/proc/self/fd").iterdir()))
    batches = open_rows(tmp_path, one_field("float64", ())).batches(1)
    for _ in range(8):
        next(batches)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_a_unit_that_is_no_utf8_is_compared_and_shown_escaped(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("x", pa.float64(), metadata={b"unit": b"\xb5Jy"})])
    pq.write_table(pa.table([pa.array([1.0])], schema=schema), tmp_path / "rows.parquet")
    with pytest.raises(DataFileError, match=r"is in \\xb5Jy where µJy is recorded"):
        open_rows(tmp_path / "rows.parquet", one_field("float64", (), unit="µJy"))
    assert open_rows(tmp_path / "rows.parquet", one_field("float64", (), unit="\\xb5Jy")).rows == 1
