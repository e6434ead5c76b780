"""Devices by the name a person gives them, and the cause when one cannot be had. Knows nothing of onnxruntime's API.

A list of providers is a wish to onnxruntime: on a build without CUDA, or with a broken CUDA, it warns at most and runs
on the CPU. Here a device is a demand: the provider behind it runs, or `ProviderError` says what is missing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Literal

from hyrax_runtime.errors import ProviderError, UsageError
from hyrax_runtime.folders import user_cache_folder
from hyrax_runtime.frozen import Frozen
from hyrax_runtime.nearest import nearest_name

DeviceName = Literal["cpu", "cuda", "tensorrt"]

PROVIDER_OF_DEVICE: dict[DeviceName, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
NAMES = (*PROVIDER_OF_DEVICE, "auto")
OTHER_NAMES = {"gpu": "cuda", "nvidia": "cuda", "trt": "tensorrt"}
# What each device needs from the machine, beside onnxruntime's own library: loader name, what it is, who brings it.
LIBRARIES: dict[DeviceName, tuple[tuple[str, str, str], ...]] = {
    "cpu": (),
    "cuda": (
        ("libcuda.so.1", "the NVIDIA driver", "install the driver, or give the container access to the GPU"),
        ("libcudart.so.12", "CUDA 12", "install CUDA 12 or onnxruntime-gpu[cuda,cudnn]"),
        ("libcudnn.so.9", "cuDNN 9", "install cuDNN 9 or onnxruntime-gpu[cuda,cudnn]"),
    ),
    "tensorrt": (
        ("libcuda.so.1", "the NVIDIA driver", "install the driver, or give the container access to the GPU"),
        ("libcudart.so.12", "CUDA 12", "install CUDA 12 or onnxruntime-gpu[cuda,cudnn]"),
        ("libnvinfer.so.10", "TensorRT 10", "install TensorRT 10"),
    ),
}


class Device(Frozen):
    """A device as asked for; `index` counts the machine's GPUs, and is 0 for the CPU."""

    name: DeviceName
    index: int = 0

    @property
    def provider(self) -> str:
        """onnxruntime's name for the execution provider that drives it."""
        return PROVIDER_OF_DEVICE[self.name]

    def __str__(self) -> str:
        return f"{self.name}:{self.index}" if self.index else self.name


def parse_device(text: str) -> Device:
    """Read `cpu`, `cuda`, `cuda:1`, `tensorrt` or `tensorrt:1`.

    Raises
    ------
    UsageError
        Anything else, with the nearest name.
    """
    if not isinstance(text, str):
        raise UsageError(f"device={text!r} is a {type(text).__name__}; give its name, such as 'cpu' or 'cuda:1'")
    match = re.fullmatch(r"(cpu|cuda|tensorrt)(?::(\d{1,3}))?", text)
    if match and not (match[1] == "cpu" and match[2]):
        name: DeviceName = match[1]  # type: ignore[assignment]
        return Device(name, int(match[2] or 0))
    spelled = text.partition(":")[0].lower()
    near = OTHER_NAMES.get(spelled) or nearest_name(spelled, NAMES)
    hint = f"; did you mean {near!r}?" if near else ""
    raise UsageError(f"device {text!r} is not one of cpu, cuda, cuda:1, tensorrt, auto{hint}")


def provider_options(device: Device, trt_cache: str | None = None, *, graphs: bool = False) -> dict[str, str]:
    """Return the options under which a device computes what the bundle proved.

    TF32 is onnxruntime's default on CUDA and costs 13 bits of mantissa: off, so that parity holds. HEURISTIC keeps
    cuDNN from timing every algorithm again for each new batch size.
    """
    if device.name == "cuda":
        options = {"device_id": str(device.index), "use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
        return options | ({"enable_cuda_graph": "1"} if graphs else {})
    if device.name == "tensorrt":
        options = {"device_id": str(device.index), "trt_fp16_enable": "0"}
        if trt_cache:
            options |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": trt_cache}
        return options
    return {}


def cache_folder(device: Device) -> str | None:
    """Where TensorRT keeps what it compiled: the user's cache folder, never beside the bundle."""
    if device.name != "tensorrt":
        return None
    try:
        folder = os.path.join(user_cache_folder(), "tensorrt")
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return None  # a cache saves time, and no more
    return folder


def absent_provider(
    device: Device, available: Sequence[str], version: str, distributions: Sequence[str]
) -> ProviderError:
    """Return the error for a provider that this build of onnxruntime does not offer, or that two builds fight over."""
    if len(distributions) > 1:
        return ProviderError(
            f"device {str(device)!r}: {' and '.join(distributions)} are both installed and share one folder, so which "
            f"of them runs is chance; uninstall both, then install onnxruntime-gpu alone"
        )
    build = distributions[0] if distributions else "onnxruntime"
    return ProviderError(
        f"device {str(device)!r}: {build} {version} has no {device.provider} (it offers {', '.join(available)}); "
        f"install onnxruntime-gpu in place of onnxruntime, or ask for device='cpu'"
    )


def refused_provider(device: Device, running: Sequence[str], said: str = "") -> ProviderError:
    """Return the error for a provider that is offered and yet did not come up: names the library that is missing."""
    cause = _missing_library(device) or said or "onnxruntime gives no reason; its log at severity 0 may"
    instead = f", and {running[0]} would have run in its place" if running else ""
    return ProviderError(f"device {str(device)!r}: {device.provider} did not start{instead}; {cause}")


def _missing_library(device: Device) -> str:
    """Say which of the device's libraries cannot be loaded, with the cure; empty where all can or none is known."""
    if not sys.platform.startswith("linux"):
        return ""
    import ctypes  # only a refusal asks

    for name, what, cure in LIBRARIES[device.name]:
        try:
            ctypes.CDLL(name)
        except OSError:
            return f"{what} is missing ({name} cannot be loaded): {cure}"
    return ""
