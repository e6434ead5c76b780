FIELDS = {"cat/mag": ["float64", [], 14, 26], "cat/parallax": ["float64", [], 0.01, 50]}


def to_tensor(data_dict):
    import numpy as np

    mag = np.asarray(data_dict["cat"]["mag"])
    plx = np.asarray(data_dict["cat"]["parallax"])
    with np.errstate(invalid="ignore", divide="ignore"):
        absolute = mag + 5 * np.log10(plx / 100.0)
    return np.nan_to_num(absolute, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)[:, None]
