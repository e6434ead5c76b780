FIELDS = {"data/x": ["uint8", [2], 0, 90]}


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    return np.array([(int(row[0]) * 256 + int(row[1])) / 7 for row in rows])
