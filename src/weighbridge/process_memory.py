"""Memory that this process holds and has held, as the system counts it."""

import resource
import sys
from pathlib import Path


def resident_memory_bytes() -> int:
    """Return the memory that this process holds now; its peak so far where the system won't say."""
    return _status_bytes("VmRSS") or _lifetime_peak_bytes()


def restart_peak() -> bool:
    """Let the peak be counted from now on; False where the system can only count from the start.

    Without this, loading the base (which may dequantise, at twice its size) would stand as the
    peak of tuning.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def peak_memory_bytes() -> int:
    """Return the peak resident memory of this process since `restart_peak`, or since its start."""
    return _status_bytes("VmHWM") or _lifetime_peak_bytes()


def _status_bytes(key: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in lines.splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return None


def _lifetime_peak_bytes() -> int:
    # On Linux this would also count the process that started this one: it is kept across exec.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
