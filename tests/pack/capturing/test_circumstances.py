"""What differs from process to process must not show: order of calls, hash seed, zone, language, folder, memory."""

import hashlib

import numpy as np
import pytest
from hyrax_runtime.replay import compile_function

from hyrax_pack.capturing import Captured, prove
from hyrax_pack.errors import ProofError

ROWS = range(80)


def data_dict(rows):
    return {
        "data": {
            "mag": [np.float32(row) for row in rows],
            "image": [np.arange(6, dtype="f4").reshape(2, 3) + row for row in rows],
            "time": [1.7e9 + 3600.0 * row for row in rows],
            "band": ["gri"[row % 3] for row in rows],
        },
        "object_id": [np.int64(row) for row in rows],
    }


def prove_text(body: str, above: str = "", live=None, make_batch=data_dict):
    """Prove a text that no capture has seen against itself, or against another live function."""
    lines = "".join(f"    {line}\n" for line in ("import numpy as np", "d = data_dict['data']", *body.splitlines()))
    text = f"{above}\n\ndef to_tensor(data_dict):\n{lines}"
    captured = Captured(text, hashlib.sha256(text.encode()).hexdigest(), "stamps.py:3", (), ())
    return prove(captured, live or compile_function(text), make_batch, ROWS)


def refusal_of(body: str, **settings) -> str:
    with pytest.raises(ProofError) as caught:
        prove_text(body, **settings)
    return str(caught.value)


X = "x = np.stack(d['image'])\n"
STATE = {
    "a list of the text": (
        X + "if not SEEN:\n    SEEN.append(float(x.mean()))\nreturn x - SEEN[0]",
        "SEEN = []",
        "SEEN",
    ),
    "a dict in a dict": (
        X + "s = STATS['x']\nif s['mean'] is None:\n    s['mean'] = float(x.mean())\nreturn x - s['mean']",
        "STATS = {'x': {'mean': None}}",
        "STATS",
    ),
    "a list in a tuple": (X + "CACHE[0].append(1)\nreturn x", "CACHE = ([],)", "CACHE"),
    "an attribute of the function": (
        X + "if not hasattr(to_tensor, 'mean'):\n    to_tensor.mean = x.mean()\nreturn x - to_tensor.mean",
        "",
        "to_tensor.mean",
    ),
    "an attribute of a helper": (
        X + "helper.value = 1\nreturn x",
        "def helper():\n    return 1",
        "helper.value",
    ),
    "the default of a helper": (
        X + "return x + helper()",
        "def helper(seen=([],)):\n    seen[0].append(1)\n    return 0",
        "the defaults of helper",
    ),
}


@pytest.mark.parametrize(("body", "above", "name"), STATE.values(), ids=STATE)
def test_what_a_call_leaves_in_the_text_is_named(body, above, name):
    if "default" in name:  # the format refuses such a text before it runs
        above = above.replace("seen=([],)", "seen=()").replace("seen[0].append(1)", "helper.__defaults__ = ((1,),)")
    message = refusal_of(body, above=above)
    assert f"`{name}` is another after a call than before, and lives on; make it inside" in message


def test_what_a_call_leaves_in_a_module_shows_in_the_order_of_the_batches():
    body = X + "if not hasattr(np, 'my_mean'):\n    setattr(np, 'my_mean', x.mean())\nreturn x - getattr(np, 'my_mean')"
    try:
        message = refusal_of(body)
    finally:
        del np.my_mean
    assert message.endswith("; it depends on the batches that came before: it keeps state between calls")


def test_a_generator_that_goes_on_is_refused():
    above = "import itertools"
    body = X + "if not hasattr(np, 'numbers'):\n    setattr(np, 'numbers', itertools.count())\n"
    try:
        message = refusal_of(body + "return x + next(getattr(np, 'numbers'))", above=above)
    finally:
        del np.numbers
    assert "two calls on the same 1 row differ; it keeps state, is random, or uses np.empty unfilled" in message


HELPER = "def numbered(names):\n    return [float(ord(name[0])) for name in names]"
SETS = {
    "a set of two names": ("{'gg', 'rr'}", "{'gg', 'rr'}"),
    "a set of a comprehension": ("{b for b in ('g', 'r')}", "{b for b in ('g', 'r')}"),
    "a set of a list": ("set(['g', 'r', 'g'])", "set(['g', 'r', 'g'])"),
    "a union": ("{'g'} | {'r'}", "{'g'}"),
    "a set that is frozen": ("frozenset(('g', 'r'))", "frozenset(('g', 'r'))"),
}


@pytest.mark.parametrize(("made", "named"), SETS.values(), ids=SETS)
def test_a_set_whose_order_shows_is_refused_by_its_place_whatever_the_hash_seed(made, named):
    message = refusal_of(f"return np.tile(numbered({made}), (len(d['mag']), 1))", above=HELPER)
    assert f"to_tensor.py:7: the result depends on the order of a set (`{named}`)" in message
    assert "sort it" in message


def test_the_set_whose_order_shows_is_told_from_others():
    body = "kept = {'g', 'r'}\nx = [m for m, b in zip(d['mag'], d['band']) if b in kept or True]\n"
    message = refusal_of(body + "return np.tile(numbered({'u', 'z'}), (len(x), 1))", above=HELPER)
    assert "`{'u', 'z'}`" in message
    assert "`{'g', 'r'}`" not in message


def test_the_most_frequent_of_several_that_are_equally_frequent_is_refused():
    above = "def mode(names, kinds):\n    return max(kinds, key=names.count)"
    body = "names = [b + 'gr'[int(m) % 2] for b, m in zip(d['band'], d['mag'])]\n"
    message = refusal_of(body + "return np.array([float(ord(mode(n, set(n)))) for n in names])", above=above)
    assert "the result depends on the order of a set (`set(n)`)" in message


SET_BY_A_LIBRARY = "numbered((dict.fromkeys([f'{n} band' for n in range(9)]).keys() | ()))"


def test_a_set_that_the_text_does_not_make_shows_under_another_hash_seed():
    message = refusal_of(f"return np.tile({SET_BY_A_LIBRARY}, (len(d['mag']), 1))", above=HELPER)
    assert message.endswith("; it depends on the order of a set: sort it")


IN_NO_ORDER = {
    "membership": "kept = {'g', 'r'}\nreturn np.array([b in kept for b in d['band']])",
    "any": "return np.array([any(b == c for c in {'g', 'r'}) for b in d['band']])",
    "sorted": "return np.tile([ord(b) for b in sorted({'g', 'r'} | set('iu'))], (len(d['mag']), 1))",
    "algebra": "s = (frozenset('gri') - {'i'}) & set('gr')\n"
    "return np.array([len(s.union('x')) + (b in s) for b in d['band']])",
    "a set that grows and shrinks": "s = set()\nfor b in d['band']:\n    s.add(b)\ns.discard('g')\n"
    "return np.ones(len(d['mag']))",
    "a set of sets": "s = {frozenset('ab'), frozenset('ba')}\nreturn np.full(len(d['mag']), len(s))",
}


@pytest.mark.parametrize("body", IN_NO_ORDER.values(), ids=IN_NO_ORDER)
def test_sets_whose_order_does_not_show_are_let_be(body):
    assert prove_text(body).batch == "independent"


ABROAD = {
    "the time zone": "import datetime\nreturn np.array([datetime.datetime.fromtimestamp(t).hour for t in d['time']])",
    "the time zone of a time without one": "import datetime\n"
    "return np.array([datetime.datetime(2024, 1, 1, int(m) % 24).timestamp() for m in d['mag']])",
    "the variables of the environment": "import os\nx = np.asarray(d['mag'])\nreturn x * len(os.environ.get('TZ', ''))",
    "the user": "import os\nx = np.asarray(d['mag'])\nreturn x * len(os.environ.get('USER', 'no'))",
}


@pytest.mark.parametrize("body", ABROAD.values(), ids=ABROAD)
def test_what_depends_on_the_place_is_refused(body):
    message = refusal_of(body)
    assert "two runs differ (1 row, slot 0: " in message
    assert message.endswith("it depends on the time zone, the language or the variables of the environment")


def test_a_variable_of_this_machine_is_not_there(monkeypatch):
    monkeypatch.setenv("FACTOR", "2")
    message = refusal_of("import os\nreturn np.asarray(d['mag']) * float(os.environ['FACTOR'])")
    assert "KeyError: 'FACTOR'" in message


def test_memory_that_nobody_has_filled_is_refused():
    message = refusal_of(
        "x = np.asarray(d['mag'])\nout = np.empty((len(x), 500))\nout[:, 0] = x\nreturn out", live=no_x
    )
    assert "np.empty" in message


def no_x(given):
    x = np.asarray(given["data"]["mag"])
    out = np.zeros((len(x), 500))
    out[:, 0] = x
    return out


def test_a_file_of_this_machine_is_not_to_be_read(tmp_path):
    (tmp_path / "flat.bin").write_bytes(np.full(3, 2.0, "f4").tobytes())
    body = (
        f"flat = np.rec.fromfile({str(tmp_path / 'flat.bin')!r}, formats='f4', shape=3)['f0']\nreturn {X[4:-1]} / flat"
    )
    assert f"to_tensor.py:6: it reads the file {tmp_path / 'flat.bin'}; give what it finds" in refusal_of(body)


def test_a_folder_of_this_machine_is_not_to_be_looked_into(tmp_path):
    body = f"import os\nreturn np.asarray(d['mag']) * len(os.listdir({str(tmp_path)!r}))"
    assert f"it looks into the folder {tmp_path}; give what it finds" in refusal_of(body)


def test_a_late_import_and_a_missing_file_of_settings_are_no_marks():
    body = "import statistics, wave, pathlib\n"
    body += "try:\n    pathlib.Path('/no/such/settings').read_text()\nexcept OSError:\n    pass\n"
    assert prove_text(body + "return np.asarray(d['mag'])").batch == "independent"


def in_order_of_fortran(rows):
    given = data_dict(rows)
    given["data"]["image"] = [np.asfortranarray(image) for image in given["data"]["image"]]
    return given


@pytest.mark.parametrize(
    "body",
    [
        "return np.stack([r.ravel(order='K') for r in d['image']])",
        "return np.stack([r.flatten('A') for r in d['image']])",
    ],
)
def test_a_function_that_looks_at_the_layout_of_rows_is_refused_before_training(body):
    message = refusal_of(body, make_batch=in_order_of_fortran)
    assert "it looks at how the rows lie in memory (1 row, slot 0: " in message
    assert 'use order="C"' in message


def test_rows_in_another_layout_are_proven_where_that_makes_no_difference():
    assert prove_text(X + "return x * 2", make_batch=in_order_of_fortran).batch == "independent"


def test_a_mark_that_only_one_process_leaves_is_told():
    body = "import os, time\nif 'HYX' in time.tzname[0]:\n    os.mkdir('left')\nreturn np.asarray(d['mag'])"
    assert "it makes a folder; remove that" in refusal_of(body)


def test_an_error_in_one_process_alone_is_told_with_its_cause():
    body = "import time\nassert 'HYX' not in time.tzname[0], 'not here'\nreturn np.asarray(d['mag'])"
    message = refusal_of(body)
    assert "two runs differ (one of them ends: to_tensor.py:7: on 64 rows, AssertionError: not here" in message
    assert "it depends on the time zone" in message
