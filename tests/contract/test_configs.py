"""A folder of configuration files on which the checks and the JSON Schema agree."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from hyrax_pack.config import load_config
from hyrax_pack.config.checking import check_whole
from hyrax_pack.config.keys import GROUPS, REQUEST, TABLES, Key
from hyrax_pack.config.schema import json_schema
from hyrax_pack.errors import ConfigError

CASES = Path(__file__).with_name("configs")
SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "config.v1.schema.json"
DEFAULT_FILE = Path(__file__).parents[2] / "hyrax_pack" / "config" / "default.toml"


def cases(folder: str) -> list[object]:
    return [pytest.param(path, id=path.stem.replace("_", " ")) for path in sorted((CASES / folder).glob("*.toml"))]


def schema_problems(path: Path) -> list[str]:
    schema = json.loads(SCHEMA_FILE.read_text())
    settings = tomllib.loads(path.read_text())
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(settings)]


def expected_words(path: Path) -> str:
    return path.read_text().splitlines()[0].removeprefix("# ")


@pytest.mark.parametrize("path", cases("valid"))
def test_a_valid_file_is_valid_for_both(path: Path) -> None:
    load_config(path)
    assert schema_problems(path) == []


@pytest.mark.parametrize("path", cases("invalid"))
def test_an_invalid_file_is_invalid_for_both_and_the_error_names_the_key(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert expected_words(path) in str(caught.value)
    assert schema_problems(path)


@pytest.mark.parametrize("path", cases("beyond_schema"))
def test_what_a_schema_cannot_say_is_refused_by_the_checks(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert expected_words(path) in str(caught.value)
    assert schema_problems(path) == []


VALUES = [True, False, -1, 0, 1, 20, 0.5, 2.5, "", "cpu", "joint", "a:b", [], ["a"], [1], {}, {"a": 1}, {"a": {"b": 1}}]


def every_setting() -> list[object]:
    schema = json_schema()["properties"]
    requests = schema["data_request"]["properties"]["train"]["additionalProperties"]["properties"]
    tables = {name: [*schema[name]["properties"], "nonsense"] for name in schema if name != "data_request"}
    tables["data_request"] = [*requests, "nonsense"]
    return [pytest.param(table, key, id=f"{table}.{key}") for table, keys in tables.items() for key in keys]


def tables_with(table: str, key: str, value: object) -> dict[str, object]:
    if table != "data_request":
        return {table: {key: value}}
    primary = {"dataset_class": "Stars", "primary_id_field": "id"}
    beside = {"stars": primary} if key == "join_field" else {}
    return {"data_request": {"train": {"data": {"dataset_class": "Stars", key: value}, **beside}}}


@pytest.mark.parametrize(("table", "key"), every_setting())
def test_checks_and_schema_agree_on_every_kind_of_value_for_every_key(table: str, key: str, tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    for value in VALUES:
        path = tmp_path / "run.toml"
        tables = tables_with(table, key, value)
        path.write_text(tomli_w.dumps(tables))
        try:
            load_config(path)
            refused = False
        except ConfigError:
            refused = True
        assert refused == (not validator.is_valid(tables)), value


# Texts that one of the two dialects of regular expressions could see otherwise, and numbers at the edges of bounds.
TEXTS = ["cpu", "cuda:12", "cuda:٣", "weights.pt", "last.pt", "a.answers.pt", "pkg.loss:f", "a:é", "object_id", "x.y"]
NUMBERS = [-1, 0, 1, 18, 27, 28, 2**32 - 1, 2**32, 0.1, 0.3, 0.7, 1.5, 3.0, -0.0, 1e3, 1e22, 2.0**32, float("inf")]
ANYTHING = st.one_of(
    st.sampled_from(NUMBERS),
    st.booleans(),
    st.builds("{}{}".format, st.sampled_from(TEXTS), st.sampled_from(["", "\n", "\r", "\u2028", "\x85", "\0", " "])),
    st.lists(st.sampled_from(["label", "a/b", 3, 3.0, False]), max_size=2),
    st.dictionaries(st.sampled_from(["name", "width", "Net"]), st.sampled_from([1, 2.0, "a"]), max_size=2),
)


def fitting(key: Key) -> st.SearchStrategy[Any]:
    """Values of the right type, most of them within bounds."""
    of_type: dict[str, st.SearchStrategy[Any]] = {
        "boolean": st.booleans(),
        "strings": st.lists(st.sampled_from(["label", "a/b"]), max_size=2),
        "integer": st.sampled_from([1, 3.0, 20, 1e3]),
        "number": st.sampled_from([0, 0.1, 0.3, 0.6, 1.0]),
        "string": st.sampled_from(key.choices or TEXTS),
    }
    return of_type[key.type]


def table_of(keys: dict[str, Key]) -> st.SearchStrategy[dict[str, Any]]:
    if not keys:
        return st.dictionaries(st.sampled_from(["Stars", "Alerts"]), ANYTHING, max_size=1)
    names = st.sampled_from(sorted(keys))
    value = {name: st.one_of(fitting(key), fitting(key), ANYTHING) for name, key in keys.items()}
    return st.lists(names, max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: value[name] for name in chosen})
    )


REQUESTS = st.dictionaries(
    st.sampled_from(["data", "meta", "object_id", "object_id\n", "a\n", "a/b", ""]),
    st.builds(lambda keys: {"dataset_class": "Stars"} | keys, table_of(REQUEST)) | table_of(REQUEST) | ANYTHING,
    max_size=2,
)
TOML = st.fixed_dictionaries(
    {},
    optional={
        **{name: table_of(keys) for name, keys in TABLES.items()},
        "data_request": st.dictionaries(st.sampled_from([*GROUPS, "training"]), REQUESTS, min_size=1, max_size=2),
    },
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(tables=TOML)
def test_checks_and_schema_agree_on_whole_files_but_for_what_takes_several_keys_to_see(tables: dict[str, Any]) -> None:
    valid = jsonschema.Draft202012Validator(json_schema()).is_valid(tables)
    try:
        load_config(tables=tables)
        problems = []
    except ConfigError as error:
        problems = list(error.problems)
    if valid:
        assert [problem for problem in problems if problem not in check_whole(tables)] == []
    else:
        assert problems != []


def test_the_schema_file_is_written_from_the_tables_of_the_checks() -> None:
    assert json.loads(SCHEMA_FILE.read_text()) == json_schema()


def test_the_schema_file_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA_FILE.read_text()))


def test_every_default_is_valid_and_every_key_has_a_default() -> None:
    assert schema_problems(DEFAULT_FILE) == []
    defaults = tomllib.loads(DEFAULT_FILE.read_text())
    schema = json_schema()["properties"]
    known = {(table, key) for table in schema if table != "data_request" for key in schema[table]["properties"]}
    assert known == {(table, key) for table in defaults if table != "data_request" for key in defaults[table]}
