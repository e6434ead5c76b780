FIELDS = {"spec/flux": ["float32", [32], 0.5, 30]}


def to_tensor(data_dict):
    import numpy as np

    x = np.linspace(-1, 1, 32)
    design = np.stack([np.ones_like(x), x, x**2], axis=1)
    project = design @ np.linalg.pinv(design)
    flux = np.asarray(data_dict["spec"]["flux"], dtype=np.float64)
    return (flux - flux @ project.T).astype(np.float32)
