"""Functions as astronomers write them: each class has a `to_tensor` or `prepare_inputs`, and makes its own rows."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import log1p as squeeze_bright_end

FULL_SCALE = 65535  # ADU
BANDS = ("g", "r", "i")
ZERO_POINTS = {"g": 26.3, "r": 26.1, "i": -25.9}
LENGTH = 12
CLASSES = ["SN Ia", "AGN", "variable"]

RNG = np.random.default_rng(11)


def as_rows(count, make):
    return [make(index) for index in range(count)]


def image(index):
    return RNG.normal(100.0, 30.0, (6, 6)).astype("f4")


class Plain:
    rows = {"data": {"image": as_rows(17, image)}}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        return np.asarray(data_dict["data"]["image"]).astype(np.float32)


class OfTheDocument:
    rows = {"data": {f"flux_{band}": as_rows(17, image) for band in BANDS}}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        # Each of 'flux_*' have x/y pixel as indexes
        g = np.array(data_dict["data"]["flux_g"])
        r = np.array(data_dict["data"]["flux_r"])
        i = np.array(data_dict["data"]["flux_i"])

        # Stack g,r,i
        gri = np.array([g, r, i])

        # Move batch axis to the front
        return np.moveaxis(gri, 1, 0)


class ClippedAndLogged:
    rows = {"data": {"image": as_rows(17, image), "label": as_rows(17, lambda index: np.int64(index % 3))}}

    @staticmethod
    def to_tensor(data_dict: dict[str, Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        stamps = np.clip(np.asarray(data_dict["data"]["image"]), 0.0, None)
        return squeeze_bright_end(stamps)[:, None], np.asarray(data_dict["data"].get("label", []))


class Detector:
    rows = {"data": {"raw": as_rows(17, lambda index: RNG.integers(0, FULL_SCALE, (5, 5), dtype="u2"))}}

    @staticmethod
    def to_tensor(data_dict):
        return np.stack(data_dict["data"]["raw"]).astype("f4") / FULL_SCALE


class OneHot:
    rows = {"data": {"kind": as_rows(17, lambda index: CLASSES[index % 3])}}

    @staticmethod
    def to_tensor(data_dict):
        indices = np.array([CLASSES.index(kind) for kind in data_dict["data"]["kind"]])
        return np.eye(len(CLASSES), dtype=np.float32)[indices]


class PassedThrough:
    rows = {"data": {"image": np.stack(as_rows(17, image)), "label": np.arange(17)}}

    @staticmethod
    def prepare_inputs(data_dict):
        return (data_dict["data"]["image"], data_dict["data"]["label"])


class Rebound:
    rows = {"data": {"image": as_rows(17, image), "mag": as_rows(17, lambda index: np.float32(index))}}

    @staticmethod
    def to_tensor(data):
        data = data["data"]
        data = [np.asarray(data[name], dtype=np.float32) for name in ("mag",)]
        return np.column_stack(data)


class SixSlots:
    rows = {"data": {name: as_rows(17, lambda index: np.float64(index)) for name in "abcdef"}}

    @staticmethod
    def to_tensor(data_dict):
        d = data_dict["data"]
        a, b, c, _, e, f = (np.asarray(d[name]) for name in "abcdef")
        return a, b.astype("f4"), None, c[:, None], np.array([]), (e + f > 3)


class LabelsInTheMiddle:
    rows = {"data": {"image": as_rows(17, image), "mag": as_rows(17, lambda index: np.float32(index))}}

    @staticmethod
    def to_tensor(data_dict):
        d = data_dict["data"]
        n = len(d["image"])
        label = np.asarray(d["label"]) if "label" in d else -np.ones(n, dtype=np.int64)
        return np.asarray(d["image"]), label, np.asarray(d["mag"])


class Flat:
    rows = {"image": as_rows(17, image), "object_id": as_rows(17, str)}

    @staticmethod
    def to_tensor(data_dict):
        return np.asarray(data_dict["image"])[:, np.newaxis, :, :]


class SeveralDataSets:
    rows = {
        "ztf": {"flux": as_rows(17, lambda index: RNG.normal(size=4))},
        "spectra": {"flux": as_rows(17, lambda index: RNG.normal(size=9).astype(">f4"))},
        "object_id": as_rows(17, str),
    }

    @staticmethod
    def to_tensor(data_dict):
        joined = [
            np.asarray(data_dict[name]["flux"], dtype=np.float32) for name in sorted(data_dict) if name != "object_id"
        ]
        return np.concatenate(joined, axis=1)


class InPlace:
    rows = {"data": {"image": as_rows(17, image)}}
    mutates = True

    @staticmethod
    def to_tensor(data_dict):
        images = data_dict["data"]["image"]
        for stamp in images:
            stamp -= stamp.min()
            stamp /= stamp.max()
        return np.asarray(images)


class RowByRow:
    rows = {"data": {"curve": as_rows(17, lambda index: RNG.normal(size=(3 + index % 20, 2)).astype("f4"))}}

    @staticmethod
    def to_tensor(data_dict):
        """Cut or pad every light curve to one length, and say which points are real."""
        curves = data_dict["data"]["curve"]
        values = np.zeros((len(curves), LENGTH, 2), dtype=np.float32)
        mask = np.zeros((len(curves), LENGTH), dtype=bool)
        for row, curve in enumerate(curves):
            kept = curve[:LENGTH]
            values[row, : len(kept)] = kept
            mask[row, : len(kept)] = True
        return values, mask


class StatisticsInTheDict:
    rows = {
        "data": {
            "mag": as_rows(17, lambda index: np.float32(index)),
            "mean": [np.float32(8)] * 17,
            "std": [np.float32(5)] * 17,
        }
    }

    @staticmethod
    def to_tensor(data_dict):
        mag, mean, std = (np.asarray(data_dict["data"][name]) for name in ("mag", "mean", "std"))
        return ((mag - mean) / std).reshape(-1, 1)


def magnitude(flux, band):
    """AB magnitude."""
    return ZERO_POINTS[band] - 2.5 * np.log10(np.maximum(flux, floor(1e-3)))


def floor(value):
    return math.sqrt(value**2)


class Magnitudes:
    rows = {"data": {f"flux_{band}": as_rows(17, lambda index: RNG.uniform(-1, 100)) for band in BANDS}}

    @staticmethod
    def to_tensor(data_dict):
        return np.stack([magnitude(np.asarray(data_dict["data"][f"flux_{b}"]), band=b) for b in BANDS], axis=-1)


class ZippedStamps:
    rows = {"data": {"cutout": as_rows(17, lambda index: __import__("gzip").compress(image(index).tobytes(), mtime=0))}}

    @staticmethod
    def to_tensor(data_dict):
        import gzip
        import io

        stamps = []
        for packed in data_dict["data"]["cutout"]:
            with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacked:
                stamps.append(np.frombuffer(unpacked.read(), dtype="<f4").reshape(6, 6))
        return np.nan_to_num(np.stack(stamps), nan=0.0, posinf=0.0)


class CentreCut:
    rows = {"data": {"image": as_rows(17, image)}}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        def cut(stamp, size=4):
            y, x = (n // 2 for n in stamp.shape)
            half = size // 2
            return stamp[y - half : y + half, x - half : x + half]

        return np.asarray([cut(stamp) for stamp in data_dict["data"]["image"]])[..., ::-1]


class Everything:
    rows = {"data": {"b": as_rows(17, float), "a": as_rows(17, int), "c": as_rows(17, lambda index: index % 2 == 0)}}

    @staticmethod
    def to_tensor(data_dict):
        columns = [np.asarray(values, dtype=np.float64) for _, values in sorted(data_dict["data"].items())]
        return np.column_stack(columns)


def sky(stamp, width=1):
    """The level of the border and its scatter, from the median."""
    border = np.concatenate([stamp[:width].ravel(), stamp[-width:].ravel(), stamp[:, :width].ravel()])
    border = border[np.isfinite(border)]
    level = np.median(border)
    return level, 1.4826 * np.median(np.abs(border - level))


class SkyTakenOff:
    rows = {"data": {"image": as_rows(17, lambda index: np.where(RNG.random((6, 6)) < 0.1, np.nan, image(index)))}}

    @staticmethod
    def to_tensor(data_dict):
        stamps = []
        for stamp in data_dict["data"]["image"]:
            level, scatter = sky(stamp)
            stamps.append((np.where(np.isfinite(stamp), stamp, level) - level) / scatter)
        return np.array(stamps, dtype=np.float32)


def clipped(values, times=3.0):
    """Mean and scatter without what lies far out."""
    for _ in range(5):
        mean, scatter = values.mean(), values.std()
        kept = np.abs(values - mean) < times * scatter
        if kept.all():
            break
        values = values[kept]
    return mean, scatter


class Clipped:
    rows = {"data": {"image": as_rows(17, image)}}

    @staticmethod
    def to_tensor(data_dict):
        statistics = [clipped(stamp.ravel()) for stamp in data_dict["data"]["image"]]
        rows = zip(data_dict["data"]["image"], statistics, strict=True)
        return np.array([(stamp - mean) / (scatter or 1.0) for stamp, (mean, scatter) in rows], dtype="f4")


SOFTENING = [1.4e-10, 0.9e-10, 1.2e-10]
MISSING = -999.0


class Luptitudes:
    rows = {"data": {"mag": as_rows(17, lambda index: np.where(RNG.random(3) < 0.2, -999, 20 + RNG.normal(size=3)))}}

    @staticmethod
    def to_tensor(data_dict):
        mags, softening = np.asarray(data_dict["data"]["mag"], dtype="float64"), np.asarray(SOFTENING)
        missing = (mags == MISSING) | ~np.isfinite(mags)
        flux = 10 ** (-0.4 * np.where(missing, 22.0, mags))
        smooth = -2.5 / np.log(10) * (np.arcsinh(flux / (2 * softening)) + np.log(softening))
        return np.concatenate([smooth, smooth[:, :-1] - smooth[:, 1:], missing], axis=1).astype(np.float32)


STEPS = [0, 1, 3, 10, 30, 100]


def pairs(times, fluxes):
    for first in range(len(times)):
        for second in range(first + 1, len(times)):
            yield times[second] - times[first], fluxes[second] - fluxes[first]


class TimesAndDifferences:
    rows = {
        "data": {
            "mjd": as_rows(17, lambda index: np.sort(RNG.uniform(59000, 59100, 3 + index % 5))),
            "flux": as_rows(17, lambda index: RNG.normal(100, 30, 3 + index % 5).astype("f4")),
        }
    }

    @staticmethod
    def to_tensor(data_dict):
        d = data_dict["data"]
        images = []
        for times, fluxes in zip(d["mjd"], d["flux"], strict=True):
            table = np.array([*pairs(times, fluxes)]).reshape(-1, 2)
            counts, _, _ = np.histogram2d(*table.T, bins=[STEPS, [-100, -10, 0, 10, 100]])
            images.append(counts / max(counts.sum(), 1))
        return np.stack(images).astype("f4")[:, None]


class Season:
    rows = {"data": {"date": as_rows(17, lambda index: f"2024-{1 + index % 12:02}-03T{index:02}:30:00")}}

    @staticmethod
    def to_tensor(data_dict):
        when = np.array(data_dict["data"]["date"], dtype="datetime64[s]")
        phase = 2 * np.pi * ((when - when.astype("datetime64[Y]")) / np.timedelta64(1, "D")) / 365.25
        return np.stack([np.sin(phase), np.cos(phase)], axis=1).astype("f4")


class Profile:
    rows = {"data": {"image": as_rows(17, image)}}

    @staticmethod
    def to_tensor(data_dict):
        y, x = np.indices((6, 6)) - 2
        ring = np.hypot(y, x).astype(int).ravel()
        sums = [np.bincount(ring, weights=stamp.ravel()) for stamp in data_dict["data"]["image"]]
        return np.array(sums, dtype="float32") / np.bincount(ring)


class Flags:
    rows = {"data": {"quality": as_rows(17, lambda index: np.uint8(RNG.integers(0, 256)))}}

    @staticmethod
    def to_tensor(data_dict):
        quality = np.stack(data_dict["data"]["quality"])
        return np.stack([(quality - 128) / 128, *((quality >> bit) & 1 for bit in range(8))], axis=1).astype("f4")
