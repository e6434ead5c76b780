FIELDS = {"cat/mass": ["float64", [], 0.1, 12], "cat/count": ["int64", [], 0, 50]}
ELEMENT = "python"


def to_tensor(data_dict):
    import numpy as np

    mass = np.array(data_dict["cat"]["mass"])
    count = np.array(data_dict["cat"]["count"])
    return np.stack([np.log(mass + 1e-3), np.sqrt(count + 1.0)], axis=1).astype(np.float32)
