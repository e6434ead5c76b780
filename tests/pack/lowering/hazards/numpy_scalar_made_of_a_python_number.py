FIELDS = {"data/x": ["float64", [], -3, 3]}
ELEMENT = "python"


def to_tensor(data_dict):
    import numpy as np

    out = []
    for x in data_dict["data"]["x"]:
        y = np.float32(x)
        z = y
        y += 1
        out.append(np.array([y, z]))
    return np.stack(out)
