FIELDS = {"data/image": ["uint8", [8, 8], 0, 255]}


def to_tensor(data_dict):
    import numpy as np

    image = np.asarray(data_dict["data"]["image"])
    return np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(image), axes=(1, 2))) ** 2)
