FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    count = 0

    def counted(row):
        nonlocal count
        count += 1
        return row * (1 if count <= 300 else 0)

    return np.stack([counted(row) for row in rows])
