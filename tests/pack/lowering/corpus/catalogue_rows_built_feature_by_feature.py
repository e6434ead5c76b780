FIELDS = {"cat/mags": ["float32", [5], 14, 26], "cat/errors": ["float32", [5], 0, 1]}


def to_tensor(data_dict):
    import numpy as np

    rows = []
    for mags, errors in zip(data_dict["cat"]["mags"], data_dict["cat"]["errors"]):
        row = [mags[0] - mags[1], mags[1] - mags[2], mags.mean(), mags.max() - mags.min(), errors.mean()]
        rows.append(np.array(row, dtype=np.float32))
    return np.stack(rows)
