"""default.toml <- a package's default_config.toml <- the user's file <- --set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hyrax_pack.config import load_config, read_config
from hyrax_pack.errors import ConfigError, UsageError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A user's package, with settings and an optimizer of its own."""
    write(tmp_path / "nightwatch" / "__init__.py", "raise ImportError('reading settings imports nothing')\n")
    defaults = """
    [train]
    epochs = 40

    [optimizer]
    name = "torch.optim.Adam"
    betas = [0.5, 0.9]

    [nightwatch.Net]
    width = 8
    depth = 3

    [model.Head]
    classes = 2
    """
    write(tmp_path / "nightwatch" / "default_config.toml", defaults)
    return tmp_path


def test_without_a_file_every_setting_has_its_default() -> None:
    config = load_config()
    assert config.get("train.epochs") == 10
    assert config.get("criterion.name") == "torch.nn.CrossEntropyLoss"
    assert config.get("optimizer.name") == "torch.optim.SGD"
    assert config.get("scheduler.name") is None
    assert config.table("data_request.train.data")["dataset_class"] == "DigitsDataset"


def test_the_users_file_wins_over_the_package_and_set_over_both(package: Path) -> None:
    file = write(package / "run.toml", '[model]\nname = "nightwatch.net.Net"\n[nightwatch.Net]\nwidth = 16\n')
    config = load_config(file, ["nightwatch.Net.depth=5"])
    assert config.table("nightwatch.Net") == {"width": 16, "depth": 5}
    assert config.get("train.epochs") == 40
    assert load_config(file, ["train.epochs=2"]).get("train.epochs") == 2


def test_the_package_of_a_data_set_counts_too(package: Path) -> None:
    file = write(package / "run.toml", '[data_request.train.data]\ndataset_class = "nightwatch.data.Cutouts"\n')
    assert load_config(file).get("train.epochs") == 40


def test_a_file_inside_a_package_brings_the_packages_defaults(package: Path) -> None:
    write(package / "nightwatch" / "net.py", "")
    file = write(package / "run.toml", '[model]\nname = "nightwatch/net.py:Net"\n')
    assert load_config(file).get("train.epochs") == 40


def test_a_misspelt_setting_of_a_package_is_named_with_the_nearest(package: Path) -> None:
    text = '[model]\nname = "nightwatch.net.Net"\n[model.Head]\nclases = 3\n[nightwatch.Nett]\nwidth = 3\n'
    with pytest.raises(ConfigError) as caught:
        load_config(write(package / "run.toml", text))
    assert "model.Head.clases: unknown key; did you mean 'classes'?" in str(caught.value)
    assert "nightwatch.Nett: unknown key; did you mean 'Net'?" in str(caught.value)


def test_a_fault_in_a_packages_defaults_names_the_package(package: Path) -> None:
    write(package / "nightwatch" / "default_config.toml", "[train]\nepocs = 3\n")
    with pytest.raises(ConfigError, match=r"default_config.toml of nightwatch: train.epocs: unknown key"):
        load_config(write(package / "run.toml", '[model]\nname = "nightwatch.net.Net"\n'))


def test_arguments_of_a_packages_optimizer_do_not_reach_another_class(package: Path) -> None:
    text = '[model]\nname = "nightwatch.net.Net"\n[optimizer]\nname = "torch.optim.SGD"\nlr = 0.1\n'
    assert load_config(write(package / "run.toml", text)).arguments("optimizer") == {"lr": 0.1}


def test_arguments_of_a_packages_optimizer_stay_where_the_class_stays(package: Path) -> None:
    text = '[model]\nname = "nightwatch.net.Net"\n[optimizer]\nlr = 0.1\n'
    assert load_config(write(package / "run.toml", text)).arguments("optimizer") == {"betas": [0.5, 0.9], "lr": 0.1}


def test_the_users_data_replaces_the_built_in_request(tmp_path: Path) -> None:
    file = write(tmp_path / "run.toml", '[data_request.train.stars]\ndataset_class = "RandomDataset"\n')
    assert list(load_config(file).table("data_request.train")) == ["stars"]


def test_set_changes_one_key_of_a_data_request() -> None:
    config = load_config(overrides=["data_request.train.data.dataset_class=RandomDataset"])
    assert config.table("data_request.train.data") == {"dataset_class": "RandomDataset"}


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        pytest.param("train.epochs=3", "train.epochs", 3, id="integer"),
        pytest.param("optimizer.lr = 1e-3", "optimizer.lr", 1e-3, id="spaces around the equals sign"),
        pytest.param("model.name=net.py:Net", "model.name", "net.py:Net", id="string without quotes"),
        pytest.param('train.run_name="a = b"', "train.run_name", "a = b", id="string with quotes"),
        pytest.param("train.shuffle=false", "train.shuffle", False, id="boolean"),
        pytest.param("model.Net.flag=False", "model.Net.flag", False, id="boolean as Python writes it"),
        pytest.param("optimizer.lr=.1", "optimizer.lr", 0.1, id="a number without a leading zero"),
        pytest.param("optimizer.lr=3.", "optimizer.lr", 3.0, id="a number without decimals"),
        pytest.param("train.run_name=42", "train.run_name", "42", id="a text that looks like a number"),
        pytest.param("train.run_name=2026-01-05", "train.run_name", "2026-01-05", id="a text that looks like a date"),
        pytest.param('model.labels=["a", "b"]', "model.labels", ["a", "b"], id="list"),
        pytest.param("train.resume=false", "train.resume", None, id="not set"),
        pytest.param("train.run_name=two\nlines", "train.run_name", "two\nlines", id="line break"),
    ],
)
def test_an_override_is_toml_or_else_a_string(text: str, path: str, value: object) -> None:
    assert load_config(overrides=[text]).get(path) == value


def test_an_override_reaches_a_quoted_table() -> None:
    config = load_config(overrides=['"torch.optim.SGD".momentum=0.9'])
    assert config.arguments("optimizer") == {"momentum": 0.9}


@pytest.mark.parametrize("text", ["train.epochs", "=3", "train.epochs=", "train epochs=3"])
def test_an_override_that_is_no_key_and_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        load_config(overrides=[text])


def test_every_problem_of_a_file_is_listed_at_once(tmp_path: Path) -> None:
    file = write(tmp_path / "run.toml", "[train]\nepoch = 3\nshuffle = 1\n[splt]\ntest = 0.1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file, ["data_loader.batchsize=3"])
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{file}: 4 problems"
    assert lines[1:] == [
        "  - train.epoch: unknown key; did you mean 'epochs'?",
        "  - train.shuffle: 1 is an integer; expected true or false",
        "  - splt: unknown table; did you mean 'split'?",
        "  - --set: data_loader.batchsize: unknown key; did you mean 'batch_size'?",
    ]
    assert len(caught.value.problems) == 4


def test_one_problem_is_one_line(tmp_path: Path) -> None:
    file = write(tmp_path / "run.toml", "[train]\nepoch = 3\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value) == f"{file}: train.epoch: unknown key; did you mean 'epochs'?"


def test_wrong_settings_are_wrong_usage() -> None:
    assert issubclass(ConfigError, UsageError)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.toml: no such file \(looked for "):
        load_config(tmp_path / "nowhere.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run.toml: not TOML: .*line 2"):
        load_config(write(tmp_path / "run.toml", "[train]\nepochs 3\n"))


def test_a_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b'[train]\nrun_name = "caf\xe9"\n')
    with pytest.raises(ConfigError, match="byte 23 is not UTF-8"):
        load_config(tmp_path / "run.toml")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"\xef\xbb\xbf[train]\nepochs = 3\n")
    assert load_config(tmp_path / "run.toml").get("train.epochs") == 3


def test_tables_from_a_notebook_are_checked_like_a_file() -> None:
    with pytest.raises(ConfigError, match=r"tables: train\.epoch: unknown key"):
        load_config(tables={"train": {"epoch": 3}})


def test_none_in_a_notebook_means_not_set() -> None:
    assert load_config(tables={"train": {"seed": None}}).get("train.seed") is None


def test_numpy_numbers_of_a_notebook_become_plain_python() -> None:
    import numpy as np

    config = load_config(tables={"optimizer": {"lr": np.float32(0.5), "betas": np.array([0.5, 0.25])}})
    assert config.arguments("optimizer") == {"lr": 0.5, "betas": [0.5, 0.25]}
    assert type(config.arguments("optimizer")["lr"]) is float


def test_a_value_that_toml_cannot_hold_is_named() -> None:
    with pytest.raises(ConfigError, match=r"tables: model.Net.activation: a function cannot stand in TOML"):
        load_config(tables={"model": {"Net": {"activation": test_one_problem_is_one_line}}})


def test_reading_settings_imports_neither_torch_nor_numpy() -> None:
    probe = (
        "import sys; from hyrax_pack.config import load_config; load_config(overrides=['model.name=torch.nn.Linear']);"
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_settings_that_were_written_out_are_read_as_they_stand(package: Path) -> None:
    file = write(package / "run.toml", '[model]\nname = "nightwatch.net.Net"\n')
    config = load_config(file)
    written = write(package / "results" / "runtime_config.toml", config.to_toml())
    write(package / "nightwatch" / "default_config.toml", "[train]\nepochs = 7\n[nightwatch.Other]\nwidth = 9\n")
    again = read_config(written)
    assert again.digest() == config.digest()
    assert load_config(file).digest() != config.digest()
    assert read_config(written, ["train.epochs=3"]).get("train.epochs") == 3


def test_settings_that_came_into_being_since_have_their_defaults(tmp_path: Path) -> None:
    text = "".join(line for line in load_config().to_toml().splitlines(True) if "keep_checkpoints" not in line)
    assert read_config(write(tmp_path / "runtime_config.toml", text)).get("train.keep_checkpoints") == 3


def test_settings_that_were_written_out_and_edited_wrongly_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "runtime_config.toml", load_config().to_toml().replace("epochs", "epocs"))
    with pytest.raises(ConfigError, match=r"train.epocs: unknown key; did you mean 'epochs'\?"):
        read_config(file)


def test_a_key_in_the_wrong_table_is_named_with_the_right_one() -> None:
    with pytest.raises(ConfigError, match=r"train\.batchsize: unknown key; did you mean 'data_loader\.batch_size'\?"):
        load_config(overrides=["train.batchsize=3"])
    with pytest.raises(ConfigError, match=r"data_loader\.epochs: unknown key; did you mean 'train\.epochs'\?"):
        load_config(overrides=["data_loader.epochs=3"])
