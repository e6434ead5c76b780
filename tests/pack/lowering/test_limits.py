"""Export comes to an end, whatever the function does with odd values."""

import os
import time

import numpy as np
import pytest

from hyrax_pack.lowering import Refusal
from hyrax_pack.lowering.proving import limiting
from hyrax_pack.lowering.proving.limiting import TookTooLong, within_limits
from tests.pack.lowering.cases import build_case

COUNTING_DOWN = """
def to_tensor(d):
    import numpy as np
    x, at = np.asarray(d["data"]["x"]), np.asarray(d["data"]["at"])
    return x * np.take(np.arange(5.0), at, mode="wrap")[:, None]
"""


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(limiting, "_PATIENCE_S", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_loop_inside_of_numpy_that_does_not_end_is_refused():
    fields = {"data/x": ["float32", [3], -3, 3], "data/at": ["int64", [], 0, 9]}
    found = build_case(COUNTING_DOWN, fields).lower()
    assert isinstance(found, Refusal)
    assert "does not come to an end for some values" in str(found)
    assert found.reason.hint.startswith("keep what it counts or loops by within bounds")
    assert not found.is_unsound


def test_work_within_its_limits_gives_what_it_gives():
    array = within_limits(lambda beat: [beat(5.0), np.arange(3)][1])
    np.testing.assert_array_equal(array, np.arange(3))


def test_what_work_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        within_limits(lambda beat: 1 / 0)


def test_a_step_that_takes_too_long_is_ended_and_its_process_gone():
    def work(beat):
        beat(0.2)
        np.take([1], 2**62, mode="wrap")

    began = time.monotonic()
    with pytest.raises(TookTooLong):
        within_limits(work)
    assert time.monotonic() - began < 10
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_more_memory_than_there_is_is_an_error_of_the_function():
    with pytest.raises(MemoryError):
        within_limits(lambda beat: np.ones(1 << 40))


def test_a_child_that_breaks_down_by_itself_has_its_work_done_here():
    parent = os.getpid()
    assert within_limits(lambda beat: os.getpid() if os.getpid() == parent else os._exit(3)) == parent
