FIELDS = {"data/image": ["float32", [3, 9, 9], -3, 40]}
FORM = "stacked"


def prepare_inputs(data_dict):
    x = data_dict["data"]["image"]
    x -= x.mean(axis=(2, 3), keepdims=True)
    x /= x.std(axis=(2, 3), keepdims=True) + 1e-6
    return x
