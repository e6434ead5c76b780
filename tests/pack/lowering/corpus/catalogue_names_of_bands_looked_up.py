FIELDS = {"cat/band": ["str", [], 0, 5], "cat/mag": ["float32", [], 14, 26]}
LOWERS = False


def to_tensor(data_dict):
    import numpy as np

    index = {"g": 0, "r": 1, "i": 2}
    codes = [index[name] for name in data_dict["cat"]["band"]]
    return np.column_stack([np.asarray(data_dict["cat"]["mag"]), codes]).astype(np.float32)
