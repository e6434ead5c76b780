FIELDS = {
    "alerts/science": ["float32", [21, 21], -5, 90],
    "alerts/template": ["float32", [21, 21], -5, 90],
    "alerts/difference": ["float32", [21, 21], -20, 60],
}


def to_tensor(data_dict):
    import numpy as np

    alerts = data_dict["alerts"]
    triplet = np.stack([np.asarray(alerts[k], dtype=np.float32) for k in ("science", "template", "difference")], axis=1)
    triplet = np.nan_to_num(triplet)
    mean = triplet.mean(axis=(2, 3), keepdims=True)
    std = triplet.std(axis=(2, 3), keepdims=True)
    return (triplet - mean) / (std + 1e-8)
