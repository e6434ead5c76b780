FIELDS = {"cat/xyz": ["float64", [3], -1, 1]}
ROTATION = (
    (-0.0548755604, -0.8734370902, -0.4838350155),
    (0.4941094279, -0.4448296300, 0.7469822445),
    (-0.8676661490, -0.1980763734, 0.4559837762),
)
LOWERS = False


def to_tensor(data_dict):
    import numpy as np

    xyz = np.asarray(data_dict["cat"]["xyz"])
    rotated = xyz @ np.array(ROTATION).T
    lon = np.arctan2(rotated[:, 1], rotated[:, 0])
    lat = np.arcsin(np.clip(rotated[:, 2], -1, 1))
    return np.stack([lon, lat], axis=1)
