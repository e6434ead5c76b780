FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    out, peak = [], np.float32(-10.0)
    for row in data_dict["data"]["x"]:
        peak = np.maximum(peak, row.max())
        out.append(row / peak)
    return np.stack(out)
