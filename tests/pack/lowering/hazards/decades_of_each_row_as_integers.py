FIELDS = {"data/x": ["float64", [], 1, 2000]}
REFUSED = "an edge in a value whose last digits"


def to_tensor(data_dict):
    import numpy as np

    return np.array([np.log10(one) for one in data_dict["data"]["x"]], dtype=np.int32)
