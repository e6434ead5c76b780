"""Where a bundle comes from, for people and programs: commit, run, settings, versions. No clock, host or path."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hyrax_runtime.manifest import Requirement

from hyrax_pack.run.surroundings import describe_commit, installed_packages


def gather_provenance(
    *,
    to_tensor_sha256: str,
    source: Path | None = None,
    run_id: str | None = None,
    config_digest: str | None = None,
    seed: int | None = None,
    requirements: Iterable[Requirement] = (),
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Gather what the manifest says of a bundle's origin.

    Parameters
    ----------
    to_tensor_sha256 : str
        Digest of the captured text, as the run logged it.
    source : Path, optional
        The model's file: git is asked about its folder.
    run_id : str, optional
        The run folder's name.
    config_digest : str, optional
    seed : int, optional
    requirements : iterable of Requirement
        What the captured text imports; their versions stand among the packages.
    more : dict, optional
        Further plain values.

    Returns
    -------
    dict
        The same for the same origin: the file's bytes follow from it.
    """
    packages = installed_packages()
    packages |= {each.distribution: each.version for each in requirements if each.distribution and each.version}
    found: dict[str, Any] = {
        "packages": dict(sorted(packages.items())),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "to_tensor_sha256": to_tensor_sha256,
    }
    known = {"run": run_id, "config_digest": config_digest, "seed": seed}
    found |= {key: value for key, value in known.items() if value is not None}
    if source is not None:
        found |= describe_commit(source.parent)
    return found | (more or {})
