"""Which fields a function reads: what it does not read is not given to it in production."""

import numpy as np
import pytest

from hyrax_pack.capturing.recording import Noted, named_in_text, record

ROWS = range(80)
INNER = {"image", "mag", "curve", "name", "mask", "label", "object_id"}
ALL = {f"data/{field}" for field in INNER}


def data_dict(rows):
    return {
        "data": {
            "image": [np.full((2, 3), row, "f4") for row in rows],
            "mag": [np.float32(row) for row in rows],
            "curve": [np.arange(3 + row % 5) for row in rows],
            "name": [f"source {row}" for row in rows],
            "mask": [np.ones(3, "f4") for _ in rows],
            "label": [np.int64(row % 3) for row in rows],
            "object_id": [np.int64(row) for row in rows],
        },
        "object_id": [np.int64(row) for row in rows],
    }


ASKED_FOR = {
    "pop": ("return np.array([len(n) for n in data_dict['data'].pop('name')])", {"data/name"}),
    "get": ("d = data_dict['data']\nreturn np.stack([d['image'], d.get('image')], 1)", {"data/image"}),
    "the ids": ("return np.asarray(data_dict.get('object_id'))", {"object_id"}),
    "in": ("d = data_dict['data']\nreturn np.full(len(d['image']), 'mask' in d)", {"data/image", "data/mask"}),
    "in, of what is not there": (
        "d = data_dict['data']\nreturn np.full(len(d['image']), 'nothing' in d)",
        {"data/image"},
    ),
    "a value that nobody uses": (
        "d = data_dict['data']\n_ = d['mag']\nreturn np.asarray(d['image'])",
        {"data/image", "data/mag"},
    ),
    "a deep copy": ("import copy\nd = copy.deepcopy(data_dict)['data']\nreturn np.asarray(d['image'])", {"data/image"}),
    "a copy by the module": (
        "import copy\nd = copy.copy(data_dict['data'])\nreturn np.asarray(d['mag'])",
        {"data/mag"},
    ),
    "a copy by the method": ("d = data_dict['data'].copy()\nreturn np.asarray(d['mag'])", {"data/mag"}),
    "a union": ("d = {'k': 1} | data_dict['data'] | {}\nreturn np.asarray(d['image'])", {"data/image"}),
    "a question whether there is anything": (
        "d = data_dict['data']\nassert d and data_dict\nreturn np.asarray(d['mag'])",
        {"data/mag"},
    ),
    "a name in a branch that no row takes": (
        "d = data_dict['data']\nx = np.array(d['image'])\n"
        "for i, m in enumerate(d['mag']):\n    if m < 0:\n        x[i] = d.get('mask', x)[i]\nreturn x",
        {"data/image", "data/mag", "data/mask"},
    ),
    "a name put together in a branch that no row takes": (
        "d = data_dict['data']\nx = np.array(d['image'])\nkind = 'mas'\n"
        "for i, m in enumerate(d['mag']):\n    if m < 0:\n        x[i] = d.get(f'{kind}k', x)[i]\nreturn x",
        {"data/image", "data/mag", "data/mask"},
    ),
    "a pattern": (
        "match data_dict['data']:\n    case {'mag': m, 'mask': _}:\n        return np.asarray(m)",
        {"data/mag", "data/mask"},
    ),
    "going over the data sets": (
        "x = [np.asarray(data_dict[k]['mag']) for k in sorted(data_dict) if k != 'object_id']\nreturn np.stack(x, 1)",
        {"data/mag"},
    ),
}


@pytest.mark.parametrize(("body", "read"), ASKED_FOR.values(), ids=ASKED_FOR)
def test_what_is_asked_for_by_name_counts_as_read(proof, body, read):
    found = proof(body)
    assert found.fields_read == read
    assert not any("goes over" in note for note in found.notes)


GONE_OVER = {
    "items": "return np.stack([v for k, v in sorted(data_dict['data'].items()) if k == 'mag'], 1)",
    "values": "a, *_ = data_dict['data'].values()\nreturn np.asarray(a)",
    "a plain copy": "d = dict(data_dict['data'])\nreturn np.asarray(d['image'])",
    "a plain copy in braces": "d = {**data_dict['data']}\nreturn np.asarray(d['image'])",
    "a pattern of names": "d = data_dict['data']\nx = np.asarray(d['image'])\n"
    "for k in d:\n    if k.startswith('corr_'):\n        x = x - d[k]\nreturn x",
    "how many there are": "return np.full((len(data_dict['object_id']), 2), len(data_dict['data']) > 2)",
    "how many there are, exactly": "return np.full((len(data_dict['object_id']), 2), len(data_dict['data']))",
}


@pytest.mark.parametrize("body", GONE_OVER.values(), ids=GONE_OVER)
def test_fields_that_are_gone_over_with_all_others_count_as_read(proof, body):
    found = proof(body)
    assert found.fields_read >= ALL


def test_that_all_fields_are_gone_over_is_said(proof):
    found = proof("x = np.asarray(data_dict['data']['mag'])\nreturn x * len(data_dict['data'].keys())")
    assert found.notes == (
        "to_tensor goes over all fields, so that data/curve, data/image, data/label, data/mask, data/name, "
        "data/object_id must be there too; name those it uses",
    )


def test_that_a_plain_copy_goes_over_all_fields_is_said_too(proof):
    found = proof("d = dict(data_dict['data'])\nreturn np.asarray(d['mag'])")
    assert any(note.startswith("to_tensor goes over all fields, so that data/curve, ") for note in found.notes)


def test_a_correction_that_is_nought_in_all_rows_at_hand_is_read(proof):
    def with_correction(rows):
        given = data_dict(rows)
        given["data"]["corr_dust"] = [np.float32(0)] * len(rows)
        return given

    body = "d = data_dict['data']\nx = np.asarray(d['mag'])\n"
    body += "for k, v in d.items():\n    if k.startswith('corr_'):\n        x = x - np.asarray(v)\nreturn x"
    assert "data/corr_dust" in proof(body, make_batch=with_correction).fields_read


def test_a_function_that_takes_a_plain_dict_alone_is_proven_and_reads_all(proof):
    found = proof(
        "if type(data_dict) is not dict:\n    raise TypeError('a dict is needed')\n"
        "return np.asarray(data_dict['data']['mag'])"
    )
    assert found.fields_read == ALL | {"object_id"}


def test_a_copy_notes_for_itself_and_keeps_what_is_added():
    noted = Noted()
    inner = record({"data": {"a": 1, "b": 2}}, noted)["data"]
    copied = inner.copy()
    copied["c"] = 3
    assert (copied["c"], "c" in inner, dict.__len__(copied)) == (3, False, 3)
    assert noted == Noted(absent={"data/c"})
    assert copied["a"] == 1
    assert noted.named == {"data/a"}


def test_names_that_are_only_compared_with_are_not_asked_for():
    text = "def f(d):\n    return [v for k, v in d.items() if k != 'x' and k not in ('y',)], d['z']\n"
    assert named_in_text(text, {"data/x", "data/y", "data/z"}) == {"data/z"}


PUT_TOGETHER = {
    "f-string": "d[f'mag_{band}']",
    "f-string of two parts": "d[f'{kind}_{band}']",
    "sum": "d['mag_' + band] * 2",
    "sum of three": "d[kind + '_' + band]",
    "percent": "d['mag_%s' % band]",
    "format": "d['mag_{}'.format(band)]",
    "join": "d['_'.join([kind, band])]",
    "in a list": "[d[name] for name in [f'mag_{b}' for b in 'gr']]",
    "beside a string": "d['mag_g'] + d['mag_r'] + 'x'",
}


@pytest.mark.parametrize("expression", PUT_TOGETHER.values(), ids=PUT_TOGETHER)
def test_a_name_that_is_put_together_counts_for_all_that_it_may_be(expression):
    text = f"def to_tensor(data_dict):\n    d = data_dict\n    return {expression}\n"
    assert named_in_text(text, {"data/mag_g", "data/mag_r", "data/z"}) == {"data/mag_g", "data/mag_r"}


def test_a_name_that_may_be_anything_says_nothing():
    assert named_in_text("d[f'{name}'], d[''.join(name)], d[str(name)], x % 2", {"data/mag_g"}) == set()
