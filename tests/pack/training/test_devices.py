"""Training runs where it was asked to, or says why not."""

from __future__ import annotations

import pytest
import torch

from hyrax_pack.errors import TrainingError
from hyrax_pack.run import Run
from hyrax_pack.training import train_run
from hyrax_pack.training.devices import choose_device
from tests.pack.training.conftest import MakeConfig, Train

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@without_gpu
def test_auto_is_the_cpu_where_there_is_nothing_else() -> None:
    if not torch.backends.mps.is_available():
        assert choose_device("auto") == torch.device("cpu")


@without_gpu
def test_a_gpu_that_is_not_here_is_refused_and_never_replaced() -> None:
    with pytest.raises(TrainingError, match=r"train.device = 'cuda:1': torch .* finds .*; use 'auto' or 'cpu'"):
        choose_device("cuda:1")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an Apple GPU")
def test_an_apple_gpu_that_is_not_here_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"train.device = 'mps': this machine has no Apple GPU"):
        choose_device("mps")


@pytest.mark.gpu
def test_a_gpu_beyond_those_that_are_here_is_refused() -> None:
    with pytest.raises(TrainingError, match="GPU 99 is not among the"):
        choose_device("cuda:99")


@pytest.mark.gpu
def test_a_run_on_a_gpu_gives_weights_that_a_plain_load_reads_anywhere(train: Train) -> None:
    run: Run = train(train__device="cuda", optimizer__name="torch.optim.Adam")
    state = torch.load(run.weights(), weights_only=True)
    assert {value.device.type for value in state.values()} == {"cpu"}


@pytest.mark.gpu
def test_a_run_of_a_gpu_goes_on_on_the_cpu(train: Train, config: MakeConfig) -> None:
    settings = {"train__epochs": 3, "optimizer__name": "torch.optim.Adam"}
    run = train(train__device="cuda", **settings)
    run.note({"state": "interrupted"})
    (run.path / "checkpoint_epoch_3.pt").unlink()
    given = config(train__device="cpu", **settings)
    assert train_run(given, resume=run.path, progress=False, track=False) == run
    assert (run.path / "checkpoint_epoch_3.pt").exists()
