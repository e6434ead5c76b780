"""Training runs where it was asked to, or says why not."""

from __future__ import annotations

import pytest
import torch

from hyrax_pack.errors import TrainingError
from hyrax_pack.training.devices import choose_device

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
