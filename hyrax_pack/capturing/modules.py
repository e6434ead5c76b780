"""Which modules a captured function may import, which of their names it may not use, and who distributes them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hyrax_runtime.manifest import Requirement
from hyrax_runtime.replay import missing_requirements

from hyrax_pack.capturing.origins import own_file_instead

if TYPE_CHECKING:
    from importlib.metadata import Distribution

# numpy, and the parts of the standard library that only compute.
ALLOWED = frozenset(
    {
        "__future__", "abc", "array", "base64", "binascii", "bisect", "bz2", "calendar", "cmath", "collections",
        "colorsys", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools",
        "gzip", "hashlib", "heapq", "io", "itertools", "json", "lzma", "math", "numbers", "numpy", "operator", "re",
        "statistics", "string", "struct", "textwrap", "types", "typing", "unicodedata", "warnings", "zlib",
    }
)  # fmt: skip

_TORCH = frozenset({"torch", "torchvision", "torchaudio", "torch_xla", "functorch"})

# What no list of requirements allows: the result would depend on when, where or how often it runs.
_NEVER = {
    "random": "is random: give random numbers as a field, or augment in train_step",
    "secrets": "is random: give random numbers as a field, or augment in train_step",
    "uuid": "is random: give random numbers as a field, or augment in train_step",
    "numpy.random": "is random: give random numbers as a field, or augment in train_step",
    "time": "reads the clock: give the time as a field",
    "datetime.datetime.now": "reads the clock: give the time as a field",
    "datetime.datetime.utcnow": "reads the clock: give the time as a field",
    "datetime.datetime.today": "reads the clock: give the time as a field",
    "datetime.date.today": "reads the clock: give the time as a field",
    "calendar.day_abbr": "is of the machine's language: use numbers",
    "calendar.day_name": "is of the machine's language: use numbers",
    "calendar.month_abbr": "is of the machine's language: use numbers",
    "calendar.month_name": "is of the machine's language: use numbers",
    "datetime.date.fromtimestamp": "uses the time zone of the machine: datetime.fromtimestamp(t, timezone.utc).date()",
    "dateutil.tz.tzlocal": "is the time zone of the machine: name one",
    "importlib": "imports what cannot be seen here: write a plain import",
    "builtins": "reaches eval, exec and open: use the built-in names that compute",
    **{
        f"os.{name}": "reads the environment: put the value into the text, or give it as a field"
        for name in ("environ", "environb", "getenv", "getenvb", "path.expanduser", "path.expandvars")
    },
    **{
        f"os.{name}": "differs from machine to machine: put the value into the text, or give it as a field"
        for name in ("cpu_count", "getcwd", "getlogin", "getpid", "getuid", "listdir", "name", "scandir", "stat",
                     "uname", "urandom", "walk", "path.abspath", "path.exists", "path.getmtime", "path.getsize",
                     "path.isdir", "path.isfile", "path.realpath")
    },
    **{
        f"sys.{name}": "differs from machine to machine: put the value into the text, or give it as a field"
        for name in ("argv", "executable", "flags", "modules", "path", "platform", "stdin")
    },
    "os._exit": "ends the program: raise ValueError",
    "os.abort": "ends the program: raise ValueError",
    "sys.exit": "ends the program: raise ValueError",
    "numpy.load": "reads a file: give its content as a field, or write it into the text",
    "numpy.loadtxt": "reads a file: give its content as a field, or write it into the text",
    "numpy.genfromtxt": "reads a file: give its content as a field, or write it into the text",
    "numpy.fromfile": "reads a file: give its content as a field, or write it into the text",
    "numpy.rec.fromfile": "reads a file: give its content as a field, or write it into the text",
    "numpy.fromregex": "reads a file: give its content as a field, or write it into the text",
    "numpy.memmap": "reads a file: give its content as a field, or write it into the text",
    "numpy.DataSource": "reads a file: give its content as a field, or write it into the text",
    "numpy.lib": "is numpy's inside: use the public names of numpy",
    "numpy.lib.stride_tricks.as_strided": "reads whatever lies in memory: use sliding_window_view",
    "numpy.save": "writes a file: remove it",
    "numpy.savez": "writes a file: remove it",
    "numpy.savez_compressed": "writes a file: remove it",
    "numpy.savetxt": "writes a file: remove it",
    "io.open": "opens a file: give its content as a field",
    "io.open_code": "opens a file: give its content as a field",
    "io.FileIO": "opens a file: give its content as a field",
    "gzip.open": "opens a file: give the bytes as a field and use gzip.decompress",
    "bz2.open": "opens a file: give the bytes as a field and use bz2.decompress",
    "lzma.open": "opens a file: give the bytes as a field and use lzma.decompress",
    "numpy.seterr": "changes numpy for the whole process: use `with np.errstate(...)`",
    "numpy.seterrcall": "changes numpy for the whole process: use `with np.errstate(...)`",
    "decimal.getcontext": "is the arithmetic of the whole process: use `with decimal.localcontext() as context`",
    "decimal.setcontext": "is the arithmetic of the whole process: use `with decimal.localcontext() as context`",
    "numpy.setbufsize": "changes numpy for the whole process: remove it",
    "numpy.set_printoptions": "changes numpy for the whole process: remove it",
    "numpy.getbufsize": "depends on what the process has set: remove it",
    "numpy.geterr": "depends on what the process has set: write `with np.errstate(...)` around what needs it",
    "numpy.geterrcall": "depends on what the process has set: remove it",
    "numpy.get_printoptions": "depends on what the process has set: remove it",
    "warnings.resetwarnings": "changes the warnings of the whole process: remove it",
    "warnings.filters": "depends on what the process has set: remove it",
    "numpy.f2py": "compiles and runs programs: it has no place in to_tensor",
    "numpy.ctypeslib": "loads libraries: it has no place in to_tensor",
    "numpy.testing": "is for tests: use an `if` and `raise`",
}  # fmt: skip

# What is public below a name that is refused.
_PUBLIC = tuple(f"numpy.lib.{name}" for name in ("array_utils", "recfunctions", "scimath", "stride_tricks"))


def refused_name(dotted: str) -> str | None:
    """Why no captured text may use a name such as `numpy.random.normal`; None where nothing is known against it.

    Examples
    --------
    >>> refused_name("numpy.random.normal")
    'numpy.random is random: give random numbers as a field, or augment in train_step'
    >>> refused_name("numpy.linalg.norm") is None
    True
    """
    parts = dotted.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        if name in _NEVER and not (name == "numpy.lib" and dotted.startswith(_PUBLIC)):
            return f"{name} {_NEVER[name]}"
    return None


def refused_module(module: str, *, requires: Sequence[str], home: str) -> str | None:
    """Why a captured text may not import the module, with the cure; None where it may.

    Parameters
    ----------
    module : str
        Dotted, as imported.
    requires : sequence of str
        `[model] requires`: modules or distributions that will be installed where the bundle runs.
    home : str
        `__module__` of the function, to know its own package.
    """
    top = module.partition(".")[0]
    if top in _TORCH:
        return "torch will be missing where it runs; write it with numpy, torch never travels"
    if what := refused_name(module):
        return what
    if what := _hidden_by_a_file(top):
        return what
    if top in ALLOWED:
        return None
    if top in ("hyrax_pack", "hyrax") or (top == home.partition(".")[0] and top != "__main__"):
        return f"{top}, your own package, will be missing where it runs; move what you need into the same file"
    if _is_pythons(top):
        listed = top in {_plain_name(name) for name in requires}
        return None if listed else f'{top} does more than compute; remove it, or allow it: [model] requires = ["{top}"]'
    if not is_module(module):
        return f"{module} is not installed here, so nothing can be proven; install it, or remove the import"
    return _refused_distribution(top, requires)


def is_module(dotted: str) -> bool:
    """Whether the dotted name is a module that is installed here; finds without importing."""
    return not missing_requirements([Requirement(dotted, None, None)])


def requirements_of(modules: Iterable[str]) -> tuple[Requirement, ...]:
    """Each module with the distribution that brought it and its version; None for the standard library."""
    return tuple(_requirement(module) for module in sorted(set(modules)))


def _hidden_by_a_file(top: str) -> str | None:
    if _is_pythons(top):
        return own_file_instead(top, None)
    distribution = _distribution_of(top) if is_module(top) else None
    return own_file_instead(top, distribution) if distribution else None


def _refused_distribution(top: str, requires: Sequence[str]) -> str | None:
    distribution = _distribution_of(top)
    if distribution is None:
        return f"{top} is a file of this machine and will be missing where it runs; move what you need into the file"
    wanted = {_plain_name(name) for name in requires}
    if _plain_name(top) in wanted or _plain_name(distribution.metadata["Name"]) in wanted:
        return None
    return (
        f"{top} may be missing where it runs; have it installed there and say so: "
        f'[model] requires = ["{top}"], or write it with numpy'
    )


def _requirement(module: str) -> Requirement:
    top = module.partition(".")[0]
    found = None if _is_pythons(top) else _distribution_of(top)
    return (
        Requirement(module, None, None) if found is None else Requirement(module, found.metadata["Name"], found.version)
    )


def _is_pythons(top: str) -> bool:
    return top in sys.stdlib_module_names


def _distribution_of(top: str) -> Distribution | None:
    """The installed distribution that holds a top-level module."""
    from importlib import metadata  # 20 ms, and only capturing needs it

    try:
        found = metadata.distribution(top)
        files = found.files
        if files is None or any(str(file).startswith((f"{top}/", f"{top}.")) for file in files):
            return found
    except metadata.PackageNotFoundError:
        pass
    names = metadata.packages_distributions().get(top)  # reads every distribution: a tenth of a second
    return metadata.distribution(names[0]) if names else None


def _plain_name(name: str) -> str:
    """A distribution or module name without version and spelling: `Scikit-Learn>=1.5` is `scikit_learn`."""
    found = re.match(r"[A-Za-z0-9_.-]+", name.strip())
    return re.sub(r"[-_.]+", "_", found[0]).lower() if found else ""
