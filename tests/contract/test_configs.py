"""A folder of configuration files on which the checks and the JSON Schema agree."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
import tomli_w

from hyrax_pack.config import load_config
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


def settings_with(table: str, key: str, value: object) -> dict[str, object]:
    if table != "data_request":
        return {table: {key: value}}
    primary = {"dataset_class": "Stars", "primary_id_field": "id"}
    beside = {"stars": primary} if key == "join_field" else {}
    return {"data_request": {"train": {"data": {"dataset_class": "Stars", key: value}, **beside}}}


@pytest.mark.parametrize(("table", "key"), every_setting())
def test_checks_and_schema_agree_on_every_kind_of_value_for_every_key(table: str, key: str, tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    for value in VALUES:
        settings = settings_with(table, key, value)
        path = tmp_path / "run.toml"
        path.write_text(tomli_w.dumps(settings))
        try:
            load_config(path)
            refused = False
        except ConfigError:
            refused = True
        assert refused == (not validator.is_valid(settings)), value


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
