FIELDS = {"data/image": ["uint8", [12, 12, 3], 0, 255]}


def to_tensor(data):
    import numpy as np

    image = np.array(data["data"]["image"]).astype("float32") / 255.0
    return image.transpose(0, 3, 1, 2)
