"""A folder of manifests on which the hand-written parser and the JSON Schema agree."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hyrax_runtime.errors import HyraxError, ManifestError
from hyrax_runtime.manifest_json import from_json_form, to_json_form
from hyrax_runtime.manifest_parsing import _parse_top, manifest_to_plain, parse_manifest
from hyrax_runtime.manifest_records import Problems, Record

CASES = Path(__file__).with_name("manifests")
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "manifest.v1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def cases(folder: str) -> list[Any]:
    return [pytest.param(path, id=path.stem.replace("_", " ")) for path in sorted((CASES / folder).glob("*.json"))]


def read(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return case


def test_the_schema_is_a_sound_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", cases("valid"))
def test_a_valid_manifest_is_valid_for_both_and_keeps_its_values(path: Path) -> None:
    manifest = read(path)["manifest"]
    assert [error.message for error in VALIDATOR.iter_errors(manifest)] == []
    plain = from_json_form(manifest)
    parsed = parse_manifest(plain, "case")
    again = manifest_to_plain(parsed)
    assert parse_manifest(again, "case") == parsed


@pytest.mark.parametrize("path", cases("invalid"))
def test_an_invalid_manifest_is_invalid_for_both_and_the_error_names_the_place(path: Path) -> None:
    case = read(path)
    assert list(VALIDATOR.iter_errors(case["manifest"]))
    with pytest.raises(HyraxError) as caught:
        parse_manifest(from_json_form(case["manifest"]), "case")
    if isinstance(caught.value, ManifestError):
        assert case["at"] in [problem.where for problem in caught.value.problems]


@pytest.mark.parametrize("path", cases("beyond_schema"))
def test_what_no_schema_can_say_is_refused_by_the_parser(path: Path) -> None:
    case = read(path)
    assert [error.message for error in VALIDATOR.iter_errors(case["manifest"])] == []
    with pytest.raises(ManifestError) as caught:
        parse_manifest(from_json_form(case["manifest"]), "case")
    assert case["at"] in [problem.where for problem in caught.value.problems]


def test_every_problem_is_listed_at_once() -> None:
    manifest = read(CASES / "valid" / "linear.json")["manifest"]
    manifest["contract"]["fields"][0]["dtype"] = "O"
    manifest["outputs"][0]["tolerance"] = -1
    del manifest["metrics"]
    with pytest.raises(ManifestError) as caught:
        parse_manifest(from_json_form(manifest), "linear.hyrax")
    assert str(caught.value).splitlines()[0] == "linear.hyrax manifest: 3 problems"
    assert [problem.where for problem in caught.value.problems] == [
        "contract.fields.data/flux.dtype",
        "outputs.scores.tolerance",
        "metrics",
    ]


def test_a_manifest_without_extensions_is_written_as_it_was_read() -> None:
    manifest = read(CASES / "valid" / "ragged_and_text.json")["manifest"]
    assert to_json_form(manifest_to_plain(parse_manifest(from_json_form(manifest), "case"))) == manifest


def test_a_later_minor_version_is_named_when_something_is_unknown() -> None:
    manifest = read(CASES / "valid" / "later_minor.json")["manifest"] | {"novelty": 1}
    with pytest.raises(ManifestError, match=r"It says format 1\.7; this reader knows 1\.0: update hyrax-runtime"):
        parse_manifest(from_json_form(manifest), "case")


LINEAR = from_json_form(read(CASES / "valid" / "ragged_and_text.json")["manifest"])
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not number.is_integer()  # JSON Schema takes 2.0 for an integer, msgpack does not
)
WORDS = st.sampled_from(["N", "", "str", "float32", "golden/input-0.bin", "golden/con.bin", "replay", "x-a", "a\n"])
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | WORDS | st.binary(max_size=32)
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(max_size=3) | WORDS, LEAVES, max_size=3)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way] if way else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, item in items for place in places(item, (*way, key))]


def has_right_shape(plain: dict[str, Any]) -> bool:
    """Whether the parser's first part, the schema's twin, is content."""
    problems = Problems()
    _parse_top(Record(plain, "", problems))
    return not problems


@settings(max_examples=400, deadline=None, derandomize=True)
@given(place=st.sampled_from(places(LINEAR)), value=VALUES, removed=st.booleans())
def test_schema_and_parser_agree_on_any_value_anywhere(place: tuple[Any, ...], value: Any, removed: bool) -> None:
    plain = copy.deepcopy(LINEAR)
    target: Any = plain
    for key in place[:-1]:
        target = target[key]
    if removed:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    complaints = [error.message for error in VALIDATOR.iter_errors(to_json_form(plain))]
    try:
        parse_manifest(plain, "case")
    except HyraxError:
        assert complaints or has_right_shape(plain)  # else: what no schema can say
    else:
        assert complaints == []
