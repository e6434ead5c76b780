"""What computes here, and what computed where the bundle was proven."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

COMPARED = ("numpy", "onnxruntime")


def describe_here(onnxruntime_version: str) -> dict[str, str]:
    """Return the versions that decide what comes out, and the kind of machine."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime_version,
        "machine": f"{platform.system()} {platform.machine()}",
    }


def packed_environment(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions that the bundle was proven with, as its provenance holds them under `packages`."""
    packages = provenance.get("packages")
    found = dict(packages) if isinstance(packages, Mapping) else {}
    for key in ("python", "machine"):
        if isinstance(provenance.get(key), str):
            found.setdefault(key, provenance[key])
    return {str(name): str(version) for name, version in found.items()}


def other_versions(here: Mapping[str, str], packed: Mapping[str, str]) -> list[str]:
    """Name each library whose minor version differs from the proven one, as `numpy 2.5.0 (proven with 2.4.1)`."""
    return [
        f"{name} {here[name]} (proven with {packed[name]})"
        for name in COMPARED
        if name in packed and _minor(packed[name]) != _minor(here[name])
    ]


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
