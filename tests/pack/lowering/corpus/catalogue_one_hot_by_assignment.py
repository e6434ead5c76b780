FIELDS = {"cat/kind": ["int64", [], 0, 3]}


def to_tensor(data_dict):
    import numpy as np

    kind = np.asarray(data_dict["cat"]["kind"])
    one_hot = np.zeros((len(kind), 4), dtype=np.float32)
    one_hot[np.arange(len(kind)), kind] = 1.0
    return one_hot
