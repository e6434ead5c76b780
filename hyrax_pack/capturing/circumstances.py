"""In what fresh processes differ from one another, though their results must not.

Two processes differ in everything at once, which costs nothing. Where their results differ, more processes, each of
which differs from the first in one thing, tell which thing it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

# What a process needs to start and to find its libraries, and what makes linear algebra give the same bits.
_NEEDED = frozenset(
    {
        "COMSPEC", "DYLD_FALLBACK_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH",
        "PATHEXT", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "WINDIR", "__PYVENV_LAUNCHER__",
    }
)  # fmt: skip
_NEEDED_FAMILIES = ("BLIS_", "GOTO_", "KMP_", "MKL_", "NPY_", "OMP_", "OPENBLAS_", "VECLIB_")

WORDS = {
    "hash_seed": "it depends on the order of a set: sort it",
    "backwards": "it depends on the batches that came before: it keeps state between calls",
    "abroad": "it depends on the time zone, the language or the variables of the environment",
    "littered": "it uses memory that nobody has filled: np.zeros instead of np.empty, `out=` beside `where=`",
}
UNKNOWN = "it depends on the moment, or on where things lie in memory"


@dataclass(frozen=True)
class Circumstances:
    """How one fresh process is run.

    Attributes
    ----------
    hash_seed : str
        Decides in which order sets of strings stand.
    backwards : bool
        Whether the last batch comes first.
    abroad : bool
        Whether the machine seems to be elsewhere: another time zone, language and user.
    littered : bool
        Whether new memory holds rubbish (where the system can do that: glibc).
    """

    hash_seed: str = "0"
    backwards: bool = False
    abroad: bool = False
    littered: bool = False

    @property
    def name(self) -> str:
        """Short, for file names."""
        return "-".join(str(int(getattr(self, each.name))) for each in fields(self))

    def environment(self, home: Path) -> dict[str, str]:
        """The variables of the process: no more than it needs, so that nothing of this machine decides the result.

        `-I` would ignore PYTHONHASHSEED, and the proof would differ from day to day; `-P -s` in an environment that
        holds no other PYTHON variable is the same isolation.
        """
        needed = {
            name: value
            for name, value in os.environ.items()
            if name.upper() in _NEEDED or name.upper().startswith(_NEEDED_FAMILIES)
        }
        place = (
            {"TZ": "HYX-11:17", "LC_ALL": "C", "USER": "other"} if self.abroad else {"TZ": "UTC0", "LC_ALL": "C.UTF-8"}
        )
        homes = {"HOME": str(home), "USERPROFILE": str(home)}
        litter = {"MALLOC_PERTURB_": "165"} if self.littered else {}
        return needed | place | homes | litter | {"PYTHONHASHSEED": self.hash_seed}


FIRST = Circumstances()
OTHER = Circumstances(hash_seed="1", backwards=True, abroad=True, littered=True)


def one_by_one() -> Iterator[tuple[str, Circumstances]]:
    """Each thing in which the two differ, with circumstances that differ from the first in it alone."""
    for each in fields(Circumstances):
        yield each.name, replace(FIRST, **{each.name: getattr(OTHER, each.name)})
