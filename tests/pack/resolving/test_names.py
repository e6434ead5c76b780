"""What a name in the configuration means."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hyrax_pack.errors import ResolveError
from hyrax_pack.resolving import load_class_file, register_class, resolve_class, resolve_function

Write = Callable[[str, str], Path]


def test_a_class_file_by_path_starts_at_the_folder_of_the_configuration(write: Write, tmp_path: Path) -> None:
    write("models/net.py", "class Net: width = 3\n")
    assert resolve_class("models/net.py:Net", tmp_path).width == 3  # type: ignore[attr-defined]


def test_a_file_called_like_a_library_hides_nothing(write: Write, tmp_path: Path) -> None:
    write("types.py", "class Net: pass\n")
    assert resolve_class("types.py:Net", tmp_path).__module__ != "types"
    assert sys.modules["types"].__file__ != str(tmp_path / "types.py")


def test_a_class_file_imports_its_neighbours_now_and_later(write: Write, tmp_path: Path) -> None:
    write("blocks.py", "size = 4\n")
    write("late_blocks.py", "size = 5\n")
    write(
        "net.py",
        "import blocks\nclass Net:\n    def late(self):\n        import late_blocks\n        return late_blocks.size\n",
    )
    assert resolve_class("net.py:Net", tmp_path)().late() == 5


def test_a_file_in_a_package_may_import_relatively(write: Write, tmp_path: Path) -> None:
    write("starpack/__init__.py", "")
    write("starpack/inner/__init__.py", "")
    write("starpack/inner/blocks.py", "size = 4\n")
    write("starpack/inner/net.py", "from .blocks import size\nclass Net: width = size\n")
    by_path = resolve_class("starpack/inner/net.py:Net", tmp_path)
    assert by_path is resolve_class("starpack.inner.net.Net", tmp_path)
    assert by_path.__module__ == "starpack.inner.net"


def test_the_same_file_is_the_same_class_until_it_is_edited(write: Write, tmp_path: Path) -> None:
    path = write("net.py", "class Net: width = 1\n")
    first = resolve_class("net.py:Net", tmp_path)
    assert resolve_class("net.py:Net", tmp_path) is first
    stamp = path.stat()
    path.write_text("class Net: width = 2\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # same size, same second: bytecode would be stale
    assert resolve_class("net.py:Net", tmp_path).width == 2  # type: ignore[attr-defined]


def test_a_file_that_fails_leaves_no_module_behind(write: Write) -> None:
    path = write("net.py", "1 / 0\n")
    before = set(sys.modules)
    with pytest.raises(ResolveError):
        load_class_file(path)
    assert set(sys.modules) == before


def test_a_registered_class_is_found_by_its_bare_name(tmp_path: Path) -> None:
    class Registered:
        pass

    register_class(Registered)
    assert resolve_class("Registered", tmp_path) is Registered


def test_two_registered_classes_of_one_name_ask_for_the_path(tmp_path: Path) -> None:
    for module in ("one", "two"):
        register_class(type("Twin", (), {"__module__": module}))
    with pytest.raises(
        ResolveError, match=r"2 classes are registered under this name; write one of one\.Twin, two\.Twin"
    ):
        resolve_class("Twin", tmp_path)


def test_a_class_that_is_defined_again_takes_its_own_place(tmp_path: Path) -> None:
    for _ in range(2):
        latest = type("Cell", (), {"__module__": "__main__"})
        register_class(latest)
    assert resolve_class("Cell", tmp_path) is latest


def test_a_class_of_the_running_notebook_is_found_by_its_bare_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = type("Cell", (), {})
    monkeypatch.setattr(sys.modules["__main__"], "Cell", cell, raising=False)
    assert resolve_class("Cell", tmp_path) is cell


def test_a_built_in_name_means_the_built_in_class(tmp_path: Path) -> None:
    assert resolve_class("Digits", tmp_path, {"Digits": int}) is int


def test_a_dotted_path_leads_through_modules_and_classes(write: Write, tmp_path: Path) -> None:
    write("outer_module.py", "class Outer:\n    class Inner: pass\n")
    assert resolve_class("outer_module.Outer.Inner", tmp_path).__qualname__ == "Outer.Inner"
    assert resolve_class("collections.abc.Mapping", tmp_path).__name__ == "Mapping"


def test_a_function_is_named_with_a_colon_a_dot_or_a_path(write: Write, tmp_path: Path) -> None:
    write("padding.py", "def pad(rows): return rows\n")
    for name in ("padding:pad", "padding.pad", "padding.py:pad"):
        assert resolve_function(name, tmp_path)([1]) == [1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Digit", "no class has this name; did you mean 'Digits'?"),
        ("net.py:Nett", "has no Nett; did you mean 'Net'?"),
        ("net.Nett", "has no Nett; did you mean 'Net'?"),
        ("nowhere.py:Net", "nowhere.py: no such file"),
        ("nowhere.Net", "there is no package nowhere here; install it, or write path/to/file.py:Class"),
        ("net.py", "names a file; expected net.py:Class"),
        ("net.py:width", "is a int; expected a class"),
        ("a b.Net", "is no dotted path"),
        ("broken.py:Net", "broken.py: is not Python: '(' was never closed"),
        ("raises.py:Net", "ZeroDivisionError: division by zero ("),
        ("raises.py:Net", "raises.py, line 2)"),
        ("needs.py:Net", "ModuleNotFoundError: No module named 'nothing_here'"),
    ],
)
def test_a_name_that_leads_nowhere_says_where_it_ends(write: Write, tmp_path: Path, name: str, words: str) -> None:
    write("net.py", "class Net: pass\nwidth = 3\n")
    write("broken.py", "x = (\n")
    write("raises.py", "x = 1\ny = 1 / 0\n")
    write("needs.py", "import nothing_here\n")
    with pytest.raises(ResolveError) as caught:
        resolve_class(name, tmp_path, {"Digits": int})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.py").mkdir()
    with pytest.raises(ResolveError, match=r"net\.py: cannot be read: Is a directory"):
        resolve_class("net.py:Net", tmp_path)


def test_a_number_where_a_function_belongs_is_refused(write: Write, tmp_path: Path) -> None:
    write("padding.py", "pad = 3\n")
    with pytest.raises(ResolveError, match="is a int; expected a function"):
        resolve_function("padding:pad", tmp_path)
