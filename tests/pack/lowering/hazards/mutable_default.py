FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "mutable default"


def _count(seen=[]):  # noqa: B006
    seen.append(1)
    return len(seen)


def to_tensor(data_dict):
    import numpy as np

    return np.asarray(data_dict["data"]["x"]) * _count()
