FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "size of the batch"


def to_tensor(data_dict):
    import numpy as np

    out = []
    for row in data_dict["data"]["x"]:
        out.append(row * 2 if len(data_dict["data"]["x"]) > 1000 else row)
    return np.stack(out)
