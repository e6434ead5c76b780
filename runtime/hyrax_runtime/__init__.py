"""Run `.hyrax` bundles: preprocessing and network, proven, without torch.

Importing this package imports nothing else; numpy and onnxruntime come with the first name that needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyrax_runtime.bundle import Bundle, open_bundle
    from hyrax_runtime.errors import BundleError, DeviceError, HyraxError, InputError, ReplayError, TrustError
    from hyrax_runtime.loading import load
    from hyrax_runtime.outputs import Outputs
    from hyrax_runtime.predictor import Predictor
    from hyrax_runtime.selftest import Report
    from hyrax_runtime.trust import Pin

__all__ = [
    "Bundle",
    "BundleError",
    "DeviceError",
    "HyraxError",
    "InputError",
    "Outputs",
    "Pin",
    "Predictor",
    "ReplayError",
    "Report",
    "TrustError",
    "load",
    "open_bundle",
]

_MODULE_OF_NAME = {
    "Bundle": "bundle",
    "BundleError": "errors",
    "DeviceError": "errors",
    "HyraxError": "errors",
    "InputError": "errors",
    "Outputs": "outputs",
    "Pin": "trust",
    "Predictor": "predictor",
    "ReplayError": "errors",
    "Report": "selftest",
    "TrustError": "errors",
    "load": "loading",
    "open_bundle": "bundle",
}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF_NAME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
