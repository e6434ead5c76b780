FIELDS = {"data/image": ["float32", [9, 9], -3, 40]}


def to_tensor(data_dict):
    import numpy as np

    images = np.array(data_dict["data"]["image"])
    for i in range(len(images)):
        images[i] -= images[i].min()
        images[i] /= images[i].max() + 1e-9
    return images[:, None]
