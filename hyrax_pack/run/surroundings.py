"""What a run is trained, or a bundle made, with: the versions of what computes, and the commit of the model's file."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("hyrax-pack", "hyrax-runtime", "torch", "onnx", "onnx-ir", "onnxscript", "onnxruntime", "numpy")
# Those of them that a training run computes with.
_TRAINING = ("hyrax-pack", "torch", "numpy")
GIT_TIMEOUT_S = 10


def installed_packages() -> dict[str, str]:
    """Return name and version of each of PACKAGES that is installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def training_packages() -> dict[str, str]:
    """Return the versions that a training run computes with, Python's among them."""
    found = installed_packages()
    return {name: found[name] for name in _TRAINING if name in found} | {"python": platform.python_version()}


def describe_commit(folder: Path) -> dict[str, Any]:
    """Return `git_commit`, and `git_changed` for a working tree with changes; nothing outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_changed": bool(changed)}


def _git(folder: Path, *words: str) -> str | None:
    command = ["git", "-C", str(folder), *words]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GIT_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return finished.stdout.strip() if finished.returncode == 0 else None
