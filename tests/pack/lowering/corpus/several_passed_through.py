FIELDS = {"data/image": ["float32", [3, 8, 8], -2, 40], "data/meta": ["float32", [25], -2, 40]}
FORM = "stacked"


def prepare_inputs(data_dict):
    return data_dict["data"]["image"], data_dict["data"]["meta"]
