"""Every error of both distributions, by whose turn it is.

    file bytes --container--> members --manifest--> meaning --graph_gate--> a graph that may run
                 BundleError           ManifestError           GraphError
    who says that its Python may run?                          trust       TrustError
    data_dict --contract--> rows in the recorded form          contract    InputError
    rows --replay--> tensors                                   replay      ReplayError
    tensors --session--> outputs                               session     DeviceError

`BundleError`: make or fetch another file. `InputError`: fix the call. `TrustError`: decide. `DeviceError`: this
machine. hyrax_pack adds the families whose cure is in the model (see hyrax_pack.errors).

Each class has a stable `code`, for programs; `str` is for people: what, where, what was expected, what to do.
Data stands in attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Problem:
    """One fault among several: `where` is a key path or a place, `what` says what was found and expected."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


def describe(source: str, problems: Sequence[Problem], cure: str = "") -> str:
    """One line for one problem; for several, a heading and a line for each."""
    if len(problems) == 1:
        lines = [f"{source}: {problems[0]}"]
    else:
        lines = [f"{source}: {len(problems)} problems", *(f"  - {problem}" for problem in problems)]
    if cure:
        lines.append(cure)
    return "\n".join(lines)


class HyraxError(Exception):
    """Base of every error that hyrax-pack and hyrax-runtime raise on purpose."""

    code: ClassVar[str] = "hyrax"


class BundleError(HyraxError):
    """The file is not a sound bundle: make or fetch another."""

    code: ClassVar[str] = "bundle"


class InputError(HyraxError):
    """The data handed in does not fit the contract: fix the call."""

    code: ClassVar[str] = "input"


class TrustError(HyraxError):
    """The bundle holds Python that nobody here has allowed to run: decide."""

    code: ClassVar[str] = "trust"


class DeviceError(HyraxError):
    """This machine cannot run what was asked for."""

    code: ClassVar[str] = "device"


class ReplayError(HyraxError):
    """The captured to_tensor raised, or returned something other than what the bundle records."""

    code: ClassVar[str] = "replay"


class UsageError(HyraxError):
    """The command or call was made wrongly (exit code 2)."""

    code: ClassVar[str] = "usage"
