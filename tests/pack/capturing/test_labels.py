"""Labels are there in training and not at inference: no slot may tell the difference."""

import numpy as np
import pytest

from hyrax_pack.errors import ProofError

ROWS = range(80)
RNG = np.random.default_rng(5)
FLUX = RNG.normal(5, 1, (80, 4)).astype("f4")


def with_labels(rows):
    return {
        "data": {
            "flux": [FLUX[row] for row in rows],
            "label": [np.int64(row % 3) for row in rows],
            "redshift": [np.float32(row / 80) for row in rows],
        },
        "object_id": [np.int64(row) for row in rows],
    }


def data_dict(rows):
    given = with_labels(rows)
    del given["data"]["label"], given["data"]["redshift"]
    return given


X = "d = data_dict['data']\nx = np.stack(d['flux'])\n"
ALIKE = {
    "a label that is absent": "return x, np.asarray(d.get('label', []))",
    "a label that is None": "return x, d.get('label')",
    "a label that zeros stand for": "return x, np.asarray(d.get('label', [0] * len(x)))",
    "a label that -1 stands for, of another dtype": (
        "return x, np.asarray(d['label'], 'f4') if 'label' in d else -np.ones(len(x), 'i8')"
    ),
    "two labels": "return x, np.asarray(d.get('redshift', [])), np.asarray(d.get('label', []))",
    "no label": "return x",
}


@pytest.mark.parametrize("body", ALIKE.values(), ids=ALIKE)
def test_what_stands_for_a_label_alone_may_change(proof, body):
    assert proof(X + body, with_labels=with_labels).batch == "independent"


LEAKS = {
    "a scale by class": (
        "if 'label' in d:\n    x = x / (1 + np.asarray(d['label'])[:, None]).astype('f4')\n"
        "return x, np.asarray(d.get('label', []))",
        "slot 0 is another where data/label is there (",
    ),
    "another dtype": (
        "return np.asarray(d.get('label', [])), x.astype('f8' if 'redshift' in d else 'f4')",
        "slot 1 is another where data/redshift is there (float64 (64, 4) with it, and without float32 (64, 4))",
    ),
    "another shape": (
        "return np.concatenate([x, np.asarray(d['label'])[:, None]], 1) if 'label' in d else x",
        "slot 0 is another where data/label is there (float64 (64, 5) with it, and without float32 (64, 4))",
    ),
    "another number of slots": (
        "return (x, np.asarray(d['label'])) if 'label' in d else (x,)",
        "what it returns is another where data/label, data/redshift is there (another number of slots)",
    ),
    "the order of rows": (
        "return x[np.argsort(d['label'], kind='stable')] if 'label' in d else x",
        "slot 0 is another where data/label is there (",
    ),
}


@pytest.mark.parametrize(("body", "says"), LEAKS.values(), ids=LEAKS)
def test_a_label_that_changes_what_the_model_sees_is_refused_by_slot_and_field(proof, body, says):
    with pytest.raises(ProofError) as caught:
        proof(X + body, with_labels=with_labels)
    assert says in str(caught.value)
    assert "training would see what inference never gives; compute it without labels" in str(caught.value)


def test_an_error_with_labels_is_told(proof):
    with pytest.raises(ProofError, match="the live function, on 64 rows: ValueError: no labels please"):
        proof(X + "if 'label' in d:\n    raise ValueError('no labels please')\nreturn x", with_labels=with_labels)
