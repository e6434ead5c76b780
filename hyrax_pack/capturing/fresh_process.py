"""The other side of the proof: runs a captured text alone, where there is neither torch nor hyrax_pack.

`hyrax_pack.capturing.proving` starts this file as a script, in an empty folder, with a pickled job, the name of the
file to answer in, and how this process goes about it. It imports numpy and the runtime, as production does, and of
hyrax_pack the few modules that need nothing else: those of capturing that say so at their head.

    job     text, modules, batches: pickled [(rows, data_dict)], watched: which batch to watch the reading of,
            company: pickled (rows together, the first alone, how many), for what extreme rows do to others,
            taken: dotted names of what the text takes from modules,
            folders: where numpy, the runtime and the modules are, should Python not look there by itself
    answer  failure; or results: [(returns, slots)] by batch, changed, unsteady, kept, read, gone_over, forms,
            unordered: [(line, source)] of sets whose order shows, unfilled and coupled: in words, marks, warnings
            taken: what stands under the names of the job here
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import linecache
import os
import pickle
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyrax_pack.capturing.watching import Watch

Answer = dict[str, Any]
DataDict = dict[Any, Any]

BLOCKED = frozenset({"torch", "torchvision", "torchaudio", "functorch", "hyrax_pack", "hyrax"})
OBJECT_ID = "object_id"


class Blocked(MetaPathFinder):
    """Makes an import of torch fail, as it will where the bundle runs."""

    def find_spec(self, name: str, path: Any = None, target: types.ModuleType | None = None) -> ModuleSpec | None:
        """Refuse the blocked modules and leave the others to Python."""
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not there where the text runs", name=name)
        return None


@contextlib.contextmanager
def our_own_modules() -> Iterator[None]:
    """Let modules of hyrax_pack.capturing be imported in this block, without the packages around them."""
    here = Path(__file__).parent
    packages = {"hyrax_pack": here.parent, "hyrax_pack.capturing": here}
    for name, folder in packages.items():
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    try:
        yield
    finally:
        for name in packages:
            del sys.modules[name]


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


class Trial:
    """The text, compiled, and everything that is found out by running it on the batches of a job.

    Parameters
    ----------
    job : dict
        What the head of this module says.
    backwards : bool
        Take the batches last first, and compile the text anew for every second call.
    """

    def __init__(self, job: dict[str, Any], *, backwards: bool) -> None:
        with our_own_modules():
            from hyrax_pack.capturing import (
                adverse_sets,
                extreme_company,
                limits,
                module_attributes,
                recording,
                unfilled,
                watching,
            )
        sys.meta_path.insert(0, Blocked())
        from hyrax_runtime import input_guard, replay

        self._recording, self._copy, self._as_slots = recording, input_guard.copy_input, replay.as_slots
        self._adverse_sets, self._extreme_company, self._limits = adverse_sets, extreme_company, limits
        self._unfilled = unfilled
        for module in job["modules"]:  # what a library writes while it is imported is not the function's doing
            importlib.import_module(module)
        self.taken = {name: module_attributes.describe(name) for name in job["taken"]}
        self.text: str = job["text"]
        self._compile = replay.compile_function
        self.function: Callable[[Any], Any] = replay.compile_function(self.text)
        self.outspoken: Callable[[Any], Any] = inspect.unwrap(self.function)  # the same, and numpy warns
        self.filename = self.outspoken.__code__.co_filename
        self.watch: Watch = watching.Watch(self.filename, _libraries(job["modules"]))
        self.batches: list[tuple[int, DataDict]] = pickle.loads(job["batches"])  # inside: arrays need numpy
        self.watched: int = job["watched"]
        self.company = extreme_company.Company(*pickle.loads(job["company"]))
        self.backwards = backwards
        self.at = 0

    def run(self) -> Answer:
        """Call the function twice on each batch, and watch what it reads on one."""
        results: dict[int, Any] = {}
        unsteady: list[int] = []
        changed: set[str] = set()
        kept: set[str] = set()
        before = self._lasting()
        places = range(len(self.batches))
        for place in reversed(places) if self.backwards else places:
            self.at = place
            rows, data_dict = self.batches[place]
            given = self._copy(data_dict)
            results[place] = self._call(given, rows, self.outspoken)
            changed |= self._changed(data_dict, given)
            kept |= {name for name, value in self._lasting().items() if value != before.get(name)}
            again = self._compile(self.text) if self.backwards else self.function
            if not is_same(results[place], self._call(self._copy(data_dict), rows, again)):
                unsteady.append(rows)
        self.at = self.watched
        read, gone_over = self._read(results[self.watched])
        unordered = [] if self.backwards else self._unordered(results)
        unfilled, coupled = self._in_extreme_company(read)
        kept |= {name for name, value in self._lasting().items() if value != before.get(name)}
        return {
            "results": [results[place] for place in places],
            "changed": changed,
            "unsteady": unsteady,
            "kept": kept,
            "read": read,
            "gone_over": gone_over,
            "forms": {path: _form(values) for path, values in self._paths(self.batches[self.watched][1]).items()},
            "unordered": unordered,
            "unfilled": unfilled,
            "coupled": coupled,
            "taken": self.taken,
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
            },
            "taken": self.taken,
        }

    def _call(
        self, data_dict: DataDict, rows: int, function: Callable[[Any], Any] | None = None
    ) -> tuple[str, list[Any]]:
        with self.watch.during():
            returned = (function or self.function)(data_dict)
        slots, returns = self._as_slots(returned, rows=rows)
        return returns, [None if slot is None else slot.copy() for slot in slots]  # it may be a view of the input

    def _unordered(self, results: dict[int, Any]) -> list[tuple[int, str]]:
        """The places that make a set whose order the result depends on."""
        sets = self._adverse_sets.Sets(self.text)
        if not sets.places:
            return []
        function = sets.compile(self._compile)

        def shows(only: int | None) -> bool:
            for descending in (False, True):
                sets.put(descending, only)
                for place in (0, self.watched):
                    rows, data_dict = self.batches[place]
                    with contextlib.suppress(Exception):  # an error is heard in any order
                        if not is_same(results[place], self._call(self._copy(data_dict), rows, function)):
                            return True
            return False

        places = range(len(sets.places)) if shows(None) else ()
        return [sets.places[place] for place in places if shows(place)] or [sets.places[place] for place in places]

    def _in_extreme_company(self, read: set[str]) -> tuple[str | None, str | None]:
        """For which rows memory is given out unfilled, and what an extreme row does to others.

        Each of two processes makes half of the attempts.
        """
        said = set(self.watch.warnings)

        start = time.perf_counter()
        self._call(self._copy(self.company.together), self.company.rows)
        limit_s = 1 + 20 * (time.perf_counter() - start)

        def call(data_dict: DataDict, rows: int, function: Callable[[Any], Any] | None = None) -> Any:
            with contextlib.suppress(Exception, SystemExit), self._limits.limited_time(limit_s):
                return self._call(data_dict, rows, function)[1]
            return None

        self._limits.limit_memory()
        part = (int(self.backwards), 2)
        unfilled: str | None = None
        with _unheard():
            memory = self._unfilled.Unfilled(self.text)
            if memory.asks and not self.backwards:
                changed = memory.compile(self._compile)
                unfilled = memory.find(lambda given, rows: call(given, rows, changed), self.company, read=read)
            found: str | None = self._extreme_company.find_coupling(call, self.company, self.text, read=read, part=part)
        self.watch.warnings = said  # odd values are no news
        return unfilled, found

    def _lasting(self) -> dict[str, bytes]:
        """What lives on between calls, as bytes: the constants of the text, and the attributes of its functions."""
        found: dict[str, bytes] = {}
        for name, value in self.outspoken.__globals__.items():
            if type(value) in (list, dict, tuple) and not name.startswith("__"):
                found[name] = pickle.dumps(value)
            elif isinstance(value, types.FunctionType):
                found |= {f"{name}.{attribute}": b"" for attribute in value.__dict__}
                found[f"the defaults of {name}"] = pickle.dumps((value.__defaults__, value.__kwdefaults__))
        return found

    def _paths(self, data_dict: DataDict) -> dict[str, Any]:
        paths: dict[str, Any] = self._recording.field_paths(data_dict)
        return paths

    def _changed(self, before: DataDict, after: DataDict) -> set[str]:
        known, found = self._paths(before), self._paths(after)
        return {path for path in known | found if not is_same(known.get(path, _MISSING), found.get(path, _MISSING))}

    def _read(self, wanted: Any) -> tuple[set[str], set[str]]:
        """The fields that count as read, and those of them that were only gone over with all others."""
        rows, data_dict = self.batches[self.watched]
        noted = self._recording.Noted()
        paths = set(self._paths(data_dict))
        result = None
        with contextlib.suppress(Exception):  # user code may refuse a dict that is not quite one
            result = self._call(self._recording.record(self._copy(data_dict), noted), rows)
        if not is_same(result, wanted):
            return paths, paths
        ids = {path for path in paths if path.rpartition("/")[2] == OBJECT_ID}  # a word that stands for several
        written = self._recording.named_in_text(self.text, paths - ids)
        read = noted.named | noted.passed | written
        if OBJECT_ID in noted.passed - noted.named and self._is_enough(paths - {OBJECT_ID}, wanted):
            read -= {OBJECT_ID}  # ids may always be missing
        if not self._is_enough(read, wanted):  # it looked in a way that was not noted, as when it counts the fields
            read = paths
        return read, (noted.passed - written) & read

    def _is_enough(self, paths: set[str], wanted: Any) -> bool:
        """Whether the result stays the same when only the fields of `paths` are there."""
        rows, data_dict = self.batches[self.watched]
        kept = self._recording.only_fields(self._copy(data_dict), paths)
        with contextlib.suppress(Exception):  # user code, given too little, may raise anything
            return is_same(self._call(kept, rows), wanted)
        return False


def answer(job_file: Path, answer_file: Path, *, backwards: bool) -> None:
    """Run the job and leave the answer, a failure included."""
    job = pickle.loads(job_file.read_bytes())
    sys.path += job["folders"]
    trial = Trial(job, backwards=backwards)

    def report(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
        answer_file.write_bytes(pickle.dumps(trial.failure(error)))

    sys.excepthook = report
    try:
        found = trial.run()
    except SystemExit as error:  # which no hook hears of
        found = trial.failure(error)
    answer_file.write_bytes(pickle.dumps(found))


_MISSING = object()


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Let nothing be printed in this block: LAPACK complains of what is not finite."""
    _flush()
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    try:
        yield
    finally:
        _flush()
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)
        os.close(nowhere)


def _flush() -> None:
    """Write out what waits to be printed, by C too."""
    import ctypes

    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError, TypeError, AttributeError):  # not everywhere can C's own library be asked
        ctypes.CDLL(None).fflush(None)


def _libraries(modules: list[str]) -> list[str]:
    """Where installed code lies: Python's own folders, and those of the modules that the text needs."""
    files = [getattr(sys.modules.get(name.partition(".")[0]), "__file__", None) for name in (*modules, "hyrax_runtime")]
    packages = [str(Path(file).parent if Path(file).stem == "__init__" else file) for file in files if file]
    return [sys.prefix, sys.base_prefix, str(Path(os.__file__).parent), *packages]


def _form(values: Any) -> str:
    return {"list": "list", "ndarray": "stacked"}.get(type(values).__name__, "collated")


if __name__ == "__main__":
    answer(Path(sys.argv[1]), Path(sys.argv[2]), backwards=sys.argv[3:] == ["backwards"])
