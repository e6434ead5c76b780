FIELDS = {"spec/flux": ["float64", [25], -1, 4]}


def to_tensor(data_dict):
    import numpy as np

    out = []
    for flux in data_dict["spec"]["flux"]:
        flux = np.nan_to_num(flux - flux.mean(), nan=0.0, posinf=0.0, neginf=0.0)
        spectrum = np.fft.rfft(flux, norm="ortho")
        out.append(np.concatenate([spectrum.real, spectrum.imag, np.abs(spectrum)]))
    return np.stack(out).astype(np.float32)
