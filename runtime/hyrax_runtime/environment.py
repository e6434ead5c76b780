"""What computes here, and what computed where the bundle was proven."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hyrax_runtime.manifest import Preprocessing, Requirement

COMPARED = ("numpy", "onnxruntime")


def describe_here(
    onnxruntime_version: str, preprocessing: Preprocessing | None = None, *, lowered: bool = False
) -> dict[str, str]:
    """Return the versions that decide what comes out, and the kind of machine.

    What `to_tensor` imports counts too, where its text runs, and not a graph in its place.
    """
    replayed = preprocessing is not None and not lowered
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime_version,
        "machine": f"{platform.system()} {platform.machine()}",
        **(versions_of(preprocessing.requirements) if replayed and preprocessing is not None else {}),
    }


def packed_environment(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions that the bundle was proven with, as its provenance holds them under `packages`."""
    packages = provenance.get("packages")
    found = dict(packages) if isinstance(packages, Mapping) else {}
    for key in ("python", "machine"):
        if isinstance(provenance.get(key), str):
            found.setdefault(key, provenance[key])
    return {str(name): str(version) for name, version in found.items()}


def versions_of(requirements: Sequence[Requirement]) -> dict[str, str]:
    """Return the versions that are installed here of what `to_tensor` imports beside numpy and Python's own."""
    names = {one.distribution for one in requirements if one.distribution and one.distribution not in COMPARED}
    if not names:
        return {}
    from importlib import metadata  # a dozen milliseconds, and most functions need nothing but numpy

    found = {}
    for name in sorted(names):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def other_versions(
    here: Mapping[str, str], packed: Mapping[str, str], requirements: Sequence[Requirement] = (), *, lowered: bool
) -> list[str]:
    """Name what decides the numbers and is not what the bundle was proven with, as `numpy 2.5.0 (proven with 2.4.1)`.

    Of numpy and onnxruntime another minor version counts, of what `to_tensor` imports beside them any other; and so
    does another kind of machine, whose numpy and onnxruntime are other code. Where the text runs, and not a graph in
    its place, another minor version of Python does: `sum` of floats, for one, rounds otherwise since 3.12.
    """
    libraries = COMPARED if lowered else ("python", *COMPARED)
    required = {one.distribution: one.version for one in requirements if one.distribution and one.version}
    said = [
        f"{name} {version} (proven with {required[name]})"
        for name, version in here.items()
        if name in required and name not in COMPARED and version != required[name]
    ]
    others = [name for name in libraries if name in packed and _minor(packed[name]) != _minor(here[name])]
    if packed.get("machine", here["machine"]) != here["machine"]:
        others.append("machine")
    return said + [f"{name} {here[name]} (proven with {packed[name]})" for name in others]


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
