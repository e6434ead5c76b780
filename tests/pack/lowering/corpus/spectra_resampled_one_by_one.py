FIELDS = {"spec/flux": ["float32", [40], 0.1, 30]}


def to_tensor(data_dict):
    import numpy as np

    wave = np.linspace(3600.0, 9800.0, 40)
    grid = np.linspace(4000.0, 9000.0, 64)
    return np.array([np.interp(grid, wave, flux) for flux in data_dict["spec"]["flux"]], dtype=np.float32)
