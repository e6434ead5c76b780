"""The other side of the proof: runs a captured text alone, where there is neither torch nor hyrax_pack.

`hyrax_pack.capturing.proving` starts this file as a script, in an empty folder, with a pickled job and the name of the
file to answer in. It imports numpy and the runtime, as production does, and nothing else.

    job     text, modules, batches: pickled [(rows, data_dict)], watched: which batch to watch the reading of,
            folders: where numpy, the runtime and the modules are, should Python not look there by itself
    answer  failure; or results: [(returns, slots)] by batch, changed, unsteady, read, forms, marks, warnings
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
import linecache
import os
import pickle
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
DataDict = dict[Any, Any]

BLOCKED = frozenset({"torch", "torchvision", "torchaudio", "functorch", "hyrax_pack", "hyrax"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What Python announces before it happens (sys.addaudithook) and no to_tensor may do.
_MARKS = {
    "os.mkdir": "makes a folder",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.rmdir": "removes a folder",
    "os.symlink": "makes a link",
    "os.link": "makes a link",
    "os.truncate": "writes a file",
    "os.system": "starts a program",
    "os.exec": "starts a program",
    "os.posix_spawn": "starts a program",
    "os.fork": "starts a process",
    "subprocess.Popen": "starts a program",
    "socket.connect": "opens a connection",
    "socket.bind": "opens a port",
}


class Blocked(MetaPathFinder):
    """Makes an import of torch fail, as it will where the bundle runs."""

    def find_spec(self, name: str, path: Any = None, target: types.ModuleType | None = None) -> ModuleSpec | None:
        """Refuse the blocked modules and leave the others to Python."""
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not there where the text runs", name=name)
        return None


class Watch:
    """What the function does besides computing: files, programs, connections, warnings; noted within `during`."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.marks: list[tuple[str, int]] = []
        self.warnings: set[tuple[str, int]] = set()
        self._open = False
        sys.addaudithook(self._hear)

    @contextlib.contextmanager
    def during(self) -> Iterator[None]:
        """Watch the calls made in this block."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._open = True
            try:
                yield
            finally:
                self._open = False
        for each in caught:
            line = each.lineno if each.filename == self.filename else 0
            self.warnings.add((f"{each.category.__name__}: {each.message}", line))

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._open:
            return
        what = _MARKS.get(event)
        if event == "open" and _writes(*arguments):
            what = f"writes the file {arguments[0]}"
        if what:
            self._open = False  # finding the line must not be heard
            self.marks.append((what, self._line()))
            self._open = True
            raise PermissionError(f"to_tensor {what}")

    def _line(self) -> int:
        frames = (frame.lineno or 0 for frame in traceback.extract_stack() if frame.filename == self.filename)
        return max(frames, default=0)


class _Recording(dict[Any, Any]):
    """A dict that notes which of its fields are asked for by name, and which are passed over with all others."""

    def __init__(self, values: DataDict, named: set[str], passed: set[str], prefix: str = "") -> None:
        super().__init__(
            {
                key: _Recording(value, named, passed, f"{key}/") if isinstance(value, dict) and not prefix else value
                for key, value in values.items()
            }
        )
        self._named, self._passed, self._prefix = named, passed, prefix
        self._iterated = False

    def _note(self, key: Any) -> None:
        if key in self.fields() and not self._iterated:
            self._named.add(f"{self._prefix}{key}")

    def _note_all(self) -> None:
        self._iterated = True
        self._passed.update(f"{self._prefix}{key}" for key in self.fields())

    def fields(self) -> list[Any]:
        """The keys that hold a field and not a data set."""
        return [key for key, value in super().items() if not isinstance(value, _Recording)]

    def __getitem__(self, key: Any) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._note(key)
        return super().get(key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        self._note(key)
        return super().pop(key, *default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._note(key)
        return super().setdefault(key, default)

    def __contains__(self, key: Any) -> bool:
        if super().__contains__(key) and key in self.fields():
            self._passed.add(f"{self._prefix}{key}")
        return super().__contains__(key)

    def __iter__(self) -> Iterator[Any]:
        self._note_all()
        return super().__iter__()

    def keys(self) -> Any:
        self._note_all()
        return super().keys()

    def values(self) -> Any:
        self._note_all()
        return super().values()

    def items(self) -> Any:
        self._note_all()
        return super().items()

    def copy(self) -> DataDict:
        return dict(self)

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __deepcopy__(self, memo: dict[int, Any]) -> DataDict:
        return {key: copy.deepcopy(value, memo) for key, value in self.items()}


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are bit for bit the same, all the way down; 0.0 is not -0.0, and NaN is itself."""
    import numpy as np  # late: the job says where it is

    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        return all(map(is_same, one.flat, other.flat)) if one.dtype.hasobject else one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return list(one) == list(other) and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one is other or pickle.dumps(one) == pickle.dumps(other)


def field_paths(data_dict: DataDict) -> dict[str, Any]:
    """Every field by its path: `friendly/field`, or the bare key of what stands beside the data sets."""
    paths: dict[str, Any] = {}
    for key, value in data_dict.items():
        if isinstance(value, dict):
            paths |= {f"{key}/{field}": values for field, values in value.items()}
        else:
            paths[str(key)] = value
    return paths


class Trial:
    """The text, compiled, and everything that is found out by running it on the batches of a job."""

    def __init__(self, job: dict[str, Any]) -> None:
        from hyrax_runtime import input_guard, replay

        self._copy, self._as_slots = input_guard.copy_input, replay.as_slots
        for module in job["modules"]:  # what a library writes while it is imported is not the function's doing
            importlib.import_module(module)
        self.function: Callable[[Any], Any] = replay.compile_function(job["text"])
        self.outspoken: Callable[[Any], Any] = inspect.unwrap(self.function)  # the same, and numpy warns
        self.filename = self.outspoken.__code__.co_filename
        self.watch = Watch(self.filename)
        self.batches: list[tuple[int, DataDict]] = pickle.loads(job["batches"])  # inside: arrays need numpy
        self.watched: int = job["watched"]
        self.at = 0

    def run(self) -> Answer:
        """Call the function twice on each batch, and watch what it reads on one."""
        results, unsteady = [], []
        changed: set[str] = set()
        for place, (rows, data_dict) in enumerate(self.batches):
            self.at = place
            given = self._copy(data_dict)
            first = self._call(given, rows, self.outspoken)
            after = field_paths(given)
            changed |= {path for path, values in field_paths(data_dict).items() if not is_same(values, after.get(path))}
            changed |= after.keys() - field_paths(data_dict).keys()
            if not is_same(first, self._call(self._copy(data_dict), rows)):
                unsteady.append(rows)
            results.append(first)
        self.at = self.watched
        return {
            "results": results,
            "changed": changed,
            "unsteady": unsteady,
            "read": self._read(results[self.watched]),
            "forms": {path: _form(values) for path, values in field_paths(self.batches[self.watched][1]).items()},
            "marks": self.watch.marks,
            "warnings": self.watch.warnings,
        }

    def failure(self, error: BaseException) -> Answer:
        """What was raised, on which batch, in which line of the text."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == self.filename]
        line = frames[-1].lineno or 0 if frames else 0
        return {
            "failure": {
                "rows": self.batches[self.at][0],
                "kind": type(error).__name__,
                "message": (str(error).strip().splitlines() or [""])[0],
                "key": error.args[0] if isinstance(error, KeyError) and error.args else None,
                "line": line,
                "code": linecache.getline(self.filename, line).strip() if line else "",
                "marks": self.watch.marks,
            }
        }

    def _call(
        self, data_dict: DataDict, rows: int, function: Callable[[Any], Any] | None = None
    ) -> tuple[str, list[Any]]:
        with self.watch.during():
            returned = (function or self.function)(data_dict)
        slots, returns = self._as_slots(returned, rows=rows)
        return returns, [None if slot is None else slot.copy() for slot in slots]  # it may be a view of the input

    def _read(self, wanted: Any) -> set[str]:
        """The fields asked for by name, and of the others those without which the result is another."""
        rows, data_dict = self.batches[self.watched]
        named: set[str] = set()
        passed: set[str] = set()
        self._call(_Recording(self._copy(data_dict), named, passed), rows)
        untouched = field_paths(data_dict).keys() - named
        doubtful = (passed & untouched) if self._is_enough(named | passed, wanted) else untouched
        return named | {
            path for path in doubtful if not self._is_enough(field_paths(data_dict).keys() - {path}, wanted)
        }

    def _is_enough(self, paths: set[str], wanted: Any) -> bool:
        """Whether the result stays the same when only the fields of `paths` are there."""
        rows, data_dict = self.batches[self.watched]
        kept = {
            key: {field: values for field, values in value.items() if f"{key}/{field}" in paths}
            if isinstance(value, dict)
            else value
            for key, value in data_dict.items()
            if isinstance(value, dict) or str(key) in paths
        }
        with contextlib.suppress(Exception):  # user code, given too little, may raise anything
            return is_same(self._call(self._copy(kept), rows), wanted)
        return False


def answer(job_file: Path, answer_file: Path) -> None:
    """Run the job and leave the answer, a failure included."""
    sys.meta_path.insert(0, Blocked())
    job = pickle.loads(job_file.read_bytes())
    sys.path += job["folders"]
    trial = Trial(job)

    def report(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
        answer_file.write_bytes(pickle.dumps(trial.failure(error)))

    sys.excepthook = report
    found = trial.run()
    answer_file.write_bytes(pickle.dumps(found))


def _writes(path: Any, mode: str | None, flags: int) -> bool:
    if path == os.devnull:
        return False
    return any(letter in "wax+" for letter in mode) if mode else bool(flags & _WRITING)


def _form(values: Any) -> str:
    return {"list": "list", "ndarray": "stacked"}.get(type(values).__name__, "collated")


if __name__ == "__main__":
    answer(Path(sys.argv[1]), Path(sys.argv[2]))
