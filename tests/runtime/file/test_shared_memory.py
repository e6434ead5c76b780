"""Weights stay where they are: a session on a mapped bundle owns little memory, and processes share its pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.file_figures import Figure, shared

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's account of a process's memory"
)


def figures(folder: Path, mib: int) -> dict[str, Figure]:
    return {figure.name: figure for figure in shared(folder, mib)}


def test_a_session_on_a_mapped_bundle_dirties_little_memory(tmp_path: Path) -> None:
    dirty = figures(tmp_path, 128)["private dirty memory"]
    assert dirty.value * 1.048576 <= 40


@pytest.mark.slow
def test_four_processes_take_at_most_1_4_times_the_weights_together(tmp_path: Path) -> None:
    share = figures(tmp_path, 512)["four processes' Pss"]
    assert share.value <= 1.4, share.detail
