FIELDS = {"data/x": ["float32", [6], -3, 3]}
ASKED = ["data/scale"]


def to_tensor(data_dict):
    import numpy as np

    settings = {"scale": 2.0, "shift": 1.0}
    fields = data_dict["data"].copy()
    scale = fields.get("scale", settings["scale"])
    return np.asarray(fields["x"]) * scale + settings["shift"]
