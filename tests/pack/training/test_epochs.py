"""The loop: what is called when, what is logged, what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from hyrax_pack.run import Run
from hyrax_pack.training.checkpoints import list_checkpoints, read_checkpoint
from tests.pack.training.conftest import Train

FILES = {"split__validate": 0.2, "split__test": 0.1}


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


def watched(diary: Path, **settings: Any) -> dict[str, Any]:
    own = {"diary": str(diary), "norm": settings.pop("norm", False)}
    return {"model": "plain.py:Watched", "model__Watched": own, **FILES, **settings}


def named(run: Run, name: str) -> list[tuple[int, int, float]]:
    """Epoch, step and value of one metric."""
    return [(int(one["epoch"]), int(one["step"]), one[name]) for one in run.metrics() if name in one]


def test_hooks_are_called_in_order_and_in_their_modes(train: Train, diary: Path) -> None:
    train(**watched(diary, train__epochs=1))
    assert diary.read_text().splitlines() == [
        "train 8 True True", "train 8 True True", "train 8 True True", "train 4 True True",
        "train_post_epoch",
        "log_epoch_metrics",
        "validate 8 False False",
        "validate_post_epoch",
        "test 4 False False",
    ]  # fmt: skip


def test_the_journal_has_every_tenth_step_and_every_epoch(train: Train, diary: Path) -> None:
    run = train(**watched(diary, train__epochs=6))
    assert [(epoch, step) for epoch, step, _ in named(run, "training/loss")] == [
        (1, 4), (2, 8), (3, 10), (4, 16), (5, 20), (6, 24),
    ]  # fmt: skip  # an epoch of four steps without a tenth one shows its last
    assert [(epoch, step) for epoch, step, _ in named(run, "training/epoch/loss")] == [(n, 4 * n) for n in range(1, 7)]
    assert [(epoch, step) for epoch, step, _ in named(run, "validation/accuracy")] == [(n, 4 * n) for n in range(1, 7)]
    assert [value for _, _, value in named(run, "test/rows")] == [4.0]
    assert len(named(run, "training/greatest")) == 6
    assert len(named(run, "training/epoch/weight_norm")) == 6


def test_the_figure_of_an_epoch_is_the_mean_over_its_rows(train: Train) -> None:
    """With a learning rate of nothing, an epoch of batches 16, 16 and 8 has the loss of all 40 rows at once."""
    small = train(optimizer__lr=1e-30, data_loader__batch_size=16, train__epochs=1, split__train=1.0)
    whole = train(optimizer__lr=1e-30, data_loader__batch_size=40, train__epochs=1, split__train=1.0)
    ((_, _, one),) = named(small, "training/epoch/loss")
    ((_, _, other),) = named(whole, "training/epoch/loss")
    assert one == pytest.approx(other, rel=1e-7)


def test_a_last_batch_of_one_row_is_left_out_where_there_is_batch_normalisation(
    train: Train, diary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(**watched(diary, norm=True, split__train=0.425, split__test=False, train__epochs=2))
    trained = [line.split()[1] for line in diary.read_text().splitlines() if line.startswith("train ")]
    assert trained == ["8", "8"] * 2
    said = [line for line in capsys.readouterr().err.splitlines() if "batch normalisation" in line]
    assert said == ["The model has batch normalisation: the last training batch (1 row) is left out."]


def test_a_last_batch_of_one_row_is_used_elsewhere(train: Train, diary: Path) -> None:
    train(**watched(diary, split__train=0.425, split__test=False, train__epochs=1))
    trained = [line.split()[1] for line in diary.read_text().splitlines() if line.startswith("train ")]
    assert trained == ["8", "8", "1"]


def test_best_weights_are_those_of_the_least_validation_loss(train: Train) -> None:
    run = train(train__epochs=6, optimizer__lr=3.0, split__validate=0.3)  # far too fast: the loss goes up again
    losses = [value for _, _, value in named(run, "validation/loss")]
    best = losses.index(min(losses)) + 1
    assert best < 6
    again = train(train__epochs=best, optimizer__lr=3.0, split__validate=0.3)
    assert run.load_state("best")["layer.weight"].equal(again.load_state("last")["layer.weight"])
    assert not run.load_state("best")["layer.weight"].equal(run.load_state("last")["layer.weight"])


def test_weights_are_a_state_dict_on_the_cpu_under_the_configured_name(train: Train) -> None:
    run = train(train__weights_filename="net.pth")
    assert run.weights().name == "net.pth"
    state = torch.load(run.path / "net.pth", weights_only=True)
    assert {name: value.device.type for name, value in state.items()} == {"layer.weight": "cpu", "layer.bias": "cpu"}


def test_validation_by_train_step_changes_nothing(train: Train) -> None:
    """Plain has no validate_batch: its train_step is asked for the loss, and may not learn from those rows."""
    rows = {"split__train": 0.5}
    with_validation = train(**rows, split__validate=0.5, train__epochs=3)
    without = train(**rows, split__validate=0.0, split__test=0.5, train__epochs=3)
    assert named(with_validation, "validation/loss")
    assert not named(without, "validation/loss")
    assert with_validation.load_state("last")["layer.weight"].equal(without.load_state("last")["layer.weight"])


def test_validation_by_train_step_leaves_counters_schedules_and_averages_alone(train: Train) -> None:
    settings: dict[str, Any] = {
        "model": "stateful.py:Learning",
        "data_loader__batch_size": 4,
        "data_request__train__data": {
            "dataset_class": str(Path(__file__).parent / "models" / "stateful.py:JitteredDigits")
        },
    }
    run = train(**settings, split__train=0.5, split__validate=0.5, train__epochs=2)
    state = read_checkpoint(list_checkpoints(run.path)[0]).model
    assert state["attributes"]["steps"] == 6  # three batches an epoch, none of them of validation
    assert int(state["buffers"]["seen"]) == 20
    assert dict(state["attributes"]["schedule"][2][4])["last_epoch"] == 6


def test_what_validation_by_train_step_may_change_for_good_is_named_at_the_start(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    train("keeping.py:Cycled", train__epochs=1)
    words = "nobody can undo what it does to factors (itertools.cycle). If that is something that learns, write a "
    assert words in capsys.readouterr().err
    train("keeping.py:ObjectV", train__epochs=1)
    assert "validate_batch" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scheduler", "rates"),
    [
        ({"name": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.5}, [0.1, 0.05, 0.025]),
        ({"name": "torch.optim.lr_scheduler.ReduceLROnPlateau", "patience": 0}, [0.1, 0.1, 0.01]),
    ],
    ids=["every epoch", "on a plateau"],
)
def test_the_scheduler_steps_once_an_epoch(train: Train, scheduler: dict[str, Any], rates: list[float]) -> None:
    run = train("plain.py:Rated", scheduler=scheduler, train__epochs=3)
    assert [value for _, _, value in named(run, "training/epoch/rate")] == pytest.approx(rates)


def test_a_scheduler_that_the_class_steps_is_not_stepped_again(train: Train) -> None:
    scheduler = {"name": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.5}
    run = train("plain.py:StepsItself", scheduler=scheduler, train__epochs=1)
    steps = len([1 for epoch, _, _ in named(run, "training/epoch/loss")]) * 4
    assert [value for _, _, value in named(run, "training/epoch/rate")] == pytest.approx([0.1 * 0.5**steps])


def test_a_scheduler_that_the_class_steps_now_and_then_is_left_to_it(train: Train) -> None:
    scheduler = {"name": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.5}
    run = train("plain.py:StepsSometimes", scheduler=scheduler, train__epochs=3)
    assert [value for _, _, value in named(run, "training/epoch/rate")] == pytest.approx([0.1, 0.05, 0.025])


def test_a_scheduler_that_turns_out_to_be_stepped_by_the_class_is_left_to_it_from_then_on(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    scheduler = {"name": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.5}
    run = train("plain.py:StepsInSecret", scheduler=scheduler, train__epochs=3)
    halvings = [0, 1 + 4, 1 + 8]
    expected = [0.1 * 0.5**count for count in halvings]
    assert [value for _, _, value in named(run, "training/epoch/rate")] == pytest.approx(expected)
    assert "The class steps its scheduler itself in epoch 2." in capsys.readouterr().err


def test_a_scheduler_whose_step_nobody_calls_is_said(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("plain.py:NeverSteps", scheduler={"name": "torch.optim.lr_scheduler.StepLR", "step_size": 1})
    assert "The StepLR never stepped: the class has code that steps it" in capsys.readouterr().err


def test_a_step_that_changes_no_weight_is_said_after_the_first_epoch(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    train("plain.py:ForgetsToStep", train__epochs=3)
    assert capsys.readouterr().err.count("No weight changed in the first epoch: ForgetsToStep.train_step is exp") == 1
    train("plain.py:Plain")
    assert "No weight changed" not in capsys.readouterr().err


def test_a_figure_of_the_epochs_hook_does_not_take_the_place_of_the_epochs_mean(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("plain.py:TwoLosses")
    assert all(value > 0 for _, _, value in named(run, "training/epoch/loss"))
    assert [value for _, _, value in named(run, "training/epoch/log_epoch_metrics/loss")] == [-1.0, -1.0]
    assert capsys.readouterr().err.count("log_epoch_metrics gives loss, as train_step does") == 1


def test_a_class_that_saves_and_loads_itself_does(train: Train) -> None:
    run = train("plain.py:OwnFormat")
    assert set(torch.load(run.weights(), weights_only=True)) == {"format", "parts"}
    from hyrax_pack.model import build_model, model_class

    model = build_model(model_class(run.config), run.config, (torch.zeros(1, 64), None))
    run.load_into(model)
    kept = torch.load(run.weights(), weights_only=True)["parts"]["layer.weight"]
    assert model.layer.weight.equal(kept)


def test_the_same_seed_gives_the_same_run_and_another_another(train: Train) -> None:
    one, same, other = train(), train(), train(train__seed=4)
    assert (one.path / "metrics.jsonl").read_bytes() == (same.path / "metrics.jsonl").read_bytes()
    assert (one.path / "metrics.jsonl").read_bytes() != (other.path / "metrics.jsonl").read_bytes()


def test_a_run_without_a_seed_draws_one_and_keeps_it(train: Train) -> None:
    one, other = train(train__seed=False), train(train__seed=False)
    assert one.facts["seed"] != other.facts["seed"]
    again = train(train__seed=one.facts["seed"])
    assert (one.path / "metrics.jsonl").read_bytes() == (again.path / "metrics.jsonl").read_bytes()
