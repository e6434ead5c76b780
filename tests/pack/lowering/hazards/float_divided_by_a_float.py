FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "Python raises"


def to_tensor(data_dict):
    import numpy as np

    return np.array([[float(row[0]) / float(row[1])] for row in data_dict["data"]["x"]])
