"""Current and peak memory of this process, as the operating system counts it."""

import bisect
import contextlib
import ctypes
import mmap
import resource
import sys
from pathlib import Path

_MADV_PAGEOUT = 21  # include/uapi/asm-generic/mman-common.h


def resident_memory_bytes() -> int:
    """Return the memory that this process holds now; its peak so far where the system won't say."""
    return _status_bytes("VmRSS") or _lifetime_peak_bytes()


def restart_peak() -> bool:
    """Reset the peak to now; False where the system counts only since the process began.

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


def page_out(address: int, size_bytes: int) -> None:
    """Ask the system to release pages of mapped files from memory (Linux 5.4 or newer).

    Nothing is lost where the memory is not a file's, or where the system declines.
    """
    if sys.platform != "linux":
        return
    first = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    whole = (address + size_bytes - first) // mmap.PAGESIZE * mmap.PAGESIZE
    if whole > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(whole), _MADV_PAGEOUT)


def available_memory_bytes() -> int | None:
    """Return what this process could still take; None where the system doesn't say.

    That is what the machine has to spare without swapping or, if that is less, what is left of the
    limit of the control group that the process is in, as a container sets one.
    """
    found = [_machine_bytes(), *(_left_in(*pair) for pair in _LIMITS)]
    return min((each for each in found if each is not None), default=None)


_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Files with a control group's limit and what is taken of it: of version 2 and of version 1."""


def _machine_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None


def _left_in(limit: str, taken: str) -> int | None:
    """Return what is left of a group's limit; None without one ("max")."""
    try:
        allowed, used = (int(Path(name).read_text(encoding="ascii")) for name in (limit, taken))
    except (OSError, ValueError):
        return None
    return max(0, allowed - used)


def release_freed() -> None:
    """Give freed memory back to the system; the C library (glibc) keeps some for later.

    What a model's tensors leave free between others can be as large as the model.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


class MappedFiles:
    """The address ranges that hold mapped files now, on Linux; elsewhere none are known.

    The system can drop such memory and read it again from the file.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        try:
            lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        for line in lines.splitlines():
            addresses, _, _, _, inode, *_ = line.split(maxsplit=5)
            if inode != "0":
                start, _, end = addresses.partition("-")
                self._starts.append(int(start, 16))
                self._ends.append(int(end, 16))

    def __contains__(self, address: int) -> bool:
        at = bisect.bisect_right(self._starts, address) - 1
        return at >= 0 and address < self._ends[at]


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
