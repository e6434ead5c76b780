"""What every test stands on."""

import os
import tempfile

# Two pytest workers on two cores: torch's own threads would wait for one another, ten times as long as they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A trust store and caches of the tests' own: what they export is nothing that this user should trust tomorrow.
_HOME = tempfile.TemporaryDirectory(prefix="hyrax-tests-", ignore_cleanup_errors=True)
os.environ["XDG_DATA_HOME"] = f"{_HOME.name}/data"
os.environ["XDG_CACHE_HOME"] = f"{_HOME.name}/cache"


def pytest_unconfigure() -> None:
    """Remove them: a worker of pytest-xdist ends without the interpreter's own clean-up."""
    _HOME.cleanup()
