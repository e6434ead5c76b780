"""Functions as astronomers write them that fill, pad, code or scale a row by its neighbours: each is found."""

import numpy as np
import pytest

ROWS = range(64)
RNG = [np.random.default_rng(row) for row in ROWS]
FIELDS = {
    "flux": [one.normal(100, 30, 3 + row % 30).astype("f4") for row, one in zip(ROWS, RNG, strict=True)],
    "mag": [np.where(one.random(5) < 0.02, np.nan, 20 + one.normal(size=5)).astype("f4") for one in RNG],
    "image": [one.normal(100, 30, (3, 5, 5)).astype("f4") for one in RNG],
    "band": ["ugrizy"[row % 6] for row in ROWS],
    "date": [f"2024-01-{1 + row % 28:02}T12:30:00" for row in ROWS],
    "redshift": [float("nan") if row % 9 == 3 else one.random() for row, one in zip(ROWS, RNG, strict=True)],
    "quality": [np.uint8(row) for row in ROWS],
}


def data_dict(rows):
    return {"data": {name: [values[row] for row in rows] for name, values in FIELDS.items()}}


D = "d = data_dict['data']\n"
COUPLED = {
    "padded to the longest": "n = max(map(len, d['flux']))\n"
    "return np.stack([np.pad(f, (0, n - len(f))) for f in d['flux']])",
    "coded by the bands that are there": "kinds, at = np.unique(d['band'], return_inverse=True)\n"
    "return np.eye(len(kinds), dtype='f4')[at]",
    "filled with the mean of the column": "m = np.array(d['mag'])\n"
    "return np.where(np.isnan(m), np.nanmean(m, axis=0), m)",
    "scaled to the batch": "x = np.stack(d['image'])\nreturn (x - x.min()) / (x.max() - x.min())",
    "standardised over the rows": "x = np.nan_to_num(np.array(d['mag']))\nreturn (x - x.mean(0)) / x.std(0)",
    "a table of mixed numbers": "table = {'u': 0, 'g': 0.5, 'r': 1, 'i': 1.5, 'z': 2, 'y': 2.5}\n"
    "return np.array([table[b] for b in d['band']])",
    "a type that the first row decides": "return np.vectorize(lambda z: 0 if z != z else z)(np.array(d['redshift']))",
    "dates whose finest decides": "t = np.array(d['date'], dtype='datetime64')\n"
    "return (t - np.datetime64('2024-01-01')).astype('f8')",
    "a loop that ends at a flag": "out = np.zeros(len(d['mag']))\nfor i, q in enumerate(d['quality']):\n"
    "    if q == 255:\n        break\n    out[i] = np.nansum(d['mag'][i])\nreturn out",
    "what a loop leaves behind": "x = np.stack(d['image'])\nfor image in x:\n    bad = image.max() > 60000\n"
    "if bad:\n    x = x / 2\nreturn x",
    "a grid of the first row": "grid = np.linspace(d['flux'][0].min(), d['flux'][0].max(), 8)\n"
    "return np.stack([np.histogram(f, grid)[0] for f in d['flux']])",
    "counts up to the greatest": "n = 1 + max(int(q) for q in d['quality'])\n"
    "return np.stack([np.bincount([q], minlength=n)[:3] for q in d['quality']])",
    "a filter across the batch": "from scipy.ndimage import gaussian_filter\n"
    "return gaussian_filter(np.stack(d['image']), sigma=1.5)",
    "dummies of a data frame": "import pandas as pd\nreturn pd.get_dummies(pd.Series(d['band'])).to_numpy('f4')",
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("body", COUPLED.values(), ids=COUPLED)
def test_rows_that_look_at_their_neighbours_are_found(load, body):
    from hyrax_pack.capturing import capture, prove

    lines = "".join(f"    {line}\n" for line in (D + body).splitlines())
    module = load(f"import numpy as np\n\n\ndef to_tensor(data_dict):\n{lines}")
    captured = capture(module.to_tensor, requires=["scipy", "pandas"])
    found = prove(captured, module.to_tensor, data_dict, ROWS)
    assert found.batch == "joint"
    assert any(note.startswith("rows touch one another: ") for note in found.notes)
