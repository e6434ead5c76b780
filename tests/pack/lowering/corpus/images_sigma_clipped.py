FIELDS = {"data/image": ["float32", [9, 9], -1, 4]}


def to_tensor(data_dict):
    import numpy as np

    out = []
    for image in data_dict["data"]["image"]:
        image = np.asarray(image, dtype=np.float32)
        keep = np.abs(image - np.median(image)) < 3 * np.std(image)
        level = image[keep].mean()
        out.append(image - level)
    return np.stack(out)[:, None]
