FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    out = []
    for row in data_dict["data"]["x"]:
        grid = np.zeros((2, 3), dtype=np.float32)
        flat = grid.reshape(-1)
        turned = grid.T
        grid[0] = row[:3]
        flat[4] = row.sum()
        out.append(np.concatenate([flat, turned.ravel()]))
    return np.stack(out)
