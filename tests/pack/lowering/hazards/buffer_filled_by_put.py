FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = ".put()"


def to_tensor(data_dict):
    import numpy as np

    out = []
    for row in data_dict["data"]["x"]:
        buffer = np.zeros(3, dtype=np.float32)
        buffer.put([0, 2], row[:2])
        out.append(buffer)
    return np.stack(out)
