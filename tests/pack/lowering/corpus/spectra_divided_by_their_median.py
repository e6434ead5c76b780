FIELDS = {"spec/flux": ["float32", [64], 0.1, 30]}


def to_tensor(data_dict):
    import numpy as np

    flux = np.asarray(data_dict["spec"]["flux"], dtype=np.float32)
    flux = flux / np.median(flux, axis=1, keepdims=True)
    return flux[:, None, :]
