FIELDS = {"data/image": ["float32", [10, 10], -3, 40]}


def to_tensor(data_dict):
    import numpy as np

    out = []
    for image in data_dict["data"]["image"]:
        low, high = np.percentile(image, [1, 99])
        image = np.clip(image, low, high)
        out.append((image - low) / (high - low + 1e-6))
    return np.stack(out).astype(np.float32)[:, None, :, :]
