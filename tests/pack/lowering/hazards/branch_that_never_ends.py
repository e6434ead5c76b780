FIELDS = {"data/x": ["float32", [6], 1, 3]}
REFUSED = "ways through"


def to_tensor(data_dict):
    import numpy as np

    out = []
    for row in data_dict["data"]["x"]:
        for _ in range(200):
            if not row.max() > 1:
                break
            row = row / 2
        out.append(row)
    return np.stack(out)
