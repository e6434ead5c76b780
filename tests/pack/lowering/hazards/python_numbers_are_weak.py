FIELDS = {"data/a": ["float64", [], -3, 3], "data/x": ["float32", [6], -3, 3]}
ELEMENT = "python"


def to_tensor(data_dict):
    import numpy as np

    rows = []
    for a, x in zip(data_dict["data"]["a"], data_dict["data"]["x"]):
        rows.append(np.asarray(x, dtype=np.float32) * a + np.float32(0.1))
    return np.stack(rows)
