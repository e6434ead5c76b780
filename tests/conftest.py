"""What every test stands on."""

import os

# Two pytest workers on two cores: torch's own threads would wait for one another, ten times as long as they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")
