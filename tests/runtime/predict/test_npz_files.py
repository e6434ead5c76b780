"""`.npz` files in and out, and the two commands that use them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.cli import COMMANDS, main
from hyrax_runtime.contract import InputContract
from hyrax_runtime.errors import BatchError, DataFileError, OutputFileError, UsageError
from hyrax_runtime.files import open_rows, write_outputs
from hyrax_runtime.outputs import Outputs
from hyrax_runtime.progress import Progress

from tests.runtime.predict import forging

Pin = Callable[[Path], str]


@pytest.fixture
def contract() -> InputContract:
    field = forging.field
    fields = (field("survey/image", shape=(2, 2)), field("survey/mag"), field("sky/mag"), field("sky/dec", read=False))
    return InputContract(fields, "independent")


def rows_file(path: Path, **changes: Any) -> Path:
    arrays = {
        "image": np.arange(20, dtype="f4").reshape(5, 2, 2),
        "survey/mag": np.arange(5, dtype="f4"),
        "sky/mag": np.arange(5, dtype="f4") * 2,
        "object_id": np.array(list("abcde")),
    }
    np.savez(path, **{name: array for name, array in (arrays | changes).items() if array is not None})
    return path


def test_arrays_are_found_by_their_short_or_their_full_name(tmp_path: Path, contract: InputContract) -> None:
    rows = open_rows(rows_file(tmp_path / "rows.npz"), contract)
    batches = list(rows.batches(2))
    assert rows.rows == 5 and [len(batch["object_id"]) for batch in batches] == [2, 2, 1]
    assert batches[1]["survey"]["image"].tolist() == [[[8, 9], [10, 11]], [[12, 13], [14, 15]]]
    assert batches[2]["sky"]["mag"].tolist() == [8] and batches[2]["object_id"].tolist() == ["e"]


@pytest.mark.parametrize("column", ["survey/ivar", "ivar"])
def test_a_column_that_was_asked_for_and_not_there_is_refused(
    tmp_path: Path, contract: InputContract, column: str
) -> None:
    asking = replace(contract, asked_absent=("survey/ivar", "spectra"))
    open_rows(rows_file(tmp_path / "rows.npz"), asking)
    path = rows_file(tmp_path / "more.npz", **{column: np.ones(5), "spectra/x": np.ones(5)})
    with pytest.raises(DataFileError) as caught:
        open_rows(path, asking)
    assert "survey/ivar: to_tensor asks for this, and it was not there" in str(caught.value)
    assert "spectra: to_tensor asks for this" in str(caught.value)


def test_a_name_in_other_code_points_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", **{"e\u0301 Leonis": np.ones(5, "f4")})
    contract = InputContract((forging.field("data/\u00e9 Leonis"),), "independent")
    with pytest.raises(DataFileError) as caught:
        open_rows(tmp_path / "rows.npz", contract)
    assert r"by other code points: rename 'e\u0301 Leonis' to '\xe9 Leonis'" in str(caught.value)


def test_ids_stand_where_one_is_told(tmp_path: Path, contract: InputContract) -> None:
    path = rows_file(tmp_path / "rows.npz", source=np.arange(5))
    (batch,) = open_rows(path, contract, ids="source").batches(5)
    assert batch["object_id"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("column", ["candid", "survey/candid"])
def test_ids_are_of_the_kind_that_training_used(tmp_path: Path, contract: InputContract, column: str) -> None:
    """A file may hold an alert's id and its object's: results beside the wrong one look right."""
    contract = replace(contract, id_field="survey/candid")
    path = rows_file(tmp_path / "rows.npz", **{column: np.arange(5) + 700})
    (batch,) = open_rows(path, contract).batches(5)
    assert batch["object_id"].tolist() == [700, 701, 702, 703, 704]
    (batch,) = open_rows(rows_file(tmp_path / "rows.npz"), contract).batches(5)
    assert batch["object_id"].tolist() == list("abcde")


def test_ids_of_a_data_set_count_where_none_stand_beside(tmp_path: Path, contract: InputContract) -> None:
    inside = {"object_id": None, "sky/object_id": np.arange(5)}
    (batch,) = open_rows(rows_file(tmp_path / "rows.npz", **inside), contract).batches(5)
    assert batch["object_id"].tolist() == [0, 1, 2, 3, 4]
    both = rows_file(tmp_path / "both.npz", **inside, **{"survey/object_id": np.arange(5) + 70})
    with pytest.raises(DataFileError, match=r"ids: stand in the file as 'survey/object_id' and as 'sky/object_id'"):
        open_rows(both, contract)
    (batch,) = open_rows(both, contract, ids="survey/object_id").batches(5)
    assert batch["object_id"].tolist() == [70, 71, 72, 73, 74]


def test_a_file_of_no_rows_gives_outputs_of_no_rows(
    features_bundle: Path, tmp_path: Path, pin: Pin, capsys: Any
) -> None:
    np.savez(tmp_path / "none.npz", features=np.empty((0, 10), "f4"), object_id=np.empty(0, "i8"))
    line = ["predict", str(features_bundle), str(tmp_path / "none.npz"), "-o", str(tmp_path / "out.npz")]
    assert main([*line, "--trust", pin(features_bundle)]) == 0
    with np.load(tmp_path / "out.npz") as written:
        assert {name: (array.shape, array.dtype.name) for name, array in written.items()} == {
            "object_id": ((0,), "int64"), "scores": ((0, 3), "float32"), "best": ((0,), "int64"),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"image": None, "imge": np.ones(5)}, "'image'; did you mean 'imge'?", id="misspelt"),
        pytest.param({"survey/mag": None, "mag": np.ones(5)}, "no column 'survey/mag'", id="short name of two fields"),
        pytest.param({"survey/image": np.ones((5, 2, 2))}, "as 'image' and as 'survey/image'", id="two names of one"),
        pytest.param({"image": np.ones((4, 2, 2), "f4")}, "differ in their number of rows", id="row counts"),
        pytest.param({"image": np.array(1.0)}, "a single value", id="no rows"),
        pytest.param({"image": np.array([None] * 5)}, "without running pickle", id="objects"),
    ],
)  # fmt: skip
def test_a_file_that_lacks_something_says_what(
    tmp_path: Path, contract: InputContract, changes: Any, words: str
) -> None:
    with pytest.raises(DataFileError) as caught:
        open_rows(rows_file(tmp_path / "rows.npz", **changes), contract)
    assert words in str(caught.value) and "rows.npz" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 but no archive"], ids=["empty", "text", "half a zip"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, contract: InputContract, content: bytes) -> None:
    (tmp_path / "rows.npz").write_bytes(content)
    with pytest.raises(DataFileError, match=r"rows\.npz"):
        open_rows(tmp_path / "rows.npz", contract)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, contract: InputContract) -> None:
    with pytest.raises(DataFileError, match="No such file"):
        open_rows(tmp_path / "nowhere.npz", contract)
    with pytest.raises(DataFileError, match="ids: no column 'name'"):
        open_rows(rows_file(tmp_path / "rows.npz"), contract, ids="name")


def plain_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()


def flags(first: int, second: int, value: int) -> Callable[[bytearray], None]:
    """Change a member's own header, and what the list at the end of the file says of it."""

    def change(content: bytearray) -> None:
        content[first] = value
        content[content.rindex(b"PK\x01\x02") + second] = value

    return change


@pytest.mark.parametrize(
    ("member", "change", "words"),
    [
        pytest.param(b"12 stars", None, "'mag' is no array of numpy", id="a text"),
        pytest.param(plain_header((9 * 10**12,)), None, "does not fit into memory", id="more than there is memory"),
        pytest.param(plain_header((-1,)), None, "as it stands there", id="less than nothing"),
        pytest.param(plain_header((0,)), flags(6, 8, 1), "is encrypted", id="a password"),
        pytest.param(plain_header((0,)), flags(8, 10, 9), "compression method", id="an unknown compression"),
    ],
)
def test_a_member_that_is_no_array_is_named(tmp_path: Path, member: bytes, change: Any, words: str) -> None:
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as archive:
        archive.writestr("mag.npy", member)
    content = bytearray((tmp_path / "rows.npz").read_bytes())
    if change:
        change(content)
    (tmp_path / "rows.npz").write_bytes(content)
    with pytest.raises(DataFileError, match=words):
        open_rows(tmp_path / "rows.npz", InputContract((forging.field("sky/mag"),), "independent"))


def outputs(start: int, rows: int) -> Outputs:
    numbers = np.arange(start, start + rows)
    return Outputs(
        {"file": numbers.astype("f4"), "vector": np.stack([numbers, numbers], 1)}, [f"id{n}" for n in numbers]
    )


def test_outputs_are_written_in_order_beside_their_ids(tmp_path: Path) -> None:
    rows = write_outputs(tmp_path / "out.npz", iter([outputs(0, 3), outputs(3, 2)]), ())
    assert rows == 5
    with np.load(tmp_path / "out.npz") as written:
        assert written.files == ["object_id", "file", "vector"]
        assert written["object_id"].tolist() == ["id0", "id1", "id2", "id3", "id4"]
        assert written["vector"][:, 1].tolist() == [0, 1, 2, 3, 4]


def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "out.npz").write_bytes(b"the old one")

    def broken() -> Any:
        yield outputs(0, 2)
        raise DataFileError("the rows ended")

    with pytest.raises(DataFileError):
        write_outputs(tmp_path / "out.npz", broken(), ())
    assert (tmp_path / "out.npz").read_bytes() == b"the old one"
    assert [left.name for left in tmp_path.iterdir()] == ["out.npz"]


def test_an_old_file_keeps_its_permissions_and_a_link_goes_on_pointing(tmp_path: Path) -> None:
    (tmp_path / "real.npz").write_bytes(b"old")
    (tmp_path / "real.npz").chmod(0o600)
    (tmp_path / "out.npz").symlink_to(tmp_path / "real.npz")
    write_outputs(tmp_path / "out.npz", [outputs(0, 2)], ())
    assert (tmp_path / "out.npz").is_symlink() and (tmp_path / "real.npz").stat().st_mode & 0o777 == 0o600
    with np.load(tmp_path / "real.npz") as written:
        assert len(written["file"]) == 2


def test_what_is_no_file_is_refused_at_once(tmp_path: Path, contract: InputContract) -> None:
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(OutputFileError, match="is a folder; give a file name"):
        write_outputs(tmp_path / "folder.npz", [outputs(0, 2)], ())
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DataFileError, match="is no regular file"):
        open_rows(tmp_path / "pipe.npz", contract)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_full_disk_is_said_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hyrax_runtime import files

    def on_full_disk(self: Any) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    monkeypatch.setattr(files.NpzOutputs, "close", on_full_disk)
    with pytest.raises(OutputFileError, match="No space left on device"):
        write_outputs(tmp_path / "out.npz", [outputs(0, 2)], ())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["a", None, "c"], "1 of 3 rows have none"),
        (["a", b"b", 3.5, {}], "not all of one type"),
        ([b"uuid\0", b"uuid1"], "ends in a zero byte"),
        (["a\0", "b"], "ends in a zero byte"),
    ],
)
def test_ids_that_no_array_can_hold_are_refused(tmp_path: Path, ids: list[Any], words: str) -> None:
    batch = Outputs({"scores": np.zeros((len(ids), 2), "f4")}, ids)
    with pytest.raises(OutputFileError, match=words):
        write_outputs(tmp_path / "out.npz", [batch], ())
    assert list(tmp_path.iterdir()) == []


def test_an_output_needs_a_known_ending_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.npz or \.parquet"):
        write_outputs(tmp_path / "out.csv", [], ())
    with pytest.raises(OutputFileError, match="No such file"):
        write_outputs(tmp_path / "nowhere" / "out.npz", [outputs(0, 1)], ())


# --- commands ------------------------------------------------------------------------------------------------------


@pytest.fixture
def features_file(tmp_path: Path) -> Path:
    values = np.stack(forging.features(50)["data"]["features"])
    np.savez(tmp_path / "rows.npz", features=values, object_id=np.arange(50) + 1000)
    return tmp_path / "rows.npz"


def test_predict_writes_what_the_predictor_computes(
    features_bundle: Path, features_file: Path, pin: Pin, capsys: Any
) -> None:
    out = features_file.with_name("out.npz")
    trust = pin(features_bundle)
    line = ["predict", str(features_bundle), str(features_file), "-o", str(out), "--trust", trust, "--batch", "7"]
    assert main(line) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}: 50 rows of scores float32 (N, 3), best int64 (N)\n"
    assert said.err == ""  # no progress where nobody looks
    import hyrax_runtime as hr

    wanted = hr.load(features_bundle, trust=trust).predict(forging.features(50))
    with np.load(out) as written:
        np.testing.assert_allclose(written["scores"], wanted["scores"], rtol=1e-6, atol=1e-6)
        assert written["object_id"].tolist() == list(range(1000, 1050))
    assert main([*line, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 50


def test_a_bad_row_is_numbered_as_the_file_numbers_it(
    lookup_bundle: Path, tmp_path: Path, pin: Pin, capsys: Any
) -> None:
    np.savez(tmp_path / "rows.npz", index=np.array([1, 2, 3, 99, 5]))
    line = ["predict", str(lookup_bundle), str(tmp_path / "rows.npz"), "--trust", pin(lookup_bundle), "--batch", "2"]
    assert main([*line, "-o", str(tmp_path / "out.npz")]) == 1
    said = capsys.readouterr().err
    assert "one of the rows 2 to 3: CPUExecutionProvider failed" in said and "--on-error mask finds the row" in said
    assert not (tmp_path / "out.npz").exists()
    assert main([*line, "-o", str(tmp_path / "out.npz"), "--on-error", "mask"]) == 0
    with np.load(tmp_path / "out.npz") as written:
        np.testing.assert_array_equal(written["value"], [0.5, 1.0, 1.5, np.nan, 2.5])
        assert [bool(text) for text in written["error"]] == [False, False, False, True, False]
    assert "1 rows are refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        pytest.param({"DATA": "nowhere.npz"}, 1, "nowhere.npz", id="no data"),
        pytest.param({"DATA": ""}, 2, "DATA is empty", id="an unset variable for data"),
        pytest.param({"-o": "rows.npz"}, 2, "is the input itself", id="output over input"),
        pytest.param({"-o": "out.txt"}, 2, "out.txt", id="unknown ending"),
        pytest.param({"--batch": "0"}, 2, "--batch 0", id="batch of none"),
        pytest.param({"--device": "cuda"}, 1, "CUDAExecutionProvider", id="no such device"),
        pytest.param({"--device": "gpu"}, 2, "did you mean 'cuda'", id="unknown device"),
        pytest.param({"--trust": "sha256:" + "0" * 64}, 1, "pinned", id="another pin"),
        pytest.param({"--python": "never"}, 1, "travels as Python only", id="no lowered form"),
    ],
)
def test_a_mistake_gets_one_line_and_its_exit_code(
    features_bundle: Path,
    features_file: Path,
    pin: Pin,
    capsys: Any,
    monkeypatch: Any,
    changes: Any,
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(features_file.parent)
    given = {"DATA": "rows.npz", "-o": "out.npz", "--trust": pin(features_bundle)} | changes
    data = given.pop("DATA")
    line = ["predict", str(features_bundle), data, *(word for pair in given.items() for word in pair)]
    assert main(line) == code
    said = capsys.readouterr()
    assert said.out == "" and words in said.err and len(said.err.splitlines()) == 1
    assert not Path("out.npz").exists()


def test_a_wrong_column_is_named_with_its_file_and_cure(
    features_bundle: Path, tmp_path: Path, pin: Pin, capsys: Any
) -> None:
    np.savez(tmp_path / "wide.npz", features=np.ones((3, 10)))
    line = ["predict", str(features_bundle), str(tmp_path / "wide.npz"), "-o", str(tmp_path / "o.npz")]
    assert main([*line, "--trust", pin(features_bundle)]) == 1
    said = capsys.readouterr().err
    assert "wide.npz: input: data/features: dtype float64 where float32 is recorded" in said
    assert ".astype('float32')" in said


def test_joint_rows_are_one_batch_whatever_their_number(joint_bundle: Path, tmp_path: Path, pin: Pin) -> None:
    from hyrax_runtime.commands.predict import batch_rows

    joint, independent = forging.sources_contract("joint"), forging.sources_contract()
    assert batch_rows(joint, 5000, None) == 5000
    with pytest.raises(BatchError, match="all 5000 are one batch"):
        batch_rows(joint, 5000, 100)
    assert batch_rows(independent, 5000, None) == 1024
    image = InputContract((forging.field("data/image", shape=(3, 1024, 1024)),), "independent")
    assert batch_rows(image, 5000, None) == 1


def test_verify_prints_a_table_and_passes(features_bundle: Path, pin: Pin, capsys: Any) -> None:
    assert main(["verify", str(features_bundle), "--trust", pin(features_bundle)]) == 0
    said = capsys.readouterr().out
    for words in ("every digest right", "to_tensor  x", "graph", "device", "proven", "passed: this machine computes"):
        assert words in said
    assert main(["verify", str(features_bundle), "--trust", pin(features_bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True


def test_verify_of_a_drifting_bundle_fails_and_names_the_stage(tmp_path: Path, pin: Pin, capsys: Any) -> None:
    def drift(parts: dict[str, Any]) -> None:
        parts["outputs"]["best"] = (parts["outputs"]["best"] + 1) % 3

    arguments = (forging.sources_contract(), forging.SOURCES_TEXT, forging.dense(6), forging.sources(8))
    path = forging.forge(tmp_path / "drift.hyrax", *arguments, change=drift)
    assert main(["verify", str(path), "--trust", pin(path)]) == 1
    said = capsys.readouterr().out
    assert "DRIFTS" in said and "FAILED: the first stage that drifts is graph" in said


def test_verify_of_a_flipped_weight_fails(features_bundle: Path, tmp_path: Path, pin: Pin, capsys: Any) -> None:
    from hyrax_runtime.bundle import open_bundle

    trust = pin(features_bundle)
    with open_bundle(features_bundle) as bundle:
        weights = bytes(bundle.weights() or b"")
    content = bytearray(features_bundle.read_bytes())
    content[content.rindex(weights)] ^= 1
    (tmp_path / "flipped.hyrax").write_bytes(content)
    assert main(["verify", str(tmp_path / "flipped.hyrax"), "--trust", trust]) == 1
    assert "weights.bin" in capsys.readouterr().err


def test_an_untrusted_bundle_is_refused_with_what_would_help(features_bundle: Path, capsys: Any) -> None:
    assert main(["verify", str(features_bundle)]) == 1
    assert "hyrax-run trust" in capsys.readouterr().err


def test_help_names_every_command_and_wrong_words_are_wrong_usage(capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)
    assert main([]) == 2
    with pytest.raises(SystemExit) as caught:
        main(["perdict"])
    assert caught.value.code == 2
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0 and "hyrax-run " in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_results_that_cannot_be_written_are_an_error_in_one_line(features_bundle: Path) -> None:
    command = [sys.executable, "-c", "import sys; from hyrax_runtime.cli import main; sys.exit(main())", "inspect"]
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run([*command, str(features_bundle)], stdout=full, stderr=subprocess.PIPE, check=False)
    assert ran.returncode == 1
    assert ran.stderr.decode().splitlines() == [
        "hyrax-run: the results cannot be written to stdout: No space left on device"
    ]


@pytest.mark.skipif(os.name == "nt", reason="a shell closes the streams")
@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("inspect {bundle} >&-", 0, ""),
        ("verify {bundle} --trust {pin} >&-", 0, ""),
        ("predict {bundle} {rows} -o {out} --trust {pin} 2>&-", 0, "50 rows of scores"),
        ("predict {bundle} nowhere.npz -o {out} --trust {pin} 2>&-", 1, ""),
        ("trust {bundle} <&- >/dev/null", 1, "nobody to ask"),
    ],
)
def test_a_stream_that_the_caller_closed_is_no_traceback_and_no_talk_among_results(
    features_bundle: Path, features_file: Path, pin: Pin, command: str, code: int, words: str
) -> None:
    program = f"{sys.executable} -c 'import sys; from hyrax_runtime.cli import main; sys.exit(main())' "
    named = {"bundle": features_bundle, "pin": pin(features_bundle), "rows": features_file}
    line = program + command.format(out=features_file.with_name("out.npz"), **named)
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert ran.returncode == code
    assert words in ran.stdout + ran.stderr and (words or ran.stdout + ran.stderr == "")
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_a_program_that_is_told_to_end_leaves_no_half_written_file(
    features_bundle: Path, features_file: Path, pin: Pin
) -> None:
    code = (
        "import os, signal, sys\nfrom hyrax_runtime import files\nfrom hyrax_runtime.cli import main\n"
        "files.NpzOutputs.write = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\nsys.exit(main())\n"
    )
    words = ["predict", features_bundle, features_file, "-o", features_file.with_name("o.npz"), "--trust"]
    ran = subprocess.run([sys.executable, "-c", code, *words, pin(features_bundle)], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (143, b"", b"")
    assert [path.name for path in features_file.parent.iterdir() if "o.npz" in path.name] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert f"hyrax-run {name}" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_with_rows_and_rate_and_is_cleared() -> None:
    now = [0.0]
    stream = Terminal()
    progress = Progress(2000, stream, clock=lambda: now[0])
    for _ in range(4):
        now[0] += 0.5
        progress.add(500)
    assert "1,000/2,000 rows  1,000 rows/s  1 s left" in stream.getvalue()
    progress.close()
    assert stream.getvalue().endswith("\r\x1b[K") and "\n" not in stream.getvalue()


def test_progress_is_silent_where_nobody_looks() -> None:
    stream = io.StringIO()
    progress = Progress(10, stream)
    progress.add(10)
    progress.close()
    assert stream.getvalue() == ""
