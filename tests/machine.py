"""How slow this machine is just now, so that what takes time is measured against that."""

import subprocess
import sys
import time

STARTED_SECONDS = 0.03
"""What an interpreter that imports json takes to start and end on one quiet core of 2024."""


def slowness() -> float:
    """Return how many times longer than there a fresh interpreter takes here and now; at least 1.

    The worst of three: whatever is measured beside it may meet the same neighbours.
    """
    took = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import json"], check=True)
        took.append(time.perf_counter() - began)
    return max(1.0, max(took) / STARTED_SECONDS)
