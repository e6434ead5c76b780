"""Rows to batches: each row once, in one order, here or in workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hyrax_runtime.errors import ResultError

from hyrax_pack.data.provider import DataProvider
from hyrax_pack.errors import DataError, TrainingError
from hyrax_pack.training.loading import Batches, TensorFunction, changes_input
from hyrax_pack.training.seeding import order_of
from tests.pack.training.conftest import MakeConfig, Train, contents

TO_TENSOR = """
def to_tensor(data_dict):
    import numpy as np

    data = data_dict["data"]
    return np.stack(data["image"]), np.asarray(data["object_id"])
"""
STATEFUL: dict[str, Any] = {
    "dataset_class": str(Path(__file__).parent / "models" / "stateful.py:JitteredDigits"),
    "dataset_config": {"rows": 21},
}


@pytest.fixture
def make(config: MakeConfig) -> Iterator[Any]:
    made: list[Batches] = []

    def batches(
        text: str = TO_TENSOR, *, shuffle: bool = True, rank: int = 0, size: int = 1, **settings: Any
    ) -> Batches:
        chosen = config(split__train=1.0, **settings)
        group = DataProvider(chosen, form="list").group("train")
        made.append(Batches(group, TensorFunction(text), chosen, seed=1, shuffle=shuffle, rank=rank, size=size))
        return made[-1]

    yield batches
    for each in made:
        each.close()


def ids(batches: Batches, epoch: int, skip: int = 0) -> list[list[int]]:
    return [loaded.batch[1].tolist() for loaded in batches.epoch(epoch, skip=skip)]


def flat(batches: list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


def test_every_row_is_visited_once_an_epoch_in_another_order_each_time(make: Any) -> None:
    batches = make()
    one, two = ids(batches, 1), ids(batches, 2)
    assert sorted(flat(one)) == sorted(flat(two)) == list(range(40))
    assert one != two
    assert one == ids(batches, 1)
    assert [len(batch) for batch in one] == [8] * 5


def test_without_shuffling_rows_come_in_their_order(make: Any) -> None:
    assert flat(ids(make(shuffle=False), 3)) == list(range(40))


def test_the_order_is_that_of_any_machine() -> None:
    assert order_of(6, seed=7, epoch=2, shuffle=True).tolist() == [2, 0, 3, 5, 4, 1]


def test_an_epoch_goes_on_in_its_middle(make: Any) -> None:
    batches = make()
    assert ids(batches, 2, skip=3) == ids(batches, 2)[3:]


@pytest.mark.parametrize("rows", [40, 17, 16], ids=["whole batches", "one row over", "one batch"])
def test_processes_share_out_the_batches_of_one_process_with_their_batch_sizes_together(make: Any, rows: int) -> None:
    request = {"dataset_class": "RandomDataset", "dataset_config": {"rows": rows}}
    alone = make(data_loader__batch_size=16, data_request__train__data=request)
    pair = [make(data_loader__batch_size=8, data_request__train__data=request, rank=rank, size=2) for rank in (0, 1)]
    together = []
    for number, parts in enumerate(zip(*(ids(one, 1) for one in pair), strict=True)):
        counted = [part[: one.sizes(number)[0]] for one, part in zip(pair, parts, strict=True)]
        together.append(flat(counted))
        assert all(parts), "a process without rows would not take part"
    assert together == ids(alone, 1)


def test_workers_give_the_same_batches(make: Any) -> None:
    here = [tuple(map(torch.Tensor.tolist, loaded.batch)) for loaded in make().epoch(1)]
    there = [tuple(map(torch.Tensor.tolist, loaded.batch)) for loaded in make(data_loader__num_workers=2).epoch(1)]
    assert there == here


def test_random_data_from_workers_is_the_same_however_many_there_are(make: Any) -> None:
    text = TO_TENSOR.replace('data["object_id"]', 'data["label"]')

    def images(workers: int, skip: int = 0) -> list[Any]:
        batches = make(text, data_loader__num_workers=workers, data_request__train__data=STATEFUL)
        return [loaded.batch[0].tolist() for loaded in batches.epoch(1, skip=skip)]

    assert images(2) == images(1)
    assert images(2, skip=1) == images(2)[1:]
    assert len({str(batch) for batch in images(2)}) == 3


def test_a_run_with_workers_is_repeatable(train: Train) -> None:
    settings = {"data_loader__num_workers": 1, "data_request__train__data": STATEFUL, "split__validate": 0.3}
    one = train("stateful.py:Stateful", **settings)
    assert contents(one) == contents(train("stateful.py:Stateful", **settings))


@pytest.mark.parametrize("workers", [0, 1], ids=["here", "in a worker"])
def test_a_row_that_cannot_be_read_is_one_line(make: Any, workers: int) -> None:
    request = {"dataset_class": str(Path(__file__).parent / "models" / "broken_data.py:BrokenDigits")}
    batches = make(data_loader__num_workers=workers, data_request__train__data=request)
    with pytest.raises(DataError) as refused:
        ids(batches, 1)
    assert "row 11" in str(refused.value)
    assert "cosmic ray" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_worker_that_is_killed_is_one_line_and_no_fault_of_the_step(train: Train) -> None:
    request = {"dataset_class": str(Path(__file__).parent / "models" / "broken_data.py:KilledDigits")}
    with pytest.raises(TrainingError) as refused:
        train(data_loader__num_workers=1, data_request__train__data=request)
    words = str(refused.value)
    assert words.startswith("a process that reads data (pid")
    assert "is gone: killed by the system, where memory is short" in words
    assert "train_step" not in words
    assert "\n" not in words


def test_the_rows_of_a_batch_that_a_function_refuses_are_named(make: Any) -> None:
    text = (
        "def to_tensor(data_dict):\n    import numpy as np\n    ids = np.asarray(data_dict['data']['object_id'])\n"
        "    if (ids % 20 == 7).any():\n        raise ValueError('a star that is none')\n    return ids\n"
    )
    with pytest.raises(TrainingError) as refused:
        list(make(text, data_loader__batch_size=100).epoch(1))
    words = str(refused.value)
    assert "a star that is none" in words
    assert words.endswith(("object_id 7, 27", "object_id 27, 7"))
    assert "2 of the 40 rows of this batch fail alone too" in words


@pytest.mark.parametrize("workers", [0, 1], ids=["here", "in a worker"])
def test_a_function_that_raises_is_one_line(make: Any, workers: int) -> None:
    batches = make("def to_tensor(data_dict):\n    return data_dict['flux']\n", data_loader__num_workers=workers)
    with pytest.raises(TrainingError, match=r"^to_tensor: KeyError: 'flux' \(<to_tensor.py [0-9a-f]+>, line 2\)$"):
        ids(batches, 1)


def test_what_the_function_returns_is_checked_on_every_batch(make: Any) -> None:
    batches = make("def to_tensor(data_dict):\n    return data_dict['data']['image'][0]\n", data_loader__batch_size=7)
    with pytest.raises(ResultError, match="the first axis must be the rows"):
        ids(batches, 1)


def test_a_function_that_changes_its_input_is_found() -> None:
    rows = {"data": {"flux": [np.array([1.0, np.nan])], "name": ["a"]}}
    assert not changes_input(lambda data: data["data"]["flux"][0] + 1, rows)
    assert changes_input(lambda data: data["data"]["flux"][0].__iadd__(1), rows)


def test_a_function_that_changes_its_input_leaves_the_data_as_it_is(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    request = {"dataset_class": str(Path(__file__).parent / "models" / "in_place.py:InMemory")}
    run = train("in_place.py:InPlace", data_request__train__data=request, train__epochs=3)
    brightest = [record["training/epoch/brightest"] for record in run.metrics() if "training/epoch/loss" in record]
    assert brightest == [0.5] * 3
    assert "to_tensor changes the arrays it is given" in capsys.readouterr().err
