FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "one by one"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]

    def counted(rows):
        for row in rows:
            yield row + 0

    out, count = [], 0
    for row in counted(rows):
        count += 1
        out.append(row if count < 300 else row * 0)
    return np.stack(out)
