"""Who says that a bundle's Python may run: the caller, by a pin or a policy, or this user's trust store. Nobody else.

There is no boolean, no environment variable, nothing from the manifest, and no fallback. A bundle without Python
needs no permission; a pin is held to in any case. The store lists sources by their sha256, as `known_hosts` lists
machines: consent is to a text of `to_tensor`, so that retraining with the same text needs no new one.

Python is no sandbox: text that is allowed to run may do whatever the user may.
"""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from hyrax_runtime.bundle import Bundle
from hyrax_runtime.errors import PinError, UntrustedError, UsageError
from hyrax_runtime.frozen import Frozen

_BUNDLE_ID = re.compile(r"sha256:[0-9a-f]{64}")


@runtime_checkable
class TrustPolicy(Protocol):
    """A caller's own rule: `require` returns for a bundle that may be used, and raises TrustError for any other."""

    def require(self, bundle: Bundle) -> None:
        """Raise TrustError unless `bundle` may be used and its Python may run."""


Trust = str | TrustPolicy | None


class Pin(Frozen):
    """Exactly one file is meant: the one with this bundle id (`sha256:` and 64 lower-case hex digits)."""

    bundle_id: str

    def __post_init__(self) -> None:
        if not _BUNDLE_ID.fullmatch(self.bundle_id):
            raise UsageError(
                f"trust {self.bundle_id!r}: expected a bundle id, 'sha256:' and 64 lower-case hex digits, "
                f"as `hyrax-run inspect FILE` prints it"
            )

    def require(self, bundle: Bundle) -> None:
        """Raise PinError unless `bundle` is the pinned file."""
        if bundle.id != self.bundle_id:
            raise PinError(
                f"{bundle.where}: is {bundle.id}; pinned is {self.bundle_id}. Fetch the pinned file, or change the pin"
            )


def require_trust(bundle: Bundle, trust: Trust = None, *, runs_python: bool = True) -> None:
    """Return if `trust` allows what is about to be done with `bundle`; reading only.

    Parameters
    ----------
    bundle : Bundle
        Verified bytes; what is allowed is what `bundle.source` reads.
    trust : None, str or policy object
        A bundle id pins that very file. None asks this user's trust store about the text of `to_tensor`.
    runs_python : bool
        Whether that text is about to run. Where it is not, None asks for nothing; a pin is held to all the same.

    Raises
    ------
    PinError
        `bundle` is another file than the pinned one.
    UntrustedError
        Nobody said that this text may run.
    UsageError
        `trust` is none of the above.
    """
    if trust is not None:
        policy = Pin(trust) if isinstance(trust, str) else trust
        if not isinstance(policy, TrustPolicy) or isinstance(policy, type):
            raise UsageError(
                f"trust={trust!r}: expected None, 'sha256:<bundle id>' or a policy such as Pin('sha256:…')"
            )
        policy.require(bundle)
    elif runs_python and bundle.source_sha256 is not None:
        _require_listed(bundle, bundle.source_sha256)


def _require_listed(bundle: Bundle, source_sha256: str) -> None:
    from hyrax_runtime.trust_store import TrustStore  # a pinned bundle never asks the store

    if source_sha256 in TrustStore():
        return
    import shlex

    file = shlex.quote(bundle.where)
    raise UntrustedError(
        f"{bundle.where}: holds Python that nobody here has allowed to run (to_tensor.py, sha256 {source_sha256})\n"
        f"  read it and allow it for this user:  hyrax-run trust {file}\n"
        f"  or pin this very file each time:     hyrax-run verify {file} --trust {bundle.id}"
    )
