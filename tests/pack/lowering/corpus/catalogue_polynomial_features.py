FIELDS = {"cat/features": ["float64", [4], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["cat"]["features"])
    pairs = [x[:, i] * x[:, j] for i in range(4) for j in range(i, 4)]
    return np.concatenate([x, np.stack(pairs, axis=1)], axis=1).astype(np.float32)
