"""A control group for each jail, where version 2 of the kernel's control groups is delegated.

A resource limit binds one process, and Linux counts no processes of root's. A group bounds all
that runs in a jail together, files in its /tmp included, whoever started it. systemd delegates a
part of the hierarchy to each user's session; a container needs it mounted for writing.
"""

import contextlib
import functools
import itertools
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_NAME = "weighbridge-jail-"
_numbers = itertools.count()


@dataclass(frozen=True)
class ControlGroup:
    """A group of one jail.

    Attributes:
        path: Its folder in the kernel's hierarchy.
    """

    path: Path

    def entering(self, words: list[str]) -> list[str]:
        """Return a command that enters the group and then becomes another command."""
        enter = 'echo $$ > "$0" && exec "$@"'
        return ["/bin/sh", "-c", enter, str(self.path / "cgroup.procs"), *words]

    def remove(self) -> None:
        """Kill what is left in the group, and remove it."""
        with contextlib.suppress(OSError):
            (self.path / "cgroup.kill").write_text("1")
        # A killed process leaves its group a moment after the signal. What is left all the same is
        # empty, and swept by a later run.
        for _ in range(50):
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.002)


def create(memory_bytes: int, processes: int) -> ControlGroup | None:
    """Make a group; None where none is delegated, or it can't be made any more.

    Args:
        memory_bytes: What all processes in it may hold together; more ends one of them.
        processes: How many may run at a time, threads counted.
    """
    parent = delegated()
    return _made(parent, memory_bytes, processes) if parent else None


@functools.cache
def delegated() -> Path | None:
    """Return the group under which this process may make others, found out by trying it."""
    for parent in _candidates():
        group = _made(parent, 64 << 20, 8)
        if group is None:
            continue
        try:
            tried = subprocess.run(
                group.entering(["/bin/true"]), capture_output=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        finally:
            group.remove()
        if tried.returncode == 0:
            _sweep(parent)
            return parent
    return None


def _candidates() -> list[Path]:
    """Return this process's own group and the one above it.

    A group that holds processes can't hand resources to groups below it, so beside is likelier.
    """
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
        groups = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []
    mounted = [line.split()[4] for line in mounts if " - cgroup2 " in line]
    own = [line.removeprefix("0::") for line in groups if line.startswith("0::")]
    if not mounted or not own:
        return []
    group = Path(mounted[0]) / own[0].lstrip("/")
    return [group] if own[0] == "/" else [group.parent, group]


def _made(parent: Path, memory_bytes: int, processes: int) -> ControlGroup | None:
    try:
        offered = (parent / "cgroup.subtree_control").read_text("utf-8").split()
        if "pids" not in offered:
            return None
        path = parent / f"{_NAME}{os.getpid()}-{next(_numbers)}"
        path.mkdir()
    except OSError:
        return None
    limits = {"pids.max": processes}
    if "memory" in offered:
        limits |= {"memory.max": memory_bytes, "memory.swap.max": 0}
    try:
        for name, value in limits.items():
            if name != "memory.swap.max" or (path / name).exists():
                (path / name).write_text(str(value))
    except OSError:
        path.rmdir()
        return None
    return ControlGroup(path)


def _sweep(parent: Path) -> None:
    """Remove the groups that killed runs left; the kernel refuses where a process still lives."""
    for left in parent.glob(f"{_NAME}*"):
        maker = left.name.removeprefix(_NAME).split("-")[0]
        if not Path("/proc", maker).exists():
            with contextlib.suppress(OSError):
                left.rmdir()
