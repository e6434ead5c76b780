"""Who may let a bundle's Python run, and what a refusal says."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pytest
from hyrax_runtime.bundle import Bundle, open_bundle
from hyrax_runtime.cli import main
from hyrax_runtime.errors import PinError, TrustError, TrustStoreError, UntrustedError, UsageError
from hyrax_runtime.trust import Pin, require_trust
from hyrax_runtime.trust_store import TrustStore, record_trust

from tests.runtime.file.forge import SOURCE, Forge

SHA256 = hashlib.sha256(SOURCE.encode()).hexdigest()
OTHER = "sha256:" + "0" * 64


def code_free(path: Path) -> Path:
    path.write_bytes(Forge().free_of_code().data())
    return path


def test_a_bundle_that_nobody_allowed_is_refused_with_its_digest_and_two_ways_out(bundle_file: Path) -> None:
    with open_bundle(bundle_file) as bundle, pytest.raises(UntrustedError) as caught:
        require_trust(bundle)
    first, look, pin = str(caught.value).splitlines()
    assert first.endswith(f"holds Python that nobody here has allowed to run (to_tensor.py, sha256 {SHA256})")
    assert look.endswith(f"hyrax-run trust {bundle_file}")
    assert pin.endswith(f"hyrax-run verify {bundle_file} --trust {bundle.id}")


def test_a_recorded_source_may_run_in_every_bundle_that_carries_it(bundle_file: Path, tmp_path: Path) -> None:
    record_trust(SHA256, "exported here")
    retrained = Forge()
    retrained.plain["provenance"]["seed"] = 8
    (tmp_path / "retrained.hyrax").write_bytes(retrained.data())
    for path in (bundle_file, tmp_path / "retrained.hyrax"):
        with open_bundle(path) as bundle:
            require_trust(bundle)


def test_another_source_under_the_same_name_may_not_run(bundle_file: Path) -> None:
    record_trust(SHA256, "exported here")
    bundle_file.write_bytes(Forge().put("to_tensor.py", SOURCE.replace("float32", "float64").encode()).data())
    with open_bundle(bundle_file) as bundle, pytest.raises(UntrustedError):
        require_trust(bundle)


def test_what_was_taken_back_may_run_no_longer(bundle_file: Path) -> None:
    record_trust(SHA256, "exported here")
    assert TrustStore().revoke(SHA256)
    assert not TrustStore().revoke(SHA256)
    with open_bundle(bundle_file) as bundle, pytest.raises(UntrustedError):
        require_trust(bundle)


def test_a_bundle_without_python_needs_no_permission(tmp_path: Path) -> None:
    with open_bundle(code_free(tmp_path / "free.hyrax")) as bundle:
        require_trust(bundle)


def test_python_that_will_not_run_needs_no_permission(bundle_file: Path) -> None:
    with open_bundle(bundle_file) as bundle:
        require_trust(bundle, runs_python=False)


def test_a_pin_allows_the_very_file_and_no_other(bundle_file: Path, tmp_path: Path) -> None:
    with open_bundle(bundle_file) as bundle:
        require_trust(bundle, bundle.id)
        require_trust(bundle, Pin(bundle.id))
        with pytest.raises(PinError, match=rf"is {bundle.id}; pinned is {OTHER}"):
            require_trust(bundle, OTHER)


def test_a_pin_is_held_to_although_the_source_is_trusted_or_absent(bundle_file: Path, tmp_path: Path) -> None:
    record_trust(SHA256, "exported here")
    with open_bundle(bundle_file) as bundle, pytest.raises(PinError):
        require_trust(bundle, OTHER)
    with open_bundle(code_free(tmp_path / "free.hyrax")) as bundle, pytest.raises(PinError):
        require_trust(bundle, Pin(OTHER), runs_python=False)


@pytest.mark.parametrize(
    "trust",
    [
        True,
        False,
        1,
        "yes",
        "",
        "*",
        "sha256:*",
        SHA256,
        "SHA256:" + SHA256,
        OTHER + "\n",
        OTHER[:-1],
        Pin,
        b"sha256:",
        [],
    ],
    ids=lambda trust: f"{trust!r:.20}",
)
def test_nothing_that_merely_sounds_like_consent_is_one(bundle_file: Path, trust: object) -> None:
    with open_bundle(bundle_file) as bundle, pytest.raises(UsageError, match="expected"):
        require_trust(bundle, trust)  # type: ignore[arg-type]


def test_a_policy_of_ones_own_decides(bundle_file: Path) -> None:
    class OnlyOnSundays:
        def require(self, bundle: Bundle) -> None:
            raise TrustError(f"{bundle.path}: not today")

    with open_bundle(bundle_file) as bundle, pytest.raises(TrustError, match="not today"):
        require_trust(bundle, OnlyOnSundays())


def test_neither_the_environment_nor_the_manifest_can_allow_anything(
    forge: Forge, bundle_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HYRAX_TRUST", "HYRAX_RUN_TRUST", "TRUST", "HYRAX_TRUST_ALL", "TRUST_REMOTE_CODE"):
        monkeypatch.setenv(name, "1")
    forge.plain["x-trust"] = True
    forge.plain["provenance"]["trusted"] = SHA256
    bundle_file.write_bytes(forge.data())
    with open_bundle(bundle_file) as bundle, pytest.raises(UntrustedError):
        require_trust(bundle)


def test_a_store_beside_the_bundle_or_in_the_current_folder_is_not_read(
    bundle_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TrustStore(bundle_file.parent / "trust.toml")
    store.add(SHA256, "planted")
    (bundle_file.parent / "hyrax").mkdir()
    TrustStore(bundle_file.parent / "hyrax" / "trust.toml").add(SHA256, "planted")
    monkeypatch.chdir(bundle_file.parent)
    monkeypatch.setenv("XDG_DATA_HOME", ".")
    monkeypatch.setenv("HOME", str(bundle_file.parent / "home"))
    with open_bundle(bundle_file) as bundle, pytest.raises(UntrustedError):
        require_trust(bundle)


def test_malicious_python_leaves_no_mark_when_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = f"open({str(tmp_path / 'MARK')!r}, 'w').close()"
    source = f"def to_tensor(data_dict):\n    {mark}\n    import nowhere_to_be_found\n"
    path = tmp_path / "malicious.hyrax"
    path.write_bytes(Forge().put("to_tensor.py", source.encode()).data())
    with open_bundle(path) as bundle:
        assert bundle.source == source
        bundle.weights()
        with pytest.raises(UntrustedError):
            require_trust(bundle)
    for arguments in (["inspect", str(path)], ["inspect", str(path), "--json"], ["trust", str(path)]):
        main(arguments)
    main(["unpack", str(path), str(tmp_path / "unpacked")])
    main(["verify", str(path)])
    capsys.readouterr()
    assert not (tmp_path / "MARK").exists()
    assert "nowhere_to_be_found" not in sys.modules


# the store


def test_the_store_keeps_origin_and_time_and_is_private() -> None:
    store = TrustStore()
    store.add(SHA256, 'a "quoted" \\ name\n\x7f with \N{SNOWMAN}')
    (row,) = store.rows()
    assert (row.sha256, row.origin) == (SHA256, 'a "quoted" \\ name\n\x7f with \N{SNOWMAN}')
    assert row.recorded.tzinfo is not None
    if sys.platform != "win32":
        assert store.path.stat().st_mode & 0o777 == 0o600
        assert store.path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="file modes do not say who may write there")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_store_that_others_may_write_to_is_not_believed(what: str) -> None:
    store = TrustStore()
    store.add(SHA256, "here")
    target = store.path if what == "file" else store.path.parent
    target.chmod(0o777 if what == "folder" else 0o666)
    with pytest.raises(
        TrustStoreError, match=f"others may write to it, so it is not believed; run: chmod go-w {target}"
    ):
        store.rows()


@pytest.mark.parametrize(
    "text",
    [b"sources = 3", b"[sources.abc]\norigin='x'", b"[[", b"\xff", b"[sources.%s]\norigin=1" % SHA256.encode()],
    ids=["no table", "no digest", "no TOML", "no text", "no origin"],
)
def test_a_broken_store_allows_nothing_and_says_where_it_is(bundle_file: Path, text: bytes) -> None:
    store = TrustStore()
    store.add(SHA256, "here")
    store.path.write_bytes(text)
    with open_bundle(bundle_file) as bundle, pytest.raises(TrustStoreError, match=r"trust\.toml: .*mend or remove it"):
        require_trust(bundle)


def test_a_store_that_cannot_be_written_says_so(own_home: Path) -> None:
    (own_home / "data").write_text("a file where a folder should be")
    with pytest.raises(TrustStoreError, match="cannot be written"):
        record_trust(SHA256, "here")


@pytest.mark.skipif(sys.platform == "win32", reason="users stand in no passwd there")
def test_a_user_without_a_home_folder_can_pin_and_is_told_why_nothing_else_helps(
    bundle_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_entry(user: int) -> object:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr("pwd.getpwuid", no_entry)  # a container's user
    with open_bundle(bundle_file) as bundle:
        require_trust(bundle, bundle.id)
        with pytest.raises(TrustStoreError, match=r"set HOME or XDG_DATA_HOME, or pin the bundle"):
            require_trust(bundle)


def test_processes_that_record_at_once_all_leave_their_entry() -> None:
    code = """
import sys
from hyrax_runtime.trust_store import record_trust
for number in range(int(sys.argv[1]), int(sys.argv[1]) + 8):
    record_trust(f"{number:064x}", "at once")
"""
    running = [subprocess.Popen([sys.executable, "-c", code, str(8 * one)]) for one in range(4)]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    assert [row.sha256 for row in TrustStore().rows()] == [f"{number:064x}" for number in range(32)]


# the command


def test_the_command_shows_the_text_with_line_numbers_and_what_it_imports(
    bundle_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trust", str(bundle_file), "--yes"]) == 0
    out = capsys.readouterr().out
    assert SHA256 in out
    assert "2      import numpy as np" in out
    assert "imports: numpy (line 2)" in out
    assert SHA256 in TrustStore()


def test_the_command_records_nothing_when_there_is_nobody_to_ask(
    bundle_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["trust", str(bundle_file)]) == 1
    assert "give --yes to allow it" in capsys.readouterr().err
    assert TrustStore().rows() == ()


@pytest.mark.parametrize(
    ("answer", "allowed"), [("y\n", True), ("yes\n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_the_command_does_what_the_person_answers(
    bundle_file: Path, monkeypatch: pytest.MonkeyPatch, answer: str, allowed: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["trust", str(bundle_file)]) == (0 if allowed else 1)
    assert (SHA256 in TrustStore()) is allowed


def test_the_command_lists_and_takes_back(bundle_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_trust(SHA256, "a.hyrax")
    record_trust("f" * 64, "b.hyrax")
    assert main(["trust", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == sorted([SHA256, "f" * 64])
    assert main(["trust", "--revoke", "f" * 8]) == 0
    assert main(["trust", "--revoke", str(bundle_file)]) == 0
    assert TrustStore().rows() == ()
    assert main(["trust", "--revoke", "f" * 64]) == 1
    assert "was not allowed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--list", "--revoke", "a" * 64],
        ["x.hyrax", "--list"],
        ["--yes", "--list"],
        ["x.hyrax", "--json"],
        ["--revoke", "abc"],
    ],
    ids=" ".join,
)
def test_the_command_refuses_what_makes_no_sense_together(arguments: list[str]) -> None:
    assert main(["trust", *arguments]) == 2


def test_text_that_would_steer_a_terminal_is_shown_as_escapes(
    bundle_file: Path, forge: Forge, capsys: pytest.CaptureFixture[str]
) -> None:
    forge.plain["outputs"][0]["classes"] = ["star\x1b[2J", "\u202egalaxy", "quasar"]
    forge.plain["contract"]["fields"][0]["description"] = "flux\r\nbundle     sha256:0"
    bundle_file.write_bytes(forge.data())
    assert main(["inspect", str(bundle_file)]) == 0
    out = capsys.readouterr().out
    assert "star\\x1b[2J, \\u202egalaxy, quasar" in out
    assert "flux\\r\\nbundle" in out
    assert "\x1b" not in out
