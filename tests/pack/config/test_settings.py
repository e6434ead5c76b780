"""What code, users and files get of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyrax_pack.config import Config, load_config
from hyrax_pack.errors import ConfigError


@pytest.fixture
def config(tmp_path: Path) -> Config:
    text = """
    [model]
    name = "net.py:Net"

    [model.Net]
    width = 16
    dropout = false
    when = 2026-01-02

    [optimizer]
    name = "torch.optim.Adam"
    lr = 0.5

    ["torch.optim.Adam"]
    lr = 0.1
    eps = 1e-6

    [data_request.train.data]
    dataset_class = "NpzDataset"
    data_location = "rows.npz"
    """
    (tmp_path / "run.toml").write_text(text)
    return load_config(tmp_path / "run.toml")


def test_false_of_ours_is_none_and_false_of_a_users_class_stays(config: Config) -> None:
    assert config.get("train.resume") is None
    assert config.table("train")["resume"] is None
    assert config.get("model.Net.dropout") is False
    assert config.for_user()["train"]["resume"] is False


def test_a_boolean_of_ours_stays_a_boolean() -> None:
    assert load_config(overrides=["train.shuffle=false"]).get("train.shuffle") is False


def test_a_setting_that_does_not_exist_is_a_key_error_unless_a_default_is_given(config: Config) -> None:
    with pytest.raises(KeyError, match=r"train\.epoch"):
        config.get("train.epoch")
    assert config.get("train.epoch", 7) == 7
    assert config.table("nowhere") == {}


@pytest.mark.parametrize("hand_out", [Config.for_user, lambda config: config.table("model"), lambda c: c.get("model")])
def test_what_is_handed_out_can_be_changed_without_harm(config: Config, hand_out: object) -> None:
    before = config.digest()
    handed = hand_out(config)  # type: ignore[operator]
    handed.clear()
    handed["model"] = 3
    assert config.digest() == before
    assert config.get("model.Net.width") == 16


def test_a_nested_change_by_a_user_leaks_nowhere(config: Config) -> None:
    config.for_user()["model"]["Net"]["width"] = 99
    config.table("model.Net")["width"] = 99
    config.get("model.labels").append("width")
    assert config.get("model.Net.width") == 16
    assert config.get("model.labels") == ["label"]


def test_users_get_plain_python_values(config: Config) -> None:
    def kinds(value: object) -> set[type]:
        if isinstance(value, dict):
            return {type(value)}.union(*(kinds(item) for item in value.values()))
        if isinstance(value, list):
            return {type(value)}.union(*(kinds(item) for item in value))
        return {type(value)}

    import datetime

    assert kinds(config.for_user()) <= {dict, list, str, int, float, bool, datetime.date}


def test_keys_beside_the_name_win_over_the_quoted_table(config: Config) -> None:
    assert config.arguments("optimizer") == {"lr": 0.5, "eps": 1e-6}


def test_names_of_files_start_at_the_folder_of_the_configuration(config: Config, tmp_path: Path) -> None:
    assert config.base_dir == tmp_path
    assert config.path("data_request.train.data.data_location") == tmp_path / "rows.npz"
    assert config.path("train.model_weights_file") is None


def test_what_is_written_reads_back_to_the_same_settings_from_another_folder(config: Config, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "runtime_config.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(config.to_toml())
    again = load_config(elsewhere)
    assert again.digest() == config.digest()
    assert again.differences(config) == ()
    assert again.base_dir == config.base_dir
    assert again.to_toml() == config.to_toml()


def test_the_portable_text_holds_no_path_of_this_machine(config: Config, tmp_path: Path) -> None:
    assert str(tmp_path) not in config.to_toml(portable=True)


def test_the_digest_changes_with_any_setting_and_with_nothing_else(config: Config, tmp_path: Path) -> None:
    assert load_config(tmp_path / "run.toml").digest() == config.digest()
    assert load_config(tmp_path / "run.toml", ["train.epochs=11"]).digest() != config.digest()


def test_differences_are_named_by_key(config: Config, tmp_path: Path) -> None:
    other = load_config(tmp_path / "run.toml", ["train.epochs=11", "model.Net.depth=2", "optimizer.lr=1"])
    assert sorted(config.differences(other)) == ["model.Net.depth", "optimizer.lr", "train.epochs"]


def test_not_a_number_is_no_difference() -> None:
    overrides = ["optimizer.lr=nan", "optimizer.betas=[nan, 1.0]"]
    assert load_config(overrides=overrides).differences(load_config(overrides=overrides)) == ()


def test_an_integer_and_a_float_of_one_value_differ(tmp_path: Path) -> None:
    assert load_config(overrides=["optimizer.lr=1"]).differences(load_config(overrides=["optimizer.lr=1.0"])) == (
        "optimizer.lr",
    )


@pytest.mark.parametrize(
    "name",
    ["last.pt", "metrics.jsonl", "run.json", "checkpoint_epoch_1.pt", "last.answers.pt", "sub/best.pt", ".pt", ""],
)
def test_weights_may_not_be_called_as_another_file_of_the_run(name: str) -> None:
    with pytest.raises(ConfigError, match="a plain file name that the run folder has no file of its own for"):
        load_config(tables={"train": {"weights_filename": name}})


@pytest.mark.parametrize("name", ["best.pt", "example_model.pth", "weights last.pt", "last.pth"])
def test_weights_may_have_any_other_name(name: str) -> None:
    assert load_config(tables={"train": {"weights_filename": name}}).get("train.weights_filename") == name
