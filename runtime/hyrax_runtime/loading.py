"""From a path to a predictor that was proven here: open, make ready, and compare where other things compute."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.environment import describe_here, other_versions, packed_environment
from hyrax_runtime.errors import OtherBundleError
from hyrax_runtime.predictor import Predictor
from hyrax_runtime.session import VERSION
from hyrax_runtime.settings import Python, Settings, Tuning
from hyrax_runtime.trust import Trust

PROVEN_PROVIDER = "CPUExecutionProvider"  # every export proves its bundle on the CPU


def load(
    path: str | os.PathLike[str],
    trust: Trust = None,
    device: str = "cpu",
    memory: str = "auto",
    threads: int | None = None,
    python: Python = "allow",
    *,
    spinning: bool = False,
    strict: bool = False,
    graph_batches: Sequence[int] = (),
) -> Predictor:
    """Open a bundle and make it ready to predict.

    Parameters
    ----------
    path : path
        The `.hyrax` file.
    trust : None, str or policy
        What allows the bundle's Python to run: None asks the user's trust store, `"sha256:<bundle id>"` pins this file.
    device : str
        `cpu`, `cuda`, `cuda:1`, `tensorrt` or `auto`. What is asked for is what runs, or an error.
    memory : str
        `shared`, `fast`, or `auto` (fast up to 64 MiB of weights).
    threads : int, optional
        onnxruntime's own choice unless given.
    python : str
        `allow`, or `never`: run only the lowered form of `to_tensor`, for which no trust is needed.
    spinning : bool
        Let threads wait for work with a core each: microseconds quicker where calls follow one another at once, and
        most of a core lost where they do not.
    strict : bool
        Refuse a graph of which the CPU would run a part, in the place of the device.
    graph_batches : sequence of int
        On `cuda`: sizes up to which smaller batches are filled, and run as one CUDA graph each. Not for bundles whose
        rows belong together.

    Raises
    ------
    BundleError
        The file is not a sound bundle, or holds no lowered form where one is demanded.
    TrustError
        Nobody here has allowed its Python to run.
    DeviceError
        This machine cannot run what was asked for, or (DriftError) does not compute what was proven. That is tested
        once, here, when what decides the numbers (numpy, onnxruntime, Python, the machine) is not that of the proof.
    """
    settings = Settings(device, memory, threads, python, Tuning(spinning, strict, tuple(graph_batches)))
    return proven_here(open_predictor(path, trust, settings))


def open_predictor(path: str | os.PathLike[str], trust: Trust, settings: Settings) -> Predictor:
    """Make a predictor without proving it first, as `verify` needs it; otherwise as `load`."""
    bundle = open_bundle(path)
    try:
        return Predictor(bundle, settings, trust)
    except BaseException:
        bundle.close()
        raise


def load_again(path: str, bundle_id: str, settings: Settings) -> Predictor:
    """Unpickle: the same file or none. Whoever pickled the predictor had permission, and pins what it was for."""
    with open_bundle(path) as bundle:
        if bundle.id != bundle_id:
            raise OtherBundleError(f"{path} is {bundle.id} now; the predictor was made from {bundle_id}. Load it anew")
    return proven_here(open_predictor(path, bundle_id, settings))


def proven_here(predictor: Predictor) -> Predictor:
    """Have the self-test run once where other things compute than did in the proof; unpickling comes by here too."""
    manifest = predictor.manifest
    here = describe_here(VERSION, manifest.preprocessing, lowered=predictor.lowered)
    requirements = manifest.preprocessing.requirements
    others = other_versions(here, packed_environment(manifest.provenance), requirements, lowered=predictor.lowered)
    if predictor.provider != PROVEN_PROVIDER:
        others.append(f"{predictor.provider} (proven with {PROVEN_PROVIDER})")
    if others:
        import logging

        notice = "%s: %s; running the self-test once"
        logging.getLogger(__name__).warning(notice, predictor.where, ", ".join(others))
        predictor.selftest().require_passed()
    return predictor
