"""What is missing is said before anything runs."""

import sys

import pytest
from hyrax_runtime.environment import other_versions, versions_of
from hyrax_runtime.errors import RequirementError
from hyrax_runtime.manifest import Requirement
from hyrax_runtime.replay import check_requirements, missing_requirements

HERE = (
    Requirement("numpy", "numpy", "2.0.0"),
    Requirement("numpy.linalg", "numpy", "2.0.0"),
    Requirement("math", None, None),
    Requirement("collections.abc", None, None),
    Requirement("xml.etree.ElementTree", None, None),
)
MISSING = (
    Requirement("nosuchmodule", "no-such", "1.5"),
    Requirement("nosuchmodule.inner", "no-such", "1.5"),
    Requirement("numpy.nosuchpart", "numpy", "9.0"),
    Requirement("math.nosuchpart", None, None),
)


def test_what_is_here_is_not_missing():
    assert missing_requirements(HERE) == ()
    check_requirements(HERE, "model.hyrax")


def test_what_is_not_here_is_missing():
    assert missing_requirements((*HERE, *MISSING)) == MISSING


def test_the_error_names_the_modules_and_the_command_that_brings_them():
    with pytest.raises(RequirementError) as caught:
        check_requirements(MISSING[:2], "model.hyrax")
    assert str(caught.value) == (
        "model.hyrax: to_tensor imports nosuchmodule, nosuchmodule.inner, which is not installed here; "
        "pip install no-such==1.5"
    )
    assert caught.value.code == "replay/requirement"


def test_a_missing_part_of_the_standard_library_names_this_python():
    with pytest.raises(RequirementError, match=r"; Python 3\.\d+\.\d+ does not have it"):
        check_requirements((Requirement("nosuchpartofpython", None, None),), "model.hyrax")


def test_looking_imports_nothing(tmp_path, monkeypatch):
    package = tmp_path / "watched" / "inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert missing_requirements((Requirement("watched.inner", None, None),)) == ()
    assert missing_requirements((Requirement("watched.other", None, None),)) != ()
    assert "watched" not in sys.modules


PACKED = {"numpy": "2.4.1", "onnxruntime": "1.32.0", "python": "3.11.7", "machine": "Linux x86_64"}


def test_another_version_of_what_to_tensor_imports_is_named():
    requirements = (Requirement("msgpack", "msgpack", "0.9"), Requirement("math", None, None))
    here = versions_of(requirements)
    assert list(here) == ["msgpack"]
    found = other_versions({**PACKED, **here}, PACKED, requirements, lowered=False)
    assert found == [f"msgpack {here['msgpack']} (proven with 0.9)"]


@pytest.mark.parametrize(
    ("here", "replayed", "lowered"),
    [
        ({"numpy": "2.4.6", "onnxruntime": "1.32.9", "python": "3.11.2"}, [], []),
        ({"numpy": "2.5.0"}, ["numpy 2.5.0 (proven with 2.4.1)"], ["numpy 2.5.0 (proven with 2.4.1)"]),
        ({"python": "3.12.1"}, ["python 3.12.1 (proven with 3.11.7)"], []),
        (
            {"machine": "Darwin arm64"},
            ["machine Darwin arm64 (proven with Linux x86_64)"],
            ["machine Darwin arm64 (proven with Linux x86_64)"],
        ),
    ],
)
def test_what_decides_the_numbers_is_named_where_it_is_another(here, replayed, lowered):
    assert other_versions({**PACKED, **here}, PACKED, lowered=False) == replayed
    assert other_versions({**PACKED, **here}, PACKED, lowered=True) == lowered
