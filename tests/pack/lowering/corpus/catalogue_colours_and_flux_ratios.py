FIELDS = {
    "cat/mag_g": ["float64", [], 14, 26],
    "cat/mag_r": ["float64", [], 14, 26],
    "cat/flux": ["float64", [], 0.1, 900],
}


def to_tensor(data_dict):
    import numpy as np

    g = np.asarray(data_dict["cat"]["mag_g"])
    r = np.asarray(data_dict["cat"]["mag_r"])
    flux = np.asarray(data_dict["cat"]["flux"])
    features = np.column_stack([g - r, (g + r) / 2, np.log10(np.maximum(flux, 1e-5))])
    return features.astype(np.float32)
