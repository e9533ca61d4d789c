"""The jail: which one this machine has, and the command line that enters it.

What bubblewrap gives here: its own user, mount, process, network, IPC and host-name namespaces; a
read-only root with Python and the system's libraries and nothing else (no home, no project, no
/etc); a sized /tmp; no capabilities; no new privileges; no environment; death with its parent.
"""

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

FIX = "run scripts/install_system_packages, or: sudo apt-get install bubblewrap"
PYTHON_FLAGS = ("-I", "-S", "-B", "-X", "frozen_modules=on")


class Level(StrEnum):
    """How well model-written code is contained; stamped on every result."""

    NONE = "none"
    BUBBLEWRAP = "bubblewrap"


@dataclass(frozen=True)
class Probe:
    """What this machine offers, found out by trying it.

    Attributes:
        level: The best that works.
        detail: What was tried and what happened.
        fix: The command that mends it; empty where nothing needs mending.
    """

    level: Level
    detail: str
    fix: str


def probe() -> Probe:
    """Try to enter the jail, and check from inside that it holds."""
    return _probe(shutil.which("bwrap"))


@functools.cache
def _probe(bwrap: str | None) -> Probe:
    if sys.platform != "linux":
        return Probe(Level.NONE, f"no jail for {sys.platform}", "use a Linux machine or container")
    if bwrap is None:
        return Probe(Level.NONE, "bwrap is not on the PATH", FIX)
    check = (
        "import os, socket\n"
        "assert not os.path.exists('/root/.ssh') and not os.path.exists('/etc/passwd')\n"
        "assert [name for _, name in socket.if_nameindex()] in ([], ['lo'])\n"
        "try:\n    open('/usr/weighbridge-probe', 'w')\n"
        "except OSError:\n    print('holds')\n"
    )
    try:
        tried = subprocess.run(
            [*command(bwrap), "-c", check],
            capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, env={},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Probe(Level.NONE, f"bwrap failed: {error}", FIX)
    if tried.stdout.strip() == "holds":
        return Probe(Level.BUBBLEWRAP, f"{bwrap} works", "")
    said = (tried.stderr.strip().splitlines() or ["it said nothing"])[-1]
    fix = (
        "allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
    )
    return Probe(Level.NONE, f"bwrap could not build the jail: {said}", fix)


def command(bwrap: str, tmp_bytes: int = 64 << 20) -> list[str]:
    """Return the command that starts Python inside the jail, arguments to Python still to come."""
    base = Path(sys.base_prefix).resolve()
    python = base / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not python.exists():
        python = Path(os.path.realpath(sys.executable))
    words = [
        bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "LANG", "C.UTF-8",
        "--hostname", "jail", "--ro-bind", "/usr", "/usr",
    ]  # fmt: skip
    for folder in ("/lib", "/lib64", "/bin"):
        if os.path.islink(folder):
            words += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            words += ["--ro-bind", folder, folder]
    words += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    if not base.is_relative_to("/usr"):
        words += ["--ro-bind", str(base), str(base)]
    words += [
        "--proc", "/proc", "--dev", "/dev", "--size", str(tmp_bytes), "--tmpfs", "/tmp",
        "--chdir", "/tmp", "--", str(python), *PYTHON_FLAGS,
    ]  # fmt: skip
    return words
