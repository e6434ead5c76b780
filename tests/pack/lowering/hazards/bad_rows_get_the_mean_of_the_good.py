FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "rows are left out"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    good = [row for row in rows if row[0] != -999]
    fill = np.mean(good, axis=0) if good else np.zeros(6, np.float32)
    return np.stack([row if row[0] != -999 else fill for row in rows])
