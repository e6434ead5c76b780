"""From rows to batches: which rows, in which order, read and turned into tensors here or in worker processes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.replay import as_slots, compile_protected
from torch.utils.data import DataLoader, Dataset, Sampler

from hyrax_pack.config import Config
from hyrax_pack.data.tensors import to_torch
from hyrax_pack.errors import HyraxError, TrainingError
from hyrax_pack.resolving import user_code
from hyrax_pack.training.data_random import DataGenerators
from hyrax_pack.training.seeding import order_of, seed_everything, seed_of_batch
from hyrax_pack.training.stopping import leave_signals_to_training

if TYPE_CHECKING:
    from hyrax_pack.data.group import Group
    from hyrax_pack.data.tensors import Batch

Indices = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Turn:
    """One batch to load: which rows, and which batch of which epoch they are."""

    rows: Indices
    epoch: int
    number: int


@dataclass(frozen=True)
class Loaded:
    """One batch as it comes out of the loader."""

    batch: Batch

    def pin_memory(self) -> Loaded:
        """The same in page-locked memory; torch's loader calls it."""
        if isinstance(self.batch, tuple):
            return Loaded(tuple([None if each is None else each.pin_memory() for each in self.batch]))
        return Loaded(self.batch.pin_memory())


class TensorFunction:
    """The captured text of `to_tensor`, compiled in each process that calls it: text travels, functions do not."""

    def __init__(self, text: str, *, on_copy: bool = False) -> None:
        self.text = text
        self.on_copy = on_copy
        self._function: Callable[[Any], Any] | None = None

    def __call__(self, data_dict: dict[str, Any]) -> Any:
        """Call the function."""
        if self._function is None:
            self._function = compile_protected(self.text, on_copy=self.on_copy)
        return self._function(data_dict)

    def __getstate__(self) -> dict[str, Any]:
        return {"text": self.text, "on_copy": self.on_copy, "_function": None}


class _Rows(Dataset[Any]):
    """A group's rows through `to_tensor`, a batch at a time."""

    def __init__(self, group: Group, function: TensorFunction, seed: int) -> None:
        self._group = group
        self._function = function
        self._seed = seed
        self._generators: DataGenerators | None = None

    def __getitem__(self, turn: Turn) -> Loaded | HyraxError:
        if torch.utils.data.get_worker_info() is not None:
            self._seed_worker(turn)
        try:
            return self.load(turn.rows)
        except HyraxError as error:  # as a value: torch would turn it into a traceback of the worker
            return error

    def _seed_worker(self, turn: Turn) -> None:
        """A worker that is started again in the middle of an epoch does what its predecessor would have done.

        In the training process the generators run on, and a checkpoint holds them.
        """
        if self._generators is None:
            self._generators = DataGenerators([self._group])
        seed = seed_of_batch(self._seed, turn.epoch, turn.number)
        seed_everything(seed)
        self._generators.seed(seed)

    def load(self, rows: Sequence[int] | Indices) -> Loaded:
        """Read rows and call `to_tensor` on them."""
        try:
            return self._tensors_of(rows)
        except TrainingError as error:
            if len(rows) > 1 and (words := self._rows_at_fault(rows)):
                raise TrainingError(f"{error}; {words}") from error
            raise

    def _tensors_of(self, rows: Sequence[int] | Indices) -> Loaded:
        data_dict = self._group.data_dict(rows)
        with user_code("to_tensor", TrainingError):
            result = self._function(data_dict)
        return Loaded(to_torch(as_slots(result, rows=len(rows))))

    def _rows_at_fault(self, rows: Sequence[int] | Indices) -> str:
        """Name the rows of a batch that are refused alone too; empty where that is none of them, or every one."""
        bad = []
        for row in rows:
            try:
                self._tensors_of([row])
            except TrainingError:
                bad.append(row)
        if not 0 < len(bad) < len(rows):
            return ""
        shown = ", ".join(str(each) for each in self._group.ids(bad[:_NAMED])) + (", …" if len(bad) > _NAMED else "")
        return f"{len(bad)} of the {len(rows)} rows of this batch fail alone too, those with object_id {shown}"


# Rows at fault that are named.
_NAMED = 3

_LOST = re.compile(r"DataLoader worker \((pid[^)]*(?:\(s\))?[^)]*)\) (is killed|exited)")


class _Turns(Sampler[Turn]):
    """The turns that are left of the epoch under way; the loader asks for them as it goes."""

    def __init__(self) -> None:
        self.left: Iterator[Turn] = iter(())

    def __iter__(self) -> Iterator[Turn]:
        return self.left


class Batches:
    """The batches of one group, epoch after epoch.

    Parameters
    ----------
    group : Group
    function : TensorFunction
    config : Config
        `[data_loader]`.
    seed : int
        Of the run.
    shuffle : bool
        Whether an epoch visits the rows in a permutation of its own.
    rank, size : int
        This process's place among those that train together: each gets its part of every batch.
    pin : bool
        Put batches in page-locked memory, from where a GPU fetches them without waiting.
    """

    def __init__(
        self,
        group: Group,
        function: TensorFunction,
        config: Config,
        *,
        seed: int,
        shuffle: bool,
        rank: int = 0,
        size: int = 1,
        pin: bool = False,
    ) -> None:
        self.group = group
        self.rows = len(group)
        self.batch_size = int(config.get("data_loader.batch_size")) * size
        self.drop_last = False
        self._seed, self._shuffle, self._rank, self._size = seed, shuffle, rank, size
        self._rows_of_group = _Rows(group, function, seed)
        self._turns = _Turns()
        self._loader = _make_loader(self._rows_of_group, self._turns, config, pin)

    @property
    def last_rows(self) -> int:
        """The rows of an epoch's last batch."""
        return self.rows % self.batch_size or min(self.rows, self.batch_size)

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(self.rows, self.batch_size)
        return whole + (1 if rest and not self.drop_last else 0)

    def sizes(self, number: int) -> tuple[int, int]:
        """Rows of batch `number`: of this process, and of all."""
        every = min(self.batch_size, self.rows - number * self.batch_size)
        return _part_size(every, self._rank, self._size), every

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Loaded]:
        """The batches of `epoch` (from 1), without the first `skip`.

        Raises
        ------
        HyraxError
            The data set or `to_tensor` refused a batch.
        """
        order = order_of(self.rows, self._seed, epoch, shuffle=self._shuffle)
        self._turns.left = _turns_of(order, self.batch_size, epoch, range(skip, len(self)), self._rank, self._size)
        for loaded in self._loader:
            if isinstance(loaded, HyraxError):
                raise loaded
            yield loaded

    def rows_of(self, epoch: int, number: int) -> Indices:
        """The rows of this process in batch `number` of `epoch`."""
        order = order_of(self.rows, self._seed, epoch, shuffle=self._shuffle)
        return _part(order[number * self.batch_size : (number + 1) * self.batch_size], self._rank, self._size)

    def sample(self) -> Batch:
        """The first row as a batch of one: what a model's `__init__` is given."""
        return self._rows_of_group.load([0]).batch

    def close(self) -> None:
        """End the workers now: left to the garbage collector they may be waited for, five seconds each."""
        iterator = self._loader._iterator
        if iterator is not None and hasattr(iterator, "_shutdown_workers"):
            iterator._shutdown_workers()


def lost_worker(error: BaseException | None) -> str | None:
    """Say that a process that reads data is gone, where an error is about that; None for any other.

    torch raises it wherever the training process happens to be: in the user's code, too.
    """
    while error is not None:
        found = _LOST.match(str(error))
        if found:
            return (
                f"a process that reads data ({found[1]}) is gone: killed by the system, where memory is short (fewer "
                "data_loader.num_workers, smaller batches), or ended by the data set's own code"
            )
        error = error.__cause__
    return None


def _turns_of(
    order: Indices, batch_size: int, epoch: int, numbers: Iterable[int], rank: int, size: int
) -> Iterator[Turn]:
    for number in numbers:
        rows = order[number * batch_size : (number + 1) * batch_size]
        yield Turn(_part(rows, rank, size), epoch, number * size + rank)


def _part(rows: Indices, rank: int, size: int) -> Indices:
    """One process's part of a batch. One that would get nothing repeats a row, which then counts for nothing."""
    if size == 1:
        return rows
    part = np.array_split(rows, size)[rank]
    return part if len(part) else rows[:1]


def changes_input(function: Callable[[Any], Any], data_dict: dict[str, Any]) -> bool:
    """Whether `function` changes what it is given, as an in-place normalisation does."""
    before = copy_input(data_dict)
    with user_code("to_tensor", TrainingError):
        function(data_dict)
    return not _is_same(before, data_dict)


def _is_same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, np.ndarray | np.generic):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        # By bytes: a NaN is the same NaN.
        return one.dtype.hasobject or one.tobytes() == other.tobytes()
    return bool(one == other) or one != one


def _part_size(every: int, rank: int, size: int) -> int:
    whole, rest = divmod(every, size)
    return whole + (1 if rank < rest else 0)


def _make_loader(rows: _Rows, turns: _Turns, config: Config, pin: bool) -> DataLoader[Any]:
    workers = int(config.get("data_loader.num_workers"))
    settings: dict[str, Any] = {}
    if workers:
        settings = {
            "persistent_workers": True,
            "prefetch_factor": int(config.get("data_loader.prefetch_factor")),
            "worker_init_fn": _start_worker,
        }
    return DataLoader(
        rows,
        sampler=turns,
        batch_size=None,  # a turn is a whole batch already
        num_workers=workers,
        pin_memory=pin,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # or the loader would draw from the generator that fills dropout masks
        **settings,
    )


def _as_it_is(loaded: Any) -> Any:
    return loaded


def _start_worker(_number: int) -> None:
    leave_signals_to_training()
    torch.set_num_threads(1)
