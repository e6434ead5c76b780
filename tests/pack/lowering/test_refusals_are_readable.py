"""A refusal says what, in which line, and what to write instead."""

import re

import numpy as np
import pytest
from hyrax_runtime.manifest import Slot

from hyrax_pack.lowering.compiling import draw_shadows
from hyrax_pack.lowering.proving.samples import gather_samples
from hyrax_pack.lowering.refusal import Refused
from hyrax_pack.lowering.tracing.running import write_down
from tests.pack.lowering.cases import build_case

X = {"data/x": ["float32", [6], -3, 3]}
HEAD = "def to_tensor(d):\n    import numpy as np\n    x = np.asarray(d['data']['x'])\n"


def refusal(body, fields=X, **settings):
    text = HEAD + "".join(f"    {line}\n" for line in body.splitlines())
    return build_case(text, fields, **settings).lower()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "order = np.argsort(x, axis=1)\nreturn order",
            'line 4: np.argsort: the order of equal values is not defined; np.argsort(x, kind="stable")',
        ),
        (
            "return x.squeeze()",
            "line 4: squeeze: squeeze() without an axis also drops the axis of a batch of one; "
            "name the axis: squeeze(axis=1)",
        ),
        (
            "from scipy import ndimage\nreturn x",
            "line 4: import scipy: scipy runs in Python only; write it with numpy, or do it in the data set's getter",
        ),
        (
            "y = x * 2\nif len(x) > 4:\n    y = x\nreturn y",
            "line 5: a branch or a comparison on the size of the batch; let the function do the same for every batch",
        ),
        (
            "if not np.isfinite(x).all():\n    raise ValueError('bad')\nreturn x",
            "line 5: raise: it raises ValueError: bad for some values; a graph cannot raise: "
            "mark such rows with NaN, or check them in the data set's getter",
        ),
        (
            "return x + np.random.random()",
            "line 4: numpy.random.random: random numbers; draw them in the data set, as a field",
        ),
        (
            "return np.linalg.svd(x, compute_uv=False)",
            "line 4: numpy.linalg.svd: this function does not lower; see docs/lowering.md for what does",
        ),
        (
            "return np.array(x.tolist(), dtype=np.float32)",
            "line 4: .tolist(): values from the data are turned into a list; keep them in an array",
        ),
        (
            "return np.partition(x, 2, axis=1)[:, :3]",
            "line 4: np.partition: only the entries that a partition is made for have a defined place in it; "
            "np.sort(x, axis=1), and take of it what is wanted",
        ),
        (
            "n = len(x)\nreturn x[: n - 2] if n > 2 else x",
            "line 5: a branch or a comparison on the size of the batch; let the function do the same for every batch",
        ),
    ],
)
def test_the_reason_names_line_construct_and_cure(body, words):
    assert str(refusal(body, BATCH="joint")) == words


OF_ROWS = [
    (
        "return np.stack([np.bincount(np.abs(row).astype(np.int64), minlength=5)[:5] for row in x])",
        "line 4: np.bincount: how many counts there are depends on the greatest value; "
        "np.bincount(np.clip(x, 0, n - 1), minlength=n)",
    ),
    (
        "return np.stack([np.outer(row, row[:3]).T.ravel(order='A') for row in x])",
        "line 4: order=: an order that depends on how the array lies in memory; order='C'",
    ),
    (
        "return np.stack([d['data']['x'][i - 2] for i, row in enumerate(x, 1)])",
        "line 4: a row's position in its batch is used as a value",
    ),
    (
        "return np.stack([row * i for i, row in enumerate(x, 1)])",
        "line 4: a row's position in its batch is used as a value",
    ),
]


@pytest.mark.parametrize(("body", "words"), OF_ROWS)
def test_the_reason_within_a_loop_over_rows_names_them_too(body, words):
    assert str(refusal(body)).startswith(words)


def test_the_line_of_a_helper_is_named():
    text = (
        "def _order(x):\n    import numpy as np\n    return np.argsort(x)\n\n\n"
        "def to_tensor(d):\n    import numpy as np\n    return _order(np.asarray(d['data']['x']))\n"
    )
    assert build_case(text, X).lower().reason.line == 3


def test_a_field_that_no_graph_holds_is_named():
    fields = X | {"data/name": ["str", [], 0, 1]}
    found = refusal("return x * np.array([len(name) for name in d['data']['name']])[:, None]", fields)
    assert "the field 'data/name' is used, and a graph holds no text" in str(found)


def test_ragged_rows_are_named():
    text = (
        HEAD.replace("x = np", "# x = np") + "    return np.stack([np.sum(row) for row in d['data']['x']])[:, None]\n"
    )
    found = build_case(text, {"data/x": ["ragged", [5], -3, 3]}).lower()
    assert "its rows differ in shape" in str(found)


def test_a_difference_that_is_rounding_is_said_to_be_so():
    found = refusal("return np.log(np.abs(np.fft.rfft(x)))")
    assert "nothing but rounding made large there" in found.reason.text
    assert "np.clip(x, low, high)" in found.reason.hint


def test_what_is_not_finite_and_comes_out_otherwise_is_said_to_be_so():
    found = refusal("return np.fft.rfft(x).real")
    assert found.reason.hint == "fill what is not finite first: np.where(np.isfinite(x), x, 0)"


def test_two_runtimes_that_disagree_with_numpy_are_named():
    found = refusal("return np.sinc(x.astype(np.int32))")
    assert found.reason.text.startswith("for ")
    assert "where numpy gives" in found.reason.text


FIELDS = {"data/k": ["int64", [], 0, 5], "data/name": ["str", [], 0, 1], "data/curve": ["ragged", [], -3, 3]}
OF_TEXT = "the field 'data/name' is used, and a graph holds no text"
OF_CURVES = "the field 'data/curve' is used, and its rows differ in shape"
IN_USERS_WORDS = {
    "a pattern in text": (
        "import re\nreturn np.array([len(re.sub('a', '', name)) for name in d['data']['name']])",
        OF_TEXT,
    ),
    "text in a dict": ("return np.array([{'g': 1.0}.get(name, 0.0) for name in d['data']['name']])", OF_TEXT),
    "a row of differing length less one": ("return np.array([(c - 1)[0] for c in d['data']['curve']])", OF_CURVES),
    "the square of such a row": ("return np.array([(c ** 2)[0] for c in d['data']['curve']])", OF_CURVES),
    "such a row over a number": ("return np.array([(1 / c)[0] for c in d['data']['curve']])", OF_CURVES),
    "a buffer": (
        "return np.stack([np.frombuffer(r, np.float32) for r in x])",
        "numpy.frombuffer: values from the data go where only real ones can",
    ),
    "a spectrum in text": (
        "z = np.fft.fft(x)\nprint(f'{z}')\nreturn np.abs(z)",
        "a complex number from the data is taken for a plain number, a truth or text",
    ),
    "a number to a complex power": ("z = np.fft.fft(x)\nreturn np.abs(2 ** z)", "**: a power of complex numbers"),
    "the rows as one number": (
        "return np.asarray(float(d['data']['k']))",
        "TypeError: float() argument must be a string or a real number, not 'list'",
    ),
}


@pytest.mark.parametrize("what", IN_USERS_WORDS)
def test_what_fails_on_a_stand_in_is_said_in_the_users_words(what):
    body, words = IN_USERS_WORDS[what]
    text = HEAD + "".join(f"    {line}\n" for line in body.splitlines())
    assert words in reason_for(text, X | FIELDS)


SUBJECTS = {
    "text": "[{} for one in d['data']['name']]",
    "a row of differing length": "[{} for one in d['data']['curve']]",
    "a row": "[{} for one in d['data']['x']]",
    "a Python number": "[{} for one in map(float, d['data']['k'])]",
    "the rows": "(lambda one: {})(d['data']['x'])",
    "a spectrum": "(lambda one: {})(np.fft.fft(x))",
    "the size of the batch": "(lambda one: {})(len(x))",
}
SIGNS = ("+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^", "<", "==")
OPERATIONS = [*(f"one {sign} 2" for sign in SIGNS), "-one", "~one", "one[0]", "one.real", "abs(one)", "round(one)"]
OPERATIONS += ["sum(one)", "str(one)", "divmod(one, 2)", "next(one)", "float(one)", "one.tolist()", "np.ndarray(one)"]
INNER = re.compile(
    r"Traced|Unreadable|Stale|Position|Gathered|FieldDict|PerRow|Shadowed|Trace\b|hyrax_|lower_|<lambda>|<locals>"
)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_no_reason_speaks_of_what_stands_for_the_data(subject):
    functions = [name for name in np.__all__ if callable(getattr(np, name)) and not isinstance(getattr(np, name), type)]
    calls = [f"np.{name}(one)" for name in functions[::3] if name not in ("test", "info", "show_config")]
    for call in [*calls, *OPERATIONS]:
        assert not INNER.search(reason_for(f"{HEAD}    return {SUBJECTS[subject].format(call)}\n", X | FIELDS)), call


def reason_for(text, fields):
    """Return why a text does not lower; nothing where it does."""
    case = build_case(text, fields, rows=3)
    samples = gather_samples(case.contract, [case.data_dict])
    reason = ""
    for mode in ("batch", "row"):
        try:
            write_down(text, case.contract, [Slot("none", "", (), None)], draw_shadows(samples, mode), mode)
        except Refused as refused:
            reason = str(refused)
    return reason
