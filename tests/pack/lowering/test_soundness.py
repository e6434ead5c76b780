"""A refusal says whether the function can travel in another form, or is wrong in every form."""

from dataclasses import replace

import pytest

from hyrax_pack.capturing import Captured
from hyrax_pack.errors import CaptureError
from hyrax_pack.lowering import Refusal
from hyrax_pack.workflow.choosing_form import check_sound
from tests.pack.lowering.cases import build_case

X = {"data/x": ["float32", [6], -3, 3]}
HEAD = "def to_tensor(d):\n    import numpy as np\n    x = np.asarray(d['data']['x'])\n"
COUNTING = "SEEN = [0]\n\n\n" + HEAD + "    SEEN[0] += 1\n    return x * SEEN[0]\n"
GLOBAL = "SEEN = 0\n\n\n" + HEAD + "    global SEEN\n    SEEN = SEEN + 1\n    return x\n"

WRONG_IN_EVERY_FORM = {
    "a constant that counts the calls": (COUNTING, "outlives a call"),
    "a global that is assigned": (GLOBAL, "outlives a call"),
    "a branch on the size of the batch": (HEAD + "    return x * 2 if len(x) > 4 else x\n", "row 0 of 17"),
    "the mean over the batch": (HEAD + "    return x - x.mean(axis=0)\n", "alone than among others"),
    "a bad row that spoils all": (
        HEAD + "    return x * 0 if (x == -99).any() else x\n",
        "row 0 of 4 gives other values alone",
    ),
    "the least of all rows for what is missing": (
        HEAD + "    good = np.isfinite(x)\n    return np.where(good, x, x[good].min())\n",
        "alone",
    ),
    "what is done from a row on": (
        HEAD + "    out = x.copy()\n    out[700:] = 0\n    return out\n",
        "of 701 gives other values alone",
    ),
    "the present day": (
        HEAD + "    return x + np.array('today', dtype='datetime64[D]').astype(int)\n",
        "the present time",
    ),
    "random numbers": (HEAD + "    return x + np.random.random(x.shape)\n", "random numbers"),
}
TEXT_AND_CURVES = {"data/x": X["data/x"], "data/name": ["str", [], 0, 0], "data/curve": ["ragged", [], -3, 3]}
REPLAYED = {
    "text and light curves beside an image": HEAD
    + "    import re\n"
    + "    sizes = [float(len(re.sub('a', '', name))) for name in d['data']['name']]\n"
    + "    return x * np.asarray(sizes)[:, None] + np.asarray([np.sum(one) for one in d['data']['curve']])[:, None]\n",
    "a table asked by a value": HEAD
    + "    table = {0: 1.0}\n    return np.array([table.get(int(v), 2.0) for v in x[:, 0]])\n",
    "an order of equal values": HEAD + "    return np.argsort(x, axis=1)\n",
    "an import": HEAD + "    import scipy\n    return x\n",
    "a loop that ends for ordinary values alone": HEAD
    + "    out = []\n    for row in x:\n        while row[0] > np.pi:\n            row = row - 2 * np.pi\n"
    + "        out.append(row)\n    return np.stack(out)\n",
    "an edge in a logarithm": HEAD + "    return np.floor(np.log10(np.abs(x) + 1))\n",
}


@pytest.mark.parametrize("name", WRONG_IN_EVERY_FORM)
def test_what_is_wrong_in_every_form_is_marked(name):
    text, words = WRONG_IN_EVERY_FORM[name]
    found = build_case(text, X).lower()
    assert isinstance(found, Refusal)
    assert found.is_unsound
    assert words in str(found)


IDS = {"data/x": X["data/x"], "data/id": ["int64", [], 10**15, 10**16], "data/u": ["uint64", [], 10**15, 10**16]}
ONE_NUMBER = {
    "a number that stands there": "(ids == 9).any()",
    "one beyond all that is signed": "(u == 12345678901234567890).any()",
    "one that is calculated": "(ids == 10**17 + 7).any()",
    "one shifted into its place": "(ids == (1 << 45) + 3).any()",
    "one in a table": "np.isin(ids, [4711, 815]).any()",
    "one that is read from text": "(ids == int('4711')).any()",
    "its digits": "any(str(i).endswith('4711') for i in d['data']['id'])",
    "one less another": "(ids - 1000 == 4711).any()",
    "its half": "(ids // 2 == 4711).any()",
    "its upper bits": "((ids >> 40) == 77).any()",
    "its upper bits, backwards": "(5 - (ids // 3 + 8) == -1000).any()",
    "twice a float": "(x * 2 == 2.5).any()",
    "the root of a float": "(np.sqrt(x) > 1e4).any()",
}


@pytest.mark.parametrize("name", ONE_NUMBER)
def test_a_rule_for_all_on_one_number_that_was_never_seen_is_found(name):
    text = HEAD + "    ids, u = np.asarray(d['data']['id']), np.asarray(d['data']['u'])\n"
    found = build_case(f"{text}    return x * 0 if {ONE_NUMBER[name]} else x\n", IDS).lower()
    assert isinstance(found, Refusal)
    assert found.is_unsound


def test_a_rule_on_one_number_is_found_behind_many_others():
    weights = ", ".join(str(number / 100) for number in range(1, 60))
    text = HEAD + f"    w = np.array([{weights}], np.float32)\n    ids = np.asarray(d['data']['id'])\n"
    found = build_case(text + "    return x * 0 if (ids == 987654321).any() else x * w[:6]\n", IDS).lower()
    assert found.is_unsound


@pytest.mark.parametrize("name", REPLAYED)
def test_what_only_a_graph_cannot_say_is_not(name):
    found = build_case(REPLAYED[name], TEXT_AND_CURVES).lower()
    assert isinstance(found, Refusal)
    assert not found.is_unsound


@pytest.mark.parametrize("body", ["abs(int(v))", "int(v) * 2", "-int(v)"])
def test_integers_that_only_python_can_hold_are_not_rows_that_touch(body):
    text = f"def to_tensor(d):\n    import numpy as np\n    return np.array([{body} for v in d['data']['x']])\n"
    found = build_case(text, {"data/x": ["int64", [], -90, 90]}).lower()
    assert "beyond 64 bits" in str(found)
    assert not found.is_unsound


@pytest.mark.parametrize("name", ["the mean over the batch", "a bad row that spoils all"])
def test_rows_that_were_declared_to_belong_together_may_touch(name):
    found = build_case(WRONG_IN_EVERY_FORM[name][0], X, BATCH="joint").lower()
    assert not isinstance(found, Refusal), str(found)


def test_a_field_that_capture_did_not_see_read_is_a_fault_of_the_record():
    case = build_case(HEAD + "    return x\n", X)
    unread = replace(case.contract, fields=tuple(replace(one, read=False) for one in case.contract.fields))
    case.contract = unread
    assert case.lower().is_unsound


def test_what_is_wrong_in_every_form_is_not_shipped_as_text_either():
    captured = Captured("", "", "net.py:Net", (), ())
    refusal = build_case(WRONG_IN_EVERY_FORM["a bad row that spoils all"][0], X).lower()
    with pytest.raises(CaptureError, match=r"net\.py:Net: to_tensor: .*alone than among others"):
        check_sound(refusal, captured)
    check_sound(build_case(REPLAYED["an import"], X).lower(), captured)
