FIELDS = {"data/image": ["uint16", [12, 12], 0, 65535]}


def to_tensor(data_dict):
    import numpy as np

    images = np.asarray(data_dict["data"]["image"])
    return (images / 65535).astype(np.float32)[:, np.newaxis]
