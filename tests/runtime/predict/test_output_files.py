"""What is written: ids that are those of their rows, in a file that was not needed for anything else."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.cli import main
from hyrax_runtime.contract import InputContract
from hyrax_runtime.errors import DataFileError, FieldsError, OutputFileError, Problem
from hyrax_runtime.files import open_rows, write_outputs
from hyrax_runtime.manifest import Output
from hyrax_runtime.outputs import Outputs, empty_outputs

from tests.runtime.predict import forging

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

Pin = Callable[[Path], str]
DECLARED = (Output("scores", "float32", ("N", 2), 0.0, 0.0, 0.0),)
FREE = (Output("map", "float32", ("N", "map.1", 2), 0.0, 0.0, 0.0), Output("k", "int64", ("N",), 0.0, 0.0, 0.0))
REFUSED = FieldsError([Problem("data/x", "no value (None)")])


def batch(ids: Any, rows: int | None = None) -> Outputs:
    return Outputs({"scores": np.zeros((len(ids) if rows is None else rows, 2), "f4")}, ids)


def written_ids(path: Path, *batches: Any) -> Any:
    write_outputs(path / "out.npz", [batch(ids) for ids in batches], DECLARED)
    with np.load(path / "out.npz") as written:
        return written["object_id"]


NANOSECONDS = np.array([1, 10**18 + 1])


@pytest.mark.parametrize(
    ("batches", "wanted"),
    [
        pytest.param([[2**63 + 1, 5]], np.array([2**63 + 1, 5], "u8"), id="a whole number above 2**63"),
        pytest.param([[1], [2**63 + 1, 5]], np.array([1, 2**63 + 1, 5], "u8"), id="such a one in a later batch"),
        pytest.param([np.array([1, 5], "u8"), [-1]], np.array([1, 5, -1]), id="negative ones in a later batch"),
        pytest.param([[], ["a", "bcd"]], np.array(["a", "bcd"]), id="texts after a batch of none"),
        pytest.param([[1.5, float("nan")]], np.array([1.5, np.nan]), id="a float that is none"),
        pytest.param([[1, 2.5]], np.array([1, 2.5]), id="whole numbers and others"),
        pytest.param([[b"a", b"bc"]], np.array([b"a", b"bc"]), id="bytes"),
        pytest.param([pa.array([3, 4])], np.array([3, 4]), id="Arrow numbers"),
        pytest.param([pa.chunked_array([["a"], ["b"]])], np.array(["a", "b"]), id="Arrow texts in pieces"),
        pytest.param([pa.array(NANOSECONDS, pa.timestamp("ns"))], NANOSECONDS.view("M8[ns]"), id="times"),
        pytest.param([pa.array(NANOSECONDS, pa.duration("ns"))], NANOSECONDS.view("m8[ns]"), id="durations"),
        pytest.param([pa.array([date(2026, 11, 25)])], np.array(["2026-11-25"], "M8[D]"), id="dates"),
    ],
)
def test_the_array_of_ids_equals_the_ids(tmp_path: Path, batches: list[Any], wanted: Any) -> None:
    found = written_ids(tmp_path, *batches)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        pytest.param([[1, "a"]], "not all of one type; give them one type", id="numbers and texts"),
        pytest.param([[1, 2], ["a"]], "are int64 in the first rows and <U1 later", id="texts in a later batch"),
        pytest.param([[1, 2], [1.5]], "are int64 in the first rows and float64 later", id="floats in a later batch"),
        pytest.param([[2**70, 1]], "no integer type of 64 bits holds them all", id="more than 64 bits"),
        pytest.param([[2**63 + 1, -5]], "no integer type of 64 bits holds them all", id="too far apart"),
        pytest.param([[2**63 + 1], [-5]], "no integer type of 64 bits holds them all", id="too far apart, in two"),
        pytest.param([[2**60 + 1, 0.5]], "not all of one type", id="a whole number that no float is"),
        pytest.param([[uuid.UUID(int=1)]], "numpy has nothing that holds a UUID; give them as texts", id="UUIDs"),
        pytest.param([[[1], [2, 3]]], "lists of differing length", id="lists"),
        pytest.param([pa.array([[1], [2, 3]])], "lists of differing length", id="Arrow lists"),
        pytest.param([pa.array([Decimal("1.5")])], r"numpy has nothing that holds decimal128\(2, 1\)", id="decimals"),
        pytest.param([pa.array([time(1, 2)])], r"nothing that holds time64\[us\]; write \.parquet", id="times of day"),
        pytest.param([pa.array([1], pa.timestamp("us", "UTC"))], "nothing that holds timestamp", id="times of a zone"),
        pytest.param([pa.array([1, None])], "1 of 2 rows have none", id="Arrow null"),
    ],
)
def test_ids_that_an_array_would_change_are_refused(tmp_path: Path, batches: list[Any], words: str) -> None:
    with pytest.raises(OutputFileError, match=words):
        written_ids(tmp_path, *batches)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["npz", "parquet"])
@pytest.mark.parametrize(
    ("batches", "words"),
    [
        ([batch([1, 2]), batch(None, 2)], "the rows from 2 on have no ids, and those before have some"),
        ([batch(None, 2), batch([1, 2])], "the rows from 2 on have ids, and those before have none"),
        ([batch([1, 2], 3)], "2 ids stand beside 3 rows of outputs"),
    ],
    ids=["none later", "none first", "too few"],
)
def test_every_row_has_its_id_or_none_has(tmp_path: Path, ending: str, batches: list[Outputs], words: str) -> None:
    with pytest.raises(OutputFileError, match=words):
        write_outputs(tmp_path / f"out.{ending}", batches, DECLARED)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "ids",
    [
        pa.array(["a", "b", None], pa.large_string()),
        pa.array([b"ab", b"cd", None], pa.binary(2)),
        pa.array([[1], [2, 3], []]),
        pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int64(), 2)),
    ],
    ids=["large texts", "bytes of one length", "lists", "lists of one length"],
)
def test_ids_of_a_file_are_of_one_type_whichever_rows_have_one(tmp_path: Path, ids: Any) -> None:
    pq.write_table(pa.table({"x": [1.0, 2.0, 3.0], "object_id": ids}), tmp_path / "rows.parquet")
    contract = InputContract((forging.field("data/x", "float64"),), "independent")
    outputs = [batch(each["object_id"]) for each in open_rows(tmp_path / "rows.parquet", contract).batches(2)]
    write_outputs(tmp_path / "out.parquet", outputs, DECLARED)
    assert pq.read_table(tmp_path / "out.parquet")["object_id"].to_pylist() == ids.to_pylist()


def test_a_batch_without_any_value_takes_the_shape_of_the_others(tmp_path: Path) -> None:
    def answered(rows: int) -> Outputs:
        return Outputs({"map": np.ones((rows, 3, 2), "f4"), "k": np.arange(rows)})

    refused = Outputs(empty_outputs(FREE, 2), errors={0: REFUSED, 1: REFUSED})
    write_outputs(tmp_path / "out.npz", [refused, answered(2), refused], FREE, with_errors=True)
    with np.load(tmp_path / "out.npz") as written:
        assert written["map"].shape == (6, 3, 2)
        assert np.isnan(written["map"]).all(axis=(1, 2)).tolist() == [True, True, False, False, True, True]
        assert [bool(text) for text in written["error"]] == [True, True, False, False, True, True]
    write_outputs(tmp_path / "none.npz", [refused], FREE, with_errors=True)
    other = Outputs({"map": np.ones((1, 4, 2), "f4"), "k": np.arange(1)})
    with pytest.raises(OutputFileError, match=r"rows of shape \(3, 2\) and \(4, 2\) make no one array; write .parquet"):
        write_outputs(tmp_path / "out.npz", [refused, answered(2), other], FREE, with_errors=True)


@pytest.mark.parametrize(
    ("dtype", "shape", "values", "words"),
    [
        ("complex64", ("N", 2), np.zeros((1, 2), "c8"), "output map: Parquet has no complex64; write .npz"),
        ("float32", ("N", 0), np.zeros((1, 0), "f4"), r"output map: rows of shape \(0,\) have no values; write .npz"),
        (
            "int8", ("N", "map.1"), np.broadcast_to(np.int8(0), (60_000, 40_000)),
            r"2400000000 values are too many for one batch of Parquet; give fewer rows at a time \(--batch\)",
        ),
    ],
    ids=["complex numbers", "no values", "more than lists can count"],
)  # fmt: skip
def test_an_output_that_parquet_cannot_hold_is_named(
    tmp_path: Path, dtype: str, shape: Any, values: Any, words: str
) -> None:
    with pytest.raises(OutputFileError, match=words):
        write_outputs(
            tmp_path / "out.parquet", [Outputs({"map": values})], [Output("map", dtype, shape, 0.0, 0.0, 0.0)]
        )
    assert list(tmp_path.iterdir()) == []


def test_a_bit_that_flips_in_what_was_written_is_found(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).normal(size=(1000, 2)).astype("f4")
    write_outputs(tmp_path / "out.parquet", [Outputs({"scores": scores}, np.arange(1000))], DECLARED)
    content = bytearray((tmp_path / "out.parquet").read_bytes())
    content[-4000] ^= 1
    (tmp_path / "out.parquet").write_bytes(content)
    with pytest.raises(OSError, match="CRC checksum verification failed"):
        pq.read_table(tmp_path / "out.parquet", page_checksum_verification=True)


# --- the place where it is written ---------------------------------------------------------------------------------


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A folder of two files of features."""
    (tmp_path / "night").mkdir()
    for name in "ab":
        features = pa.array([row.tolist() for row in forging.features(2)["data"]["features"]], pa.list_(pa.float32()))
        pq.write_table(pa.table({"features": features}), tmp_path / "night" / f"{name}.parquet")
    return tmp_path / "night"


@pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link", "the bundle"])
def test_a_file_that_is_read_is_not_written_over(
    features_bundle: Path, night: Path, pin: Pin, capsys: Any, way: str
) -> None:
    read = night / "b.parquet"
    out = {"itself": read, "the bundle": night.with_name("m.npz")}.get(way, night.with_name("out.parquet"))
    bundle = features_bundle
    if way == "symbolic link":
        out.symlink_to(read)
    elif way == "hard link":
        out.hardlink_to(read)
    elif way == "the bundle":
        bundle = night.with_name("m.hyrax")
        bundle.write_bytes(features_bundle.read_bytes())
        out.symlink_to(bundle)
    before = out.read_bytes()
    assert main(["predict", str(bundle), str(night), "-o", str(out), "--trust", pin(bundle)]) == 2
    assert "give the outputs another name" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_a_file_that_may_not_be_written_to_stays(tmp_path: Path) -> None:
    (tmp_path / "out.npz").write_bytes(b"the old one")
    (tmp_path / "out.npz").chmod(0o400)
    with pytest.raises(OutputFileError, match="is there already and read-only; make it writable, or give another name"):
        write_outputs(tmp_path / "out.npz", [batch([1])], DECLARED)
    assert (tmp_path / "out.npz").read_bytes() == b"the old one"


@pytest.mark.skipif(os.name == "nt", reason="needs links, pipes and names of 255 bytes")
def test_a_place_that_cannot_be_is_said(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "loop.npz").symlink_to(tmp_path / "loop.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    long = "n" * 300 + ".npz"
    for name, words in {
        "loop.npz": "symbolic links",
        long: "File name too long",
        "pipe.npz": "no regular file",
    }.items():
        with pytest.raises(OutputFileError, match=words):
            write_outputs(tmp_path / name, [batch([1])], DECLARED)
    contract = InputContract((forging.field("data/x"),), "independent")
    for name, words in (("loop.npz", "symbolic links"), (long, "name too long")):
        with pytest.raises(DataFileError, match=words):
            open_rows(tmp_path / name, contract)
    assert main(["predict", "nowhere.hyrax", str(tmp_path / long), "-o", str(tmp_path / long)]) == 1


@pytest.mark.parametrize("letter", ["n", "é"])
def test_a_name_as_long_as_a_name_may_be_is_written(tmp_path: Path, letter: str) -> None:
    name = letter * (250 // len(letter.encode())) + ".npz"
    write_outputs(tmp_path / name, [batch([1])], DECLARED)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_an_encoding_lacks_is_shown_escaped(tmp_path: Path, pin: Pin) -> None:
    contract = InputContract((forging.field("data/features", shape=(10,), unit="µJy"),), "independent")
    bundle = forging.forge(
        tmp_path / "b.hyrax", contract, forging.FEATURES_TEXT, forging.dense(10), forging.features(8)
    )
    np.savez(tmp_path / "rows.npz", features=np.stack(forging.features(2)["data"]["features"]))
    program = [sys.executable, "-c", "import sys; from hyrax_runtime.cli import main; sys.exit(main())"]
    line = ["predict", str(bundle), str(tmp_path / "rows.npz"), "-o", "é.npz", "--trust", pin(bundle)]
    for words, shown in ((["inspect", str(bundle)], "\\xb5Jy"), (line, "\\xe9.npz: 2 rows")):
        ran = subprocess.run(
            [*program, *words],
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "") and shown in ran.stdout
    assert (tmp_path / "é.npz").exists()
