"""Every refusal names the file, the line, the thing and the cure."""

import textwrap
from dataclasses import dataclass

import pytest

from hyrax_pack.capturing import capture
from hyrax_pack.errors import CaptureError


@dataclass(frozen=True)
class Case:
    """A source whose refused line ends in `#!`, and the words that must stand beside that line's number."""

    name: str
    source: str
    says: tuple[str, ...]


def static(body: str, above: str = "", around: str = "@staticmethod") -> str:
    """A class with a static `to_tensor` of this body, below `above`."""
    body = textwrap.indent(textwrap.dedent(body).strip("\n"), " " * 8)
    return f"{textwrap.dedent(above).strip()}\n\nclass StampNet:\n    {around}\n    def to_tensor(data_dict):\n{body}\n"


NP = "import numpy as np"
CASES = [
    # what stands outside the function
    Case(
        "a number that is computed at import",
        static("return data_dict['data']['image'] * SCALE  #!", "SCALE = 1 / 65535"),
        ("`SCALE`", "`1 / 65535` (stamps.py:1) is no literal but computed", "move it inside the function"),
    ),
    Case(
        "an array made at import",
        static("return data_dict['data']['image'] - MEAN  #!", "import numpy as np\nMEAN = np.array([1.0, 2.0])"),
        ("`MEAN`", "an array of shape (2,) made when the file was imported", "give it as a field"),
    ),
    Case(
        "a constant that was changed since",
        static(
            "return data_dict['data']['image'] * SCALE  #!",
            "SCALE = 2.0\ndef f():\n    global SCALE\n    SCALE = 3.0\nf()",
        ),
        ("`SCALE`", "is 3.0 now, and 2.0 in stamps.py:1", "write it inside"),
    ),
    Case(
        "a constant of another type than it says",
        static("return data_dict['data']['image'] * SCALE  #!", "SCALE = 1\nglobals()['SCALE'] = True"),
        ("`SCALE`", "is True now, and 1 in stamps.py:1"),
    ),
    Case(
        "a constant under a condition",
        static(
            "return data_dict['data']['image'] * SCALE  #!",
            "import sys\nif sys:\n    SCALE = 2.0\nelse:\n    SCALE = 3.0",
        ),
        ("`SCALE`", "2.0 was assigned under a condition (stamps.py:5)", "move it inside the function"),
    ),
    Case(
        "a name with the micro sign",
        static("µ = data_dict['data']['image'].mean(1)  #!\nreturn 3"),
        ("the name 'µ' is read by Python as 'μ', another letter", "use ASCII letters"),
    ),
    Case(
        "a set of the file",
        static("return [x for x in data_dict if x in BANDS]  #!", "BANDS = {'g', 'r'}"),
        ("`BANDS`", "a set, which has no order", "write it as a tuple"),
    ),
    Case(
        "an object of the file",
        static(
            "return data_dict['data']['image'] * SOME.numerator  #!",
            "from fractions import Fraction\nSOME = Fraction(1, 2)",
        ),
        ("`SOME`", "`Fraction(1, 2)` (stamps.py:2) is no literal but computed", "give it as a field"),
    ),
    Case(
        "a loop variable of the file",
        static("return data_dict['data']['image'] * last  #!", "for last in [object()]:\n    pass"),
        ("`last`", "of type object is no literal of the file", "give it as a field"),
    ),
    Case(
        "the class itself",
        static("return data_dict['data']['image'] * StampNet.scale  #!", ""),
        ("`StampNet`", "the class StampNet is not there where the text runs", "move `scale` out of the class"),
    ),
    Case(
        "an object of a class of the file",
        static("return data_dict['data']['image'] * len(StampNet().scale + StampNet.scale)  #!"),
        ("`StampNet`", "the class StampNet is not there where the text runs", "write what you need from it inside"),
    ),
    Case(
        "to_tensor of the class around it",
        static("return StampNet.to_tensor(data_dict['data'])  #!"),
        ("`StampNet`", "move `to_tensor` out of the class, to the top of the file, under another name"),
    ),
    Case(
        "a logger",
        static("log.warning('NaN')  #!\nreturn 3", "import logging\nlog = logging.getLogger(__name__)"),
        ("`log`", "a logger; remove it", "an error that the function raises"),
    ),
    Case(
        "super()",
        static("return super().to_tensor(data_dict)  #!"),
        ("`super()` needs the class, which is not there", "call a function of the file"),
    ),
    Case(
        "strides of one's own",
        static("return np.lib.stride_tricks.as_strided(data_dict['x'], (3,), (4,))  #!", NP),
        ("as_strided reads whatever lies in memory", "use sliding_window_view"),
    ),
    Case(
        "a list of the file that is changed",
        static("SEEN.append(1)  #!\nreturn data_dict['data']['image']", "SEEN = []"),
        ("`SEEN` is changed here, which lives on between calls", "make it inside"),
    ),
    Case(
        "a dict of the file that is changed",
        static("SEEN['n'] = 1  #!\nreturn data_dict['data']['image']", "SEEN = {}"),
        ("`SEEN` is changed here", "make it inside"),
    ),
    Case(
        "a name that nobody defines",
        static("return nump.asarray(data_dict['data']['image'])  #!"),
        ("`nump`", "is not defined", "mend the spelling"),
    ),
    Case(
        "a name of the module's own",
        static("return data_dict['data'][__name__]  #!"),
        ("`__name__`", "belongs to your module and is another where the text runs"),
    ),
    Case(
        "a global that hides a built-in",
        static("return sum(data_dict['data']['image'])  #!", "from numpy import sum"),
        ("`sum`", "a global of your file that hides Python's own `sum`", "write `import numpy` and `numpy.sum`"),
    ),
    Case(
        "a global of one's own that hides a built-in",
        static("return id(data_dict['data']['image'])  #!", "def id(x):\n    return x"),
        ("`id`", "a global of your file that hides Python's own `id`", "rename it"),
    ),
    Case(
        "a torch object of the file",
        static("return data_dict['data']['image'] * WEIGHT  #!", "import torch\nWEIGHT = torch.tensor(2.0)"),
        ("`WEIGHT`", "torch.Tensor", "write it with numpy"),
    ),
    # imports
    Case(
        "torch inside the body",
        static("import torch  #!\nreturn torch.tensor(data_dict['data']['image']).numpy()"),
        ("`import torch`", "torch will be missing where it runs", "write it with numpy"),
    ),
    Case(
        "torch of the file",
        static("return torch.tensor(data_dict['data']['image']).numpy()  #!", "import torch"),
        ("`torch`", "torch will be missing where it runs"),
    ),
    Case(
        "a name from torch",
        static("return relu(data_dict['data']['image'])  #!", "from torch import relu"),
        ("`relu`", "torch will be missing where it runs"),
    ),
    Case(
        "scipy without a word",
        static("from scipy import ndimage  #!\nreturn ndimage.zoom(data_dict['data']['image'], 2)"),
        ("scipy may be missing where it runs", '[model] requires = ["scipy"]', "write it with numpy"),
    ),
    Case(
        "a module that is not installed",
        static("import nosuchmodule  #!\nreturn nosuchmodule.f(data_dict)"),
        ("nosuchmodule is not installed here", "install it, or remove the import"),
    ),
    Case(
        "a relative import",
        static("from .stretching import stretch  #!\nreturn stretch(data_dict)"),
        ("`from .stretching import stretch`", "a relative import has no package where it runs", "into the same file"),
    ),
    Case(
        "part of the standard library that does more than compute",
        static("import subprocess  #!\nreturn data_dict['data']['image']"),
        ("subprocess does more than compute", '[model] requires = ["subprocess"]'),
    ),
    Case(
        "an import inside try",
        static(
            """
            try:
                import numpy as np  #!
            except ImportError:
                np = None
            return np.asarray(data_dict['data']['image'])
            """
        ),
        ("`import numpy as np` inside try", "the result would depend on what is installed", "import it plainly"),
    ),
    Case(
        "an import inside try, in the file",
        static(
            "return xp.asarray(data_dict['data']['image'])  #!",
            "try:\n    import cupy as xp\nexcept ImportError:\n    import numpy as xp",
        ),
        ("`xp`", "imported under a condition (stamps.py:4)", "import it plainly"),
    ),
    Case(
        "an import that suppress() hides",
        static(
            """
            import contextlib
            with contextlib.suppress(ImportError):
                import zlib  #!
            return data_dict['data']['image']
            """
        ),
        ("`import zlib` inside with", "import it plainly"),
    ),
    # what depends on the moment or the machine
    Case(
        "random numbers of numpy",
        static("import numpy as np\nreturn data_dict['data']['image'] + np.random.normal(size=3)  #!"),
        ("`np.random.normal`", "numpy.random is random", "give random numbers as a field"),
    ),
    Case(
        "random numbers of numpy, imported by name",
        static("from numpy.random import default_rng  #!\nreturn default_rng(0).normal(size=3)"),
        ("numpy.random is random", "give random numbers as a field"),
    ),
    Case(
        "random numbers of numpy, through an import of the file",
        static("return data_dict['data']['image'] + num.random.rand()  #!", "import numpy as num"),
        ("`num.random.rand`", "numpy.random is random"),
    ),
    Case(
        "random numbers of the standard library",
        static("import random  #!\nreturn data_dict['data']['image'] * random.random()"),
        ("random is random", "augment in train_step"),
    ),
    Case(
        "the clock",
        static("import time  #!\nreturn data_dict['data']['image'] * time.time()"),
        ("time reads the clock", "give the time as a field"),
    ),
    Case(
        "the clock of datetime",
        static("from datetime import datetime\nreturn data_dict['data']['image'] * datetime.now().year  #!"),
        ("`datetime.now`", "reads the clock", "give the time as a field"),
    ),
    Case(
        "the clock of numpy",
        static("import numpy as np\nreturn data_dict['data']['mjd'] - np.datetime64('now')  #!"),
        ("reads the clock", "give the time as a field"),
    ),
    Case(
        "the order of a set",
        static("return [data_dict['data'][band] for band in {'g', 'r'}]  #!"),
        ("the order of a set differs from run to run", "sorted({'g', 'r'})"),
    ),
    Case(
        "the order of a set that becomes a list",
        static("bands = list(set(data_dict['data']))  #!\nreturn [data_dict['data'][band] for band in bands]"),
        ("the order of a set differs from run to run", "sorted(set(data_dict['data']))"),
    ),
    Case(
        "the order of a set under a name",
        static("bands = {n[-1] for n in data_dict}\nreturn [data_dict[b] for b in bands]  #!"),
        ("the order of a set differs from run to run", "sorted(bands)"),
    ),
    Case(
        "the order of a set that other sets made",
        static("bands = set('gr')\nmore = bands | {'i'}\nfirst, *rest = more.union('u')  #!\nreturn rest"),
        ("the order of a set differs from run to run", "sorted(more.union('u'))"),
    ),
    Case(
        "the order of the keys of two dicts",
        static("return np.stack([data_dict[k] for k in data_dict.keys() & {'a', 'b'}])  #!", "import numpy as np"),
        ("the order of a set differs from run to run",),
    ),
    Case(
        "the most frequent, where several may be",
        static("return [max(set(names), key=names.count) for names in data_dict]  #!"),
        ("the order of a set differs from run to run", "sorted(set(names))"),
    ),
    Case(
        "any member of a set",
        static("bands = {'g', 'r'}\nreturn data_dict[bands.pop()]  #!"),
        ("the order of a set differs from run to run",),
    ),
    Case(
        "the order of a set that is unpacked",
        static("return data_dict[[*{'g', 'r'}][0]]  #!"),
        ("the order of a set differs from run to run",),
    ),
    Case("eval", static("return eval('data_dict')  #!"), ("`eval`", "write the expression itself")),
    Case("exec", static("exec('x = 1')  #!\nreturn data_dict"), ("`exec`", "write the statements themselves")),
    Case(
        "importlib",
        static("import importlib  #!\nreturn data_dict"),
        ("importlib imports what cannot be seen here", "write a plain import"),
    ),
    Case(
        "__import__",
        static("return __import__('numpy').asarray(data_dict)  #!"),
        ("`__import__`", "write a plain import"),
    ),
    Case("globals", static("return globals()['x']  #!"), ("`globals`", "name what you need")),
    Case("open", static("return open('mean.txt').read()  #!"), ("`open`", "give its content as a field")),
    Case("print", static("print(1)  #!\nreturn data_dict"), ("`print`", "prints at every call", "remove it")),
    Case("id", static("return id(data_dict)  #!"), ("`id`", "another number in each run")),
    Case("hash", static("return hash('x')  #!"), ("`hash`", "another number for a string in each run", "hashlib")),
    Case(
        "a file of numpy",
        static("import numpy as np\nreturn data_dict['data']['image'] - np.load('mean.npy')  #!"),
        ("`np.load`", "reads a file", "write it into the text"),
    ),
    Case(
        "a file that an array writes",
        static("data_dict['data']['image'].tofile('x')  #!\nreturn data_dict"),
        ("`.tofile` writes a file", "remove it"),
    ),
    Case(
        "numpy's settings",
        static("import numpy as np\nnp.seterr(all='ignore')  #!\nreturn data_dict"),
        ("`np.seterr`", "changes numpy for the whole process", "np.errstate"),
    ),
    Case(
        "Python's inside",
        static("return (lambda: 0).__globals__  #!"),
        ("`.__globals__` reaches into Python itself",),
    ),
    Case(
        "a warning that is caught",
        static("try:\n    return np.log(data_dict)\nexcept (ValueError, RuntimeWarning):  #!\n    return 0", NP),
        ("`except (ValueError, RuntimeWarning)`", "decided by the process", "np.isfinite(x)"),
    ),
    Case(
        "a warning of numpy that is caught",
        static("try:\n    return np.log(data_dict)\nexcept np.exceptions.RankWarning:  #!\n    return 0", NP),
        ("`except np.exceptions.RankWarning`", "decided by the process"),
    ),
    Case(
        "a floating-point error that is caught",
        static("try:\n    return np.log(data_dict)\nexcept FloatingPointError:  #!\n    return 0", NP),
        ("`except FloatingPointError`", "numpy does not raise here", "test the values instead", "np.errstate"),
    ),
    Case(
        "warnings that become errors",
        static("import warnings\nwarnings.simplefilter('error')  #!\nreturn data_dict"),
        ("`warnings.simplefilter`", "depends on the process that runs it", "test the values instead"),
    ),
    Case(
        "warnings that are silenced for good",
        static("import warnings\nwarnings.filterwarnings('ignore')  #!\nreturn data_dict"),
        ("`warnings.filterwarnings` lives on", "`with warnings.catch_warnings():` around it"),
    ),
    Case(
        "warnings that are counted",
        static(
            "import warnings\nwith warnings.catch_warnings(record=True) as seen:  #!\n    x = data_dict\n"
            "return x if seen else 0"
        ),
        ("`warnings.catch_warnings`: what it sees depends on the process", "test the values"),
    ),
    Case(
        "warnings that the file makes errors, below a handler for everything",
        static(
            "try:\n    return np.nanmean(data_dict)\nexcept Exception:\n    return 0",
            "import warnings\nimport numpy as np\nwarnings.filterwarnings('error', category=RuntimeWarning)  #!",
        ),
        ("warnings become errors here", "the handler on line 10 catches them in training alone", "remove the filter"),
    ),
    Case(
        "the end of the program",
        static("if not data_dict:\n    raise SystemExit(0)  #!\nreturn data_dict"),
        ("`SystemExit`", "ends the program", "raise ValueError"),
    ),
    Case(
        "the clock, of whatever class",
        static("import datetime as dt\nstamp = dt.datetime\nreturn data_dict['x'] * stamp.now().year  #!"),
        ("`stamp.now", "reads the clock", "give the time as a field"),
    ),
    Case(
        "the clock, by a word in a list",
        static("return np.asarray(['now'], dtype='M8[D]')  #!", NP),
        ("`'now'` reads the clock", "give the time as a field"),
    ),
    Case(
        "the clock, by a word under a name",
        static("day = 'today'  #!\nreturn np.datetime64(day)", NP),
        ("`'today'` reads the clock",),
    ),
    Case(
        "the time zone of the machine",
        static("from datetime import datetime\nreturn [datetime.fromtimestamp(t).hour for t in data_dict]  #!"),
        ("`datetime.fromtimestamp` uses the time zone of the machine", "datetime.timezone.utc"),
    ),
    Case(
        "the time zone of the machine, put in later",
        static("return [t.astimezone().hour for t in data_dict]  #!"),
        ("`t.astimezone()` uses the time zone of the machine", "datetime.timezone.utc"),
    ),
    Case(
        "the language of the machine",
        static("return [len(t.strftime('%A')) for t in data_dict]  #!"),
        ("`t.strftime`", "the machine's language", ".weekday()"),
    ),
    Case(
        "the language of the machine, in an f-string",
        static("return [len(f'{t:%B}') for t in data_dict]  #!"),
        ("the machine's language", ".month"),
    ),
    Case(
        "the language of the machine, of calendar",
        static("import calendar\nreturn len(calendar.day_name[2])  #!"),
        ("`calendar.day_name`", "the machine's language"),
    ),
    Case(
        "the variables of the environment",
        static("import os\nreturn float(os.path.expandvars('$FACTOR'))  #!"),
        ("`os.path.expandvars`", "reads the environment"),
    ),
    Case(
        "a compressed file",
        static("import gzip\nreturn gzip.GzipFile('flat.gz').read()  #!"),
        ("`gzip.GzipFile` opens a file", "gzip.decompress"),
    ),
    Case(
        "a file through a path",
        static("return data_dict['path'].read_bytes()  #!"),
        ("`.read_bytes` looks at the files of the machine",),
    ),
    Case(
        "a file by another name",
        static("return getattr(np, 'fromfile')('flat.bin')  #!", NP),
        ("`getattr(np, 'fromfile')`", "numpy.fromfile reads a file"),
    ),
    Case(
        "random numbers by another name",
        static("n = np\nreturn n.random.rand()  #!", NP),
        ("`n.random.rand`", "numpy.random is random"),
    ),
    Case(
        "what numpy was told elsewhere",
        static("return 2 if np.geterr()['divide'] == 'ignore' else 1  #!", NP),
        ("`np.geterr`", "depends on what the process has set"),
    ),
    Case(
        "where an array lies",
        static("return data_dict['x'].ctypes.data % 7  #!"),
        ("`.ctypes` tells where the array lies in memory",),
    ),
    # state
    Case("global", static("global n  #!\nn = 1\nreturn data_dict"), ("`global n` keeps state between calls", "return")),
    Case(
        "nonlocal",
        static("n = 0\ndef f():\n    nonlocal n  #!\n    n = 1\nf()\nreturn data_dict"),
        ("`nonlocal n` keeps state between calls",),
    ),
    Case(
        "a list of the file under another name",
        static("s = STATS\nif 'mean' not in s:\n    s['mean'] = 1  #!\nreturn data_dict", "STATS = {}"),
        ("`STATS` is changed here", "make it inside"),
    ),
    Case(
        "a dict in a dict of the file",
        static("STATS['x']['mean'] = 1  #!\nreturn data_dict", "STATS = {'x': {'mean': None}}"),
        ("`STATS` is changed here",),
    ),
    Case(
        "a list in a dict of the file",
        static("STATS['mean'].append(1)  #!\nreturn data_dict", "STATS = {'mean': []}"),
        ("`STATS` is changed here",),
    ),
    Case(
        "a list of the file that a loop reaches",
        static("for _, seen in CACHE[0].items():\n    seen += [1]  #!\nreturn data_dict", "CACHE = ({'a': []},)"),
        ("`CACHE` is changed here",),
    ),
    Case(
        "a list of the file that a helper changes",
        static(
            "return mean_of(data_dict, SEEN)",
            "SEEN = []\ndef mean_of(x, seen):\n    if not seen:\n        seen.append(x)  #!\n    return seen[0]",
        ),
        ("`SEEN` is changed here",),
    ),
    Case(
        "a list of the file that a helper hands out",
        static("kept()['n'] = 1  #!\nreturn data_dict", "STATS = [{}]\ndef kept():\n    return STATS[0]"),
        ("`STATS` is changed here",),
    ),
    Case(
        "a list of the file that a function inside changes",
        static("def add(to, x):\n    to.append(x)  #!\nadd(to=SEEN, x=1)\nreturn data_dict", "SEEN = []"),
        ("`SEEN` is changed here",),
    ),
    Case(
        "a list of the file that a library changes",
        static("import heapq\nheapq.heappush(SEEN, 1)  #!\nreturn data_dict", "SEEN = []"),
        ("`SEEN` is changed here",),
    ),
    Case(
        "a list of the file that its class changes",
        static("list.append(SEEN, 1)  #!\nreturn data_dict", "SEEN = []"),
        ("`SEEN` is changed here",),
    ),
    Case(
        "an attribute of a function under a condition",
        static("return prepare(data_dict)", "def prepare(x):\n    if x:\n        prepare.mean = 1  #!\n    return x"),
        ("`prepare.mean` is set here, which lives on between calls", "keep it in a variable"),
    ),
    Case(
        "an attribute of a helper",
        static("return first_mean(data_dict)", "def first_mean(x):\n    first_mean.value = x  #!\n    return x"),
        ("`first_mean.value` is set here",),
    ),
    Case(
        "an attribute of a helper under another name",
        static("keep = first_mean\nkeep.value = 1  #!\nreturn keep(data_dict)", "def first_mean(x):\n    return x"),
        ("`first_mean.value` is set here",),
    ),
    Case(
        "an attribute of a module",
        static("import numpy as np\nnp.my_mean = 1  #!\nreturn data_dict"),
        ("`np.my_mean` is set here",),
    ),
    Case(
        "an attribute of a module, by setattr",
        static("setattr(np, 'my_mean', 1)  #!\nreturn data_dict", "import numpy as np"),
        ("`np` is changed here",),
    ),
    Case(
        "the arithmetic of decimal",
        static("import decimal\ndecimal.getcontext().prec = 6  #!\nreturn data_dict"),
        ("`decimal.getcontext`", "the whole process", "decimal.localcontext()"),
    ),
    # the signature
    Case(
        "a default from a name",
        static("return data_dict").replace(
            "def to_tensor(data_dict):", "def to_tensor(data_dict, scale=max(1, 2)):  #!"
        ),
        ("the default `scale=max(1, 2)` is computed when the file is imported", "write the value itself"),
    ),
    Case(
        "a default that lives on",
        static("return data_dict").replace("def to_tensor(data_dict):", "def to_tensor(data_dict, seen=[]):  #!"),
        ("the default `seen=[]` lives on between calls", "`seen=None`"),
    ),
    Case(
        "a default that lives on inside a tuple",
        static("return data_dict").replace("def to_tensor(data_dict):", "def to_tensor(data_dict, seen=([],)):  #!"),
        ("the default `seen=([],)` lives on between calls",),
    ),
    Case(
        "a default other than the file's",
        static("return data_dict").replace("def to_tensor(data_dict):", "def to_tensor(data_dict, scale=1.0):  #!")
        + "StampNet.to_tensor.__defaults__ = (2.0,)\n",
        ("the default `scale=1.0` is 2.0 in the running function", "write the one that is meant"),
    ),
    Case(
        "a keyword default other than the file's",
        static("return data_dict").replace("def to_tensor(data_dict):", "def to_tensor(data_dict, *, scale=1.0):  #!")
        + "StampNet.to_tensor.__kwdefaults__ = {'scale': 2.0}\n",
        ("the default `scale=1.0` is 2.0 in the running function",),
    ),
    Case(
        "a second argument",
        static("return data_dict").replace("def to_tensor(data_dict):", "def to_tensor(data_dict, config):  #!"),
        ("`to_tensor(data_dict, config)` is called with data_dict alone", "take that"),
    ),
    Case(
        "attributes on the function",
        static("return data_dict").replace("def to_tensor(data_dict):", "def to_tensor(data_dict):  #!")
        + "StampNet.to_tensor.calls = 0\n",
        ("the function carries the attributes `calls`", "remove them"),
    ),
    Case(
        "a name that a class mangles",
        static("__scale = 2  #!\nreturn data_dict['data']['image'] * __scale"),
        ("`__scale` is another name inside a class than outside", "begin it with one underscore"),
    ),
    # characters
    Case(
        "an override of the reading direction",
        static("x = 'a\u202eb'  #!\nreturn data_dict"),
        ("U+202E (RIGHT-TO-LEFT OVERRIDE) hides what is written", "remove it"),
    ),
    Case(
        "a name in letters that look like others",
        static("d\u0430ta = data_dict  #!\nreturn data_dict"),
        ("holds letters that may look like others", "use ASCII letters"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_refusal_names_line_thing_and_cure(case, refusal):
    source = textwrap.dedent(case.source).lstrip("\n")
    line = next(number for number, text in enumerate(source.splitlines(), 1) if text.endswith("#!"))
    message = refusal(source, requires=["os"])
    (where,) = [each for each in message.splitlines() if f"stamps.py:{line}:" in each]
    for words in case.says:
        assert words in where
    assert message.startswith("StampNet.to_tensor cannot be captured: ")
    assert "\n" not in message


def test_what_no_leave_would_allow_is_told_before_the_leave_is_given(refusal):
    message = refusal(static("return float(os.environ['SCALE'])", "import os"))
    assert 'os does more than compute; remove it, or allow it: [model] requires = ["os"]' in message
    assert "`os.environ`: os.environ reads the environment: put the value into the text" in message


WRONG_KINDS = [
    ("a lambda", "to_tensor = staticmethod(lambda data_dict: 1)  #!", "a lambda; write a `def` with a name"),
    (
        "a partial",
        "import functools\n    to_tensor = functools.partial(max, 1)  #!",
        "a functools.partial of max; write a `def` that holds the arguments",
    ),
    ("a built-in", "to_tensor = staticmethod(len)  #!", "the built-in len, which has no text"),
    ("a ufunc", "import numpy as np\n    to_tensor = np.sqrt  #!", "the numpy ufunc sqrt, which has no text"),
    ("a class method", "@classmethod\n    def to_tensor(cls, data_dict): return 1  #!", "a class method"),
    ("a method", "def to_tensor(self, data_dict): return 1  #!", "a method, bound to an instance"),
    ("a property", "to_tensor = property(lambda self: 1)  #!", "a property; write @staticmethod"),
    ("a class", "to_tensor = staticmethod(dict)  #!", "the class dict; write a function"),
    ("a number", "to_tensor = 3  #!", "a int, which cannot be called; write a function"),
    (
        "a callable object",
        "import operator\n    to_tensor = operator.itemgetter('data')  #!",
        "a callable object (itemgetter), whose state has no text; write a function",
    ),
    (
        "a bound method",
        "import io\n    to_tensor = staticmethod([].append)  #!",
        "the built-in list.append, which has no text",
    ),
    (
        "an async function",
        "@staticmethod\n    async def to_tensor(data_dict): return 1  #!",
        "an async function; remove `async`",
    ),
    ("a generator", "@staticmethod\n    def to_tensor(data_dict): yield 1  #!", "a generator; collect what it yields"),
    (
        "lru_cache",
        "import functools\n    @staticmethod\n    @functools.lru_cache\n    def to_tensor(data_dict): return 1  #!",
        "wrapped by functools.lru_cache",
    ),
    ("nothing", "pass  #!", "the class has no to_tensor; write `@staticmethod`"),
]


@pytest.mark.parametrize(("body", "says"), [kind[1:] for kind in WRONG_KINDS], ids=[kind[0] for kind in WRONG_KINDS])
def test_what_is_no_plain_function_is_refused_in_its_own_words(body, says, refusal):
    source = f"class StampNet:\n    {body}\n"
    line = next(number for number, text in enumerate(source.splitlines(), 1) if text.endswith("#!"))
    message = refusal(source)
    lines = (1,) if "pass" in body else (line, line - 1, line - 2)  # a decorated function may start at its decorator
    assert any(f"stamps.py:{number}: {says}" in message for number in lines), message


def test_a_decorator_that_wraps_is_named(refusal):
    message = refusal(
        """
        import functools
        def logged(function):
            @functools.wraps(function)
            def wrapper(*arguments):
                return function(*arguments)
            return wrapper
        class StampNet:
            @staticmethod
            @logged
            def to_tensor(data_dict):
                return data_dict
        """
    )
    assert "stamps.py:10: wrapped by a decorator (`@logged` on line 9), which would not travel" in message
    assert "remove the decorator, or do its work inside" in message


def test_a_decorator_that_wraps_without_saying_so_shows_as_a_closure(refusal):
    message = refusal(
        """
        def logged(function):
            def wrapper(data_dict):
                return function(data_dict)
            return wrapper
        class StampNet:
            @staticmethod
            @logged
            def to_tensor(data_dict):
                return data_dict
        """
    )
    assert "stamps.py:3: `function` = <function StampNet.to_tensor" in message
    assert "comes from the function around it (a closure)" in message


def test_a_decorator_that_gives_the_function_back_is_refused_too(refusal):
    message = refusal(
        """
        def registered(function):
            return function
        class StampNet:
            @staticmethod
            @registered
            def to_tensor(data_dict):
                return data_dict
        """
    )
    assert "stamps.py:5: the decorator `@registered` does not travel; remove it" in message


def test_a_closure_shows_its_value(refusal):
    message = refusal(
        """
        def make(scale):
            def to_tensor(data_dict):
                return data_dict["data"]["image"] * scale
            return to_tensor
        class StampNet:
            to_tensor = staticmethod(make(3.5))
        """
    )
    assert "stamps.py:3: `scale` = 3.5 comes from the function around it (a closure); write it inside" in message
    assert "is not defined" not in message


def test_a_function_that_is_also_called_to_tensor_must_be_renamed(refusal):
    message = refusal(
        """
        def to_tensor(data_dict):
            return data_dict
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                return to_tensor(data_dict)
        """
    )
    assert "stamps.py:6: `to_tensor`: the name that the captured function gets; rename the one that it calls" in message


def test_a_function_of_another_file_is_refused_by_name(load):
    load("def stretch(x):\n    return x\n", "stretching.py")
    module = load(
        """
        from stretching import stretch
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                return stretch(data_dict["data"]["image"])
        """
    )
    with pytest.raises(CaptureError) as caught:
        capture(module.StampNet)
    assert "stamps.py:5: `stretch`: stretching is a file of this machine and will be missing where it runs" in str(
        caught.value
    )


def test_a_module_of_ones_own_package_is_refused_even_where_it_is_allowed(load):
    load("", "lenses/__init__.py")
    load("def stretch(x):\n    return x\n", "lenses/stretching.py")
    module = load(
        """
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                from lenses.stretching import stretch
                return stretch(data_dict["data"]["image"])
        """,
        "lenses/model.py",
    )
    with pytest.raises(CaptureError) as caught:
        capture(module.StampNet, requires=["lenses"])
    assert "model.py:4: `from lenses.stretching import stretch`: lenses, your own package, will be missing" in str(
        caught.value
    )


def test_a_helper_brings_its_own_problems_with_their_lines(refusal):
    message = refusal(
        """
        import torch
        OFFSET = float("1")
        def shift(x):
            return x + OFFSET
        def stretch(x):
            return torch.asinh(shift(x))
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                return stretch(data_dict["data"]["image"])
        """
    )
    assert "stamps.py:4: `OFFSET`: `float('1')`" in message.replace('"', "'")
    assert "stamps.py:6: `torch`: torch will be missing where it runs" in message


def test_a_helper_that_is_wrapped_is_refused_by_what_wraps_it(refusal):
    message = refusal(
        """
        import functools
        @functools.lru_cache(maxsize=None)
        def window(n):
            return n
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                return data_dict["data"]["image"] * window(21)
        """
    )
    assert "stamps.py:8: `window`: wrapped by functools.lru_cache (`@functools.lru_cache(maxsize=None)` on" in message


def test_a_helper_that_is_a_lambda_is_refused(refusal):
    message = refusal(
        """
        stretch = lambda x: x / 2
        class StampNet:
            @staticmethod
            def to_tensor(data_dict):
                return stretch(data_dict["data"]["image"])
        """
    )
    assert "stamps.py:5: `stretch`: a lambda; write a `def` with a name" in message


def test_all_problems_of_a_function_are_told_at_once_in_the_order_of_the_file(load):
    module = load(
        """
        import torch
        import numpy as np
        MEAN = np.zeros(3)
        class StampNet:
            @staticmethod
            def to_tensor(data_dict, seen={}):
                print(torch.ones(3))
                x = np.random.rand(3)
                return x - MEAN
        """
    )
    with pytest.raises(CaptureError) as caught:
        capture(module.StampNet)
    lines = [problem.where for problem in caught.value.problems]
    assert lines == ["stamps.py:6", "stamps.py:7", "stamps.py:7", "stamps.py:8", "stamps.py:9"]
    assert str(caught.value).splitlines()[0] == "StampNet.to_tensor cannot be captured: 5 problems"
    assert caught.value.code == "capture"


AT_ONCE = {
    "a wrapped function": (
        "import functools\n",
        "    @staticmethod\n    @functools.lru_cache\n    def to_tensor(data_dict):\n        return MEAN + print(3)\n",
        ["5: wrapped by functools.lru_cache (`@functools.lru_cache` on line 4)", "6: `MEAN`", "6: `print`"],
    ),
    "a method": (
        "",
        "    def to_tensor(self, data_dict):\n        x = data_dict['data']['image'] * self.scale\n"
        "        return self.clip(x) - MEAN\n",
        ["2: a method, bound to an instance", "3: `self.scale` belongs to what", "4: `MEAN`", "4: `self.clip` belongs"],
    ),
    "a class method": (
        "",
        "    @classmethod\n    def to_tensor(cls, data_dict):\n        return cls.scale - MEAN\n",
        ["3: a class method", "4: `MEAN`", "4: `cls.scale` belongs to what inference does not have"],
    ),
    "a definition under a condition": (
        "",
        "    if True:\n        @staticmethod\n        def to_tensor(data_dict):\n            return MEAN\n"
        "    else:\n        to_tensor = None\n",
        ["4: 'to_tensor' is bound on lines 4 and 7, under a condition", "5: `MEAN`"],
    ),
    "a helper under a condition, decorated": (
        "def same(f):\n    return f\nif same:\n    @same\n    def stretch(x):\n        return print(x)\n"
        "else:\n    stretch = abs\n",
        "    @staticmethod\n    def to_tensor(data_dict):\n        return stretch(MEAN)\n",
        [
            "4: the decorator `@same` does not travel",
            "5: 'stretch' is bound on lines 5 and 8",
            "6: `print`",
            "12: `MEAN`",
        ],
    ),
}


@pytest.mark.parametrize(("above", "body", "says"), AT_ONCE.values(), ids=AT_ONCE)
def test_what_is_wrong_around_a_function_hides_nothing_of_what_is_wrong_inside(load, above, body, says):
    with pytest.raises(CaptureError) as caught:
        capture(load(f"{above}class StampNet:\n{body}").StampNet)
    problems = [str(problem) for problem in caught.value.problems]
    assert len(problems) == len(says), problems
    for problem, words in zip(problems, says, strict=True):
        assert problem.startswith(f"stamps.py:{words}")


def test_a_text_of_more_than_256_kib_is_refused(load):
    module = load(static("return '" + "x" * 300_000 + "'"))
    with pytest.raises(CaptureError, match="at most 262144 are allowed"):
        capture(module.StampNet)
