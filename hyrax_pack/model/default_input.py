"""The `to_tensor` of a class that has none; it is captured and shipped as text, so it stands on its own."""


def to_tensor(data_dict):  # type: ignore[no-untyped-def]  # the text runs without our types
    """Return the images, and the labels where there are any, of the data set called `data`.

    Parameters
    ----------
    data_dict : dict
        `{"data": {"image": N rows of one shape, "label": N labels or missing}}`.

    Returns
    -------
    tuple of (ndarray, shape (N, …)) and (ndarray, shape (N, …), or None)
    """
    import numpy as np

    data = data_dict["data"]
    label = data.get("label")
    return np.asarray(data["image"]), None if label is None else np.asarray(label)
