"""A folder of configuration files on which the checks and the JSON Schema agree."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

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
