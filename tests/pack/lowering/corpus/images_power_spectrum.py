FIELDS = {"data/image": ["float32", [8, 8], -1, 4]}
LOWERS = False


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["image"], dtype=np.float32)
    x = np.where(np.isfinite(x), x, 0)
    power = np.abs(np.fft.fftshift(np.fft.fft2(x), axes=(-2, -1))) ** 2
    return np.log1p(power).astype(np.float32)[:, None]
