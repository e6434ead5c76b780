"""Batches one after another, with the next one's `to_tensor` running while the graph computes the last.

Two steps are under way at most: one being fed in the caller's thread, one in onnxruntime, which holds no lock of
Python's. Order is kept, and an error is raised after every result that came before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from hyrax_runtime.errors import HyraxError, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Future

B = TypeVar("B")
T = TypeVar("T")


@dataclass(frozen=True)
class Step(Generic[T]):
    """One piece of work for the second thread; where it is the last of its batch, `finish` gives the batch's result."""

    batch: int
    run: Callable[[], None]
    finish: Callable[[], T] | None


def run_overlapped(batches: Iterable[B], steps_of: Callable[[B, int], Iterator[Step[T]]]) -> Iterator[T]:
    """Yield one result per batch, in order.

    `steps_of(batch, number)` does the first half of each step (to_tensor) when it is asked for the step; the step's
    `run` does the second half, in another thread.

    Raises
    ------
    HyraxError
        As the steps raise it, with `batch` set to the number of the batch.
    UsageError
        The stream is read on in another process than the one that began it, which has its second thread.
    """
    began_in = os.getpid()
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="hyrax-stream") as thread:
        waiting: tuple[Step[T], Future[None]] | None = None
        steps = _all_steps(batches, steps_of)
        while True:
            started = None
            try:
                if (step := next(steps, None)) is not None:
                    if os.getpid() != began_in:
                        raise UsageError("a stream goes on in the process that began it; begin one after the fork")
                    started = (step, thread.submit(step.run))
            except Exception:
                if waiting is not None and os.getpid() == began_in:
                    yield from _finished(*waiting)  # what came before the error is the caller's
                raise
            if waiting is not None:
                yield from _finished(*waiting)
            if started is None:
                return
            waiting = started


def _all_steps(batches: Iterable[B], steps_of: Callable[[B, int], Iterator[Step[T]]]) -> Iterator[Step[T]]:
    for number, batch in enumerate(batches):
        try:
            yield from steps_of(batch, number)
        except HyraxError as error:
            error.batch = number
            raise


def _finished(step: Step[T], future: Future[None]) -> Iterator[T]:
    try:
        future.result()
        if step.finish is None:
            return
        result = step.finish()
    except HyraxError as error:
        error.batch = step.batch
        raise
    yield result
