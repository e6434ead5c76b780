"""What every test stands on."""

import os
import signal
import tempfile
import threading

# Two pytest workers on two cores: torch's own threads would wait for one another, ten times as long as they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A trust store and caches of the tests' own: what they export is nothing that this user should trust tomorrow.
_HOME = tempfile.TemporaryDirectory(prefix="hyrax-tests-", ignore_cleanup_errors=True)
os.environ["XDG_DATA_HOME"] = f"{_HOME.name}/data"
os.environ["XDG_CACHE_HOME"] = f"{_HOME.name}/cache"

# What is started in the background, or by nohup, ignores these, and so would every process that a test interrupts.
for _name, _usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    _number = getattr(signal, _name, None)
    if (
        _number is not None
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(_number) is signal.SIG_IGN
    ):
        signal.signal(_number, _usual)


def pytest_unconfigure() -> None:
    """Remove them: a worker of pytest-xdist ends without the interpreter's own clean-up."""
    _HOME.cleanup()
