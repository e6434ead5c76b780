"""The run folder: there at once, whole, and readable by whoever comes later."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hyrax_pack.config import load_config
from hyrax_pack.errors import ConfigError, HyraxError, TrainingError
from hyrax_pack.run import Run, create_run, list_runs, lock_folder, newest_run, open_run
from hyrax_pack.training import train_run
from hyrax_pack.workflow import load_trained
from tests.pack.training.conftest import MODELS, MakeConfig, Train, contents, in_child


def test_a_new_folder_has_its_configuration_its_seed_and_nothing_else(config: MakeConfig) -> None:
    run = create_run(config())
    assert re.fullmatch(r"\d{8}-\d{6}-train-[a-z0-9]{4}", run.path.name)
    assert sorted(path.name for path in run.path.iterdir()) == ["run.json", "runtime_config.toml"]
    assert run.config.digest() == config().digest()
    assert run.config.base_dir == config().base_dir
    assert run.facts["seed"] == 3
    assert list_runs(run.path.parent)[0].state == "killed"  # nobody trains in it


def test_everything_of_a_run_is_in_its_folder(train: Train) -> None:
    run = train()
    names = {path.name for path in run.path.iterdir() if not path.name.startswith(".")}
    assert names == {
        "runtime_config.toml", "run.json", "to_tensor.py", "code.json", "data.json", "metrics.jsonl", "weights.pt",
        "weights.answers.pt", "last.pt", "last.answers.pt", "checkpoint_epoch_1.pt", "checkpoint_epoch_2.pt",
    }  # fmt: skip


def test_the_text_that_trained_stands_in_the_folder_under_its_digest(train: Train) -> None:
    run = train()
    assert "def to_tensor(data_dict):" in run.to_tensor_text
    assert hashlib.sha256(run.to_tensor_text.encode()).hexdigest() == run.to_tensor_sha256


def test_an_edited_text_is_refused(train: Train) -> None:
    run = train()
    path = run.path / "to_tensor.py"
    path.write_text(run.to_tensor_text.replace("float32(16)", "float32(15)"))
    with pytest.raises(TrainingError, match=r"to_tensor.py: sha256 .*, but training executed .*The file was edited"):
        _ = run.to_tensor_text


def test_a_run_that_never_began_says_how_to_go_on(config: MakeConfig) -> None:
    run = create_run(config())
    with pytest.raises(TrainingError, match=f"stopped before to_tensor was captured. Go on with: .*{run.path}"):
        _ = run.to_tensor_text
    with pytest.raises(TrainingError, match=f"no epoch of this run was finished. Go on with: .*{run.path}"):
        run.weights()
    assert run.metrics() == []


def test_without_a_model_no_folder_is_made(config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^tables: model\.name is not set; .* give the file with -c"):
        train_run(config(model__name=False), track=False)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model__name": str(MODELS / "plain.py:Plane")}, r"plain\.py has no Plane; did you mean 'Plain'"),
        ({"optimizer__name": "torch.optim.SGG"}, r"optimizer\.name = torch\.optim\.SGG: .*did you mean 'SGD'"),
        ({"criterion": {"name": "MSELos"}}, r"criterion\.name = MSELos: .*did you mean .torch\.nn\.MSELoss"),
        ({"scheduler": {"name": "torch.optim.lr_scheduler.Step"}}, r"scheduler\.name = .*has no Step"),
        ({"data_request__train__data__dataset_class": "Randm"}, r"Randm: no class has this name"),
        ({"data_loader__collate_fn": "math:no_such"}, r"has no no_such"),
    ],
    ids=["class", "optimizer", "criterion", "scheduler", "data set", "collate function"],
)
def test_a_name_that_leads_nowhere_leaves_nothing_behind(
    train: Train, tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(HyraxError, match=words):
        train(**settings)
    assert not (tmp_path / "results").exists()


def test_what_a_file_draws_at_random_when_it_is_loaded_is_the_same_in_a_run_that_goes_on(
    config: MakeConfig, tmp_path: Path
) -> None:
    file = tmp_path / "noisy.py"
    file.write_text(
        "import numpy as np\nfrom tests.pack.training.models.plain import Plain\nNOISE = np.random.randn(4)\n"
        "class Noisy(Plain):\n"
        "    def train_step(self, batch):\n        return super().train_step(batch) | {'noise': float(NOISE.sum())}\n"
    )
    noisy = config(model__name=f"{file}:Noisy", train__epochs=3, train__seed=False)
    assert in_child(lambda: train_run(noisy, progress=False, track=False)) == 0
    run = newest_run(tmp_path / "results")
    whole, records = (run.path / "metrics.jsonl").read_bytes(), run.metrics()
    (run.path / "checkpoint_epoch_3.pt").unlink()
    run.note({"state": "interrupted"})
    assert in_child(lambda: train_run(None, resume=run.path, progress=False, track=False)) == 0
    assert "training/epoch/noise" in records[-1] or "training/epoch/noise" in records[-2]
    assert (run.path / "metrics.jsonl").read_bytes() == whole


def edit(run: Run, before: str, after: str) -> None:
    path = run.path / "runtime_config.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("lr = 0.1", "lr = 0.5"),
        ("epochs = 2", "epochs = 4"),
        ("rng_seed = 0", "rng_seed = 1"),
        ('"label"', '"labels"'),
        ("[optimizer]", "[optimizer]\nmomentum = 0.9"),
    ],
)
def test_edited_settings_of_a_run_are_refused_when_it_goes_on_or_is_exported(
    train: Train, before: str, after: str
) -> None:
    path = train().path
    edit(open_run(path), before, after)
    words = r"runtime_config\.toml: not the settings that the run was started with; put back what was edited"
    with pytest.raises(TrainingError, match=words):
        load_trained(path)
    open_run(path).note({"state": "interrupted"})
    with pytest.raises(TrainingError, match=words):
        train_run(None, resume=path, progress=False, track=False)


def test_names_and_places_may_be_edited_where_a_run_was_moved(train: Train, tmp_path: Path) -> None:
    run = train()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "plain.py").write_text((MODELS / "plain.py").read_text())
    edit(run, f"{MODELS}/plain.py:Plain", "plain.py:Plain")
    edit(run, f'base_dir = "{run.config.base_dir}"', f'base_dir = "{tmp_path / "here"}"')
    edit(run, 'device = "cpu"', 'device = "auto"')
    assert open_run(run.path).config.get("model.name") == "plain.py:Plain"


def test_a_checkpoint_of_another_run_is_refused(train: Train) -> None:
    run, other = train(train__epochs=3), train(train__epochs=3, train__seed=4)
    run.note({"state": "interrupted"})
    (run.path / "checkpoint_epoch_3.pt").unlink()
    (run.path / "checkpoint_epoch_2.pt").write_bytes((other.path / "checkpoint_epoch_2.pt").read_bytes())
    with pytest.raises(TrainingError, match="the checkpoint is of another run; put this run's own back"):
        train_run(None, resume=run.path, progress=False, track=False)


@pytest.mark.parametrize(
    ("text", "words"), [("[1]", "format none, expected 1"), ('{"format": 1, "created": 1.5}', "lacks seed, state")]
)
def test_facts_that_are_none_are_one_line(train: Train, text: str, words: str) -> None:
    run = train()
    (run.path / "run.json").write_text(text)
    with pytest.raises(TrainingError, match=f"run.json: {words}"):
        _ = run.facts


def test_weights_that_are_gone_are_not_said_to_be_those_of_an_unfinished_run(train: Train) -> None:
    run = train()
    run.weights("best").unlink()
    with pytest.raises(TrainingError, match=r"weights\.pt: no such file, though training wrote it; put it back"):
        run.weights("best")


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="gone: no such run folder"):
        open_run(tmp_path / "gone")
    with pytest.raises(TrainingError, match=r"not a run folder: runtime_config.toml is missing"):
        open_run(tmp_path)
    with pytest.raises(TrainingError, match=r"no run folder here\. Begin with: hyrax-pack train"):
        newest_run(tmp_path / "nowhere")


def test_the_newest_run_is_the_one_begun_last_within_a_second_too(config: MakeConfig, tmp_path: Path) -> None:
    runs = [create_run(config()) for _ in range(5)]
    create_run(config(), "infer")
    (tmp_path / "results" / "20990101-000000-train-dust").mkdir()
    assert newest_run(tmp_path / "results") == runs[-1]
    assert [one.run for one in list_runs(tmp_path / "results")] == runs[::-1]


def test_the_newest_run_is_the_one_begun_last_though_the_clock_on_the_wall_was_put_back(
    config: MakeConfig, tmp_path: Path
) -> None:
    first, second = create_run(config()), create_run(config())
    first = Run(first.path.rename(first.path.with_name(f"20991025-023000{first.path.name[15:]}")))
    assert newest_run(tmp_path / "results") == second
    assert [one.run for one in list_runs(tmp_path / "results")] == [second, first]


def test_a_list_of_runs_shows_what_became_of_each(train: Train, tmp_path: Path) -> None:
    train(split__validate=0.3, train__epochs=3)
    (one,) = list_runs(tmp_path / "results")
    losses = [record["validation/loss"] for record in one.run.metrics() if "validation/loss" in record]
    assert (one.state, one.epochs_done, one.epochs, one.metric) == ("finished", 3, 3, "validation/loss")
    assert one.best == min(losses)
    assert one.best_epoch == losses.index(min(losses)) + 1
    assert one.model.endswith("plain.py:Plain")


def test_a_folder_is_trained_in_by_one_process_at_a_time(config: MakeConfig) -> None:
    run = create_run(config())

    def second() -> None:
        with pytest.raises(TrainingError, match="another process is training in this run folder"):
            train_run(None, resume=run.path, progress=False, track=False)
        assert list_runs(run.path.parent)[0].state == "running"

    with lock_folder(run.path):
        assert in_child(second) == 0
    assert train_run(None, resume=run.path, progress=False, track=False) == run


def test_a_finished_run_says_so_and_stays_as_it_is(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    run = train()
    before = contents(run)
    assert train_run(None, resume=run.path, progress=False, track=False) == run
    assert capsys.readouterr().err.splitlines()[-1] == f"{run.path.name} is finished: nothing to do."
    assert contents(run) == before


def test_other_settings_are_refused_by_key(config: MakeConfig) -> None:
    run = create_run(config())
    with pytest.raises(TrainingError) as refused:
        train_run(config(train__epochs=9, optimizer__lr=0.2), resume=run.path, track=False)
    assert str(refused.value) == (
        f"{run.path}: cannot go on with other settings: optimizer.lr (run: 0.1, given: 0.2), "
        "train.epochs (run: 2, given: 9). Leave out -c and --set to take the run's own, or start a new run."
    )


def test_defaults_that_a_package_came_to_have_since_are_not_other_settings(config: MakeConfig, tmp_path: Path) -> None:
    package = tmp_path / "nightwatch"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text("from tests.pack.training.models.plain import Plain\n")
    defaults, file = package / "default_config.toml", tmp_path / "run.toml"
    defaults.write_text("[nightwatch.Plain]\nwidth = 16\n")
    file.write_text(f'[general]\nresults_dir = "{tmp_path}/results"\n[model]\nname = "nightwatch.net.Plain"\n')
    run = create_run(load_config(file, ["train.epochs=1"]))
    defaults.write_text("[nightwatch.Plain]\nwidth = 16\ndepth = 3\n")
    assert run.config.get("nightwatch.Plain.depth", None) is None
    assert train_run(load_config(file, ["train.epochs=1"]), resume=run.path, progress=False, track=False) == run
    defaults.write_text("[nightwatch.Plain]\nwidth = 32\n")
    assert open_run(run.path).config.get("nightwatch.Plain.width") == 16
    with pytest.raises(TrainingError, match=r"other settings: nightwatch\.Plain\.width \(run: 16, given: 32\)"):
        train_run(load_config(file, ["train.epochs=1"]), resume=run.path, progress=False, track=False)


def test_the_same_settings_and_another_device_or_place_are_accepted(config: MakeConfig, tmp_path: Path) -> None:
    run = create_run(config(train__device="auto", train__seed=False))
    given = config(train__device="cpu", train__seed=False, general__results_dir=str(tmp_path / "elsewhere"))
    assert train_run(given, resume=run.path, progress=False, track=False) == run


def test_resume_stands_in_the_settings_too_and_names_a_checkpoint_as_upstream_does(
    train: Train, config: MakeConfig
) -> None:
    run = train()
    for named in (run.path, run.path / "checkpoint_epoch_2.pt"):
        assert train_run(config(train__resume=str(named)), progress=False, track=False) == run


def test_a_run_goes_on_with_a_to_tensor_whose_comment_changed_but_not_with_another(
    config: MakeConfig, tmp_path: Path
) -> None:
    """Each in a forked process: an edited file is imported anew only in another one."""
    source = (Path(__file__).parent / "models" / "plain.py").read_text()
    user_file = tmp_path / "mine.py"
    user_file.write_text(source)
    settings = tmp_path / "settings.toml"
    settings.write_text(config(model__name=f"{user_file}:Plain").to_toml())
    run = create_run(load_config(settings))

    def train() -> None:
        train_run(None, resume=run.path, progress=False, track=False)

    def refused() -> None:
        with pytest.raises(TrainingError, match="to_tensor is not the one that this run was started with"):
            train()

    assert in_child(train) == 0
    run.note({"state": "interrupted"})
    user_file.write_text(source.replace('data = data_dict["data"]', 'data = data_dict["data"]  # pixels'))
    assert in_child(train) == 0
    run.note({"state": "interrupted"})
    user_file.write_text(source.replace("np.float32(16)", "np.float32(15)"))
    assert in_child(refused) == 0


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, hyrax_pack.training, hyrax_pack.run; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rows_of_validation_that_are_in_training_too_are_said_and_recorded(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = {}
    for group, ids in (("train", np.arange(60)), ("validate", np.arange(40, 100))):
        image = np.broadcast_to(ids.astype("f4")[:, None, None], (60, 8, 8))
        file = tmp_path / f"{group}.npz"
        np.savez(file, image=image, label=ids % 10, object_id=ids + 8000)
        requests[group] = {"data": {"dataset_class": "NpzDataset", "data_location": str(file)}}
    run = train(data_request=requests, split={"train": 1.0})
    assert "20 rows of validate are in the training data too, such as object_id 8040: " in capsys.readouterr().err
    assert (run.recorded("data.json") or {})["in_training"] == {"validate": 20}


def test_rows_that_no_group_gets_are_counted(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train(split={"train": 0.5, "validate": 0.2})
    assert "[split] gives 12 rows to no group: this run does not see them." in capsys.readouterr().err
    train(split={"train": 0.8, "validate": 0.2})
    assert "to no group" not in capsys.readouterr().err


@pytest.mark.parametrize("file", ["code.json", "data.json"])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.unlink(), "unreadable .*; put the file back"),
        (lambda path: path.write_text("{}"), "not the file that training wrote; put it back"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "not the file that training wrote; put it back"),
    ],
    ids=["gone", "emptied", "cut"],
)
def test_what_training_recorded_to_compare_with_is_whole_or_refused(train: Train, file, damage, says) -> None:
    run = train()
    damage(run.path / file)
    with pytest.raises(TrainingError, match=f"{file}: {says}"):
        run.recorded(file)
