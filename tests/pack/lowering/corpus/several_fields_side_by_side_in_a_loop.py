FIELDS = {"data/image": ["float32", [8, 8], -2, 40], "data/psf": ["float32", [8, 8], 0, 1]}


def to_tensor(data_dict):
    import numpy as np

    out = []
    for image, psf in zip(data_dict["data"]["image"], data_dict["data"]["psf"]):
        psf = psf / max(psf.sum(), 1e-6)
        out.append(np.stack([image, psf]))
    return np.array(out, dtype=np.float32)
