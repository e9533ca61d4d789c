"""The jail: which one this machine has, and how a process enters it.

What bubblewrap gives here: its own user, mount, process, network, IPC and host-name namespaces; a
read-only root with Python, its standard library and what that loads (`runtime`), and nothing else
(no installed package, no tool, no home, no /etc, no /proc); a /tmp of bounded size and number of
files, the only place that can be written; five devices; no capabilities; no new privileges; no
environment; death with its parent; and a filter of system calls (`seccomp`).
What the process then gives up by itself is in `inside/confinement.py`.
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from weighbridge.errors import SandboxUnavailable
from weighbridge.sandbox import control_group, seccomp
from weighbridge.sandbox.runtime import ZONES, runtime

FIX = "run scripts/install_system_packages, or: sudo apt-get install bubblewrap"
PYTHON_FLAGS = ("-I", "-S", "-B", "-X", "frozen_modules=on")
TMP_FILES = 4096  # files and folders in /tmp
OWNS_NOTHING = 1_999_999_973  # a user and group that no system hands out
_BWRAP_PROCESSES = 2  # outside its namespaces, and the first process inside
DEVICES = ("null", "zero", "full", "random", "urandom")


class Level(StrEnum):
    """How far a verdict on model-written code can be trusted; stamped on every result."""

    NONE = "none"
    BUBBLEWRAP = "bubblewrap"
    """Jailed; code and test in one process, where the code could fake the verdict."""
    OUTSIDE_TESTER = "bubblewrap+outside-tester"
    """Jailed with filtered system calls, and tested call by call from outside the jail."""


@dataclass(frozen=True)
class Probe:
    """What this machine offers, found out by trying it.

    Attributes:
        level: The best that works.
        detail: What was tried and what happened.
        fix: The command that installs or repairs it; empty if all is well.
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
    held, said = _try(bwrap, filtered=True)
    if held:
        landlock = "with" if said.endswith("landlock") else "without"
        group = "without" if control_group.delegated() is None else "with"
        detail = f"{bwrap} works with seccomp, {landlock} Landlock, {group} a control group"
        return Probe(Level.OUTSIDE_TESTER, detail, "")
    if _try(bwrap, filtered=False)[0]:
        fix = "use a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64"
        return Probe(Level.BUBBLEWRAP, f"{bwrap} works, but not with seccomp: {said}", fix)
    fix = (
        "allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
    )
    return Probe(Level.NONE, f"bwrap could not build the jail: {said}", fix)


_CHECK = """
import os, socket, sys
sys.path.append('/jail')
from weighbridge.sandbox.inside.confinement import restrict_files
def refused(attempt):
    try:
        attempt()
    except OSError:
        return True
assert not os.path.exists('/root/.ssh') and not os.path.exists('/etc/passwd'), 'files are seen'
assert refused(lambda: open('/usr/weighbridge-probe', 'w')), '/usr can be written'
assert refused(lambda: open('/weighbridge-probe', 'w')), '/ can be written'
if sys.argv[1] == 'filtered':
    assert refused(socket.socket), 'sockets open'
    assert refused(os.fork), 'processes start'
else:
    assert [name for _, name in socket.if_nameindex()] in ([], ['lo']), 'a network is seen'
print('holds', 'landlock' if restrict_files() else '')
"""


def _try(bwrap: str, *, filtered: bool) -> tuple[bool, str]:
    """Enter the jail and check it from inside; return whether it holds, and the output."""
    if filtered and not seccomp.supported():
        return False, "no filter for this processor"
    entering = [seccomp.allow_list(threads=True, entering=True)] if filtered else []
    with _descriptors(entering) as held:
        words = [*command(bwrap, seccomp_descriptor=held[0] if held else None), "-c", _CHECK]
        try:
            tried = subprocess.run(
                [*words, "filtered" if filtered else "unfiltered"], pass_fds=held, env={},
                capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return False, str(error)
    said = ((tried.stdout + tried.stderr).strip().splitlines() or ["it said nothing"])[-1]
    return tried.stdout.startswith("holds"), said


def require(level: Level) -> str:
    """Return the path of bwrap if this machine reaches a level; nothing runs below it.

    Raises:
        SandboxUnavailable: It does not.
    """
    found = probe()
    bwrap = shutil.which("bwrap")
    order = list(Level)
    if bwrap is None or order.index(found.level) < order.index(level):
        raise SandboxUnavailable(
            f"the sandbox reaches level {found.level} ({found.detail})", str(level), found.fix
        )
    return bwrap


class Jailed(subprocess.Popen[bytes]):
    """A process in a jail, and the control group that all of the jail is in; None where none is."""

    group: control_group.ControlGroup | None = None


def start(
    role: str,
    documents: Sequence[bytes],
    *,
    level: Level,
    keep: Sequence[int] = (),
    tmp_bytes: int = 64 << 20,
    memory_bytes: int = 1 << 30,
    processes: int = 64,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
) -> Jailed:
    """Start `inside/ROLE.py` in a jail of its own.

    Args:
        role: The module's name.
        documents: Contents of files that it finds open; their descriptors are its first arguments,
            and after them that of the filter which it shall put on.
        level: What the jail must reach.
        keep: Descriptors that it inherits; its further arguments.
        tmp_bytes: Size of its /tmp.
        memory_bytes: What it may hold besides, all its processes together, in a control group.
        processes: How many may run in a control group, threads counted.
        stdin: Its standard input.
        stdout: Its standard output; standard error is always a pipe.

    Raises:
        SandboxUnavailable: There is no such jail on this machine; nothing is run.
        OSError: The process could not be started.
    """
    bwrap = require(level)
    filtered = probe().level is Level.OUTSIDE_TESTER
    group = control_group.create(memory_bytes + tmp_bytes, processes + _BWRAP_PROCESSES)
    entering, running = (
        seccomp.allow_list(threads=True, entering=still) if filtered else b""
        for still in (True, False)
    )
    with _descriptors([*documents, running, entering]) as held:
        arguments = [*held[:-1], *keep]
        words = command(bwrap, tmp_bytes, held[-1] if filtered else None)
        enter = f"import sys; sys.path.append('/jail'); from weighbridge.sandbox.inside.{role} "
        words += ["-c", f"{enter}import main; main()", *map(str, arguments)]
        try:
            jail = Jailed(
                group.entering(words) if group else words,
                stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, pass_fds=(*held, *keep),
                env={}, start_new_session=True, cwd="/",
            )  # fmt: skip
        except OSError:
            if group is not None:
                group.remove()
            raise
        jail.group = group
        return jail


def end(jail: Jailed) -> None:
    """End a jail and everything in it; the other processes end with its first one."""
    if jail.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(jail.pid, signal.SIGKILL)
        jail.wait()
    if jail.group is not None:
        jail.group.remove()
    for stream in (jail.stdin, jail.stdout, jail.stderr):
        if stream is not None and not stream.closed:
            stream.close()


@contextlib.contextmanager
def _descriptors(contents: Sequence[bytes]) -> Iterator[list[int]]:
    """Hold bytes as open files without names; closed here when the process has inherited them."""
    held: list[int] = []
    try:
        for content in contents:
            held.append(os.memfd_create("jail"))
            with open(held[-1], "wb", closefd=False) as file:
                file.write(content)
            os.lseek(held[-1], 0, os.SEEK_SET)
        yield held
    finally:
        for descriptor in held:
            os.close(descriptor)


def command(
    bwrap: str, tmp_bytes: int = 64 << 20, seccomp_descriptor: int | None = None
) -> list[str]:
    """Return the command that starts Python inside the jail, arguments to Python still to come.

    bubblewrap can't limit how many files a tmpfs may hold, so it is mounted before, in a user
    namespace of its own. Run as root, the jail is first given to a user that owns nothing.
    """
    root = runtime()
    tmp = f"{root.folder}/tmp"
    mounted = (
        f"mount -t tmpfs -o size={tmp_bytes},nr_inodes={TMP_FILES},mode=1777,nosuid,nodev jail "
        '"$0" && exec "$@"'
    )
    words = [
        *(_as_nobody() if os.geteuid() == 0 else ()),
        "unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", mounted, tmp,
        bwrap, "--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534",
        "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "LANG", "C.UTF-8",
        "--setenv", "LD_LIBRARY_PATH", ":".join(root.libraries),
        "--hostname", "jail", "--ro-bind", str(root.folder), "/",
        "--ro-bind-try", ZONES, ZONES, "--tmpfs", "/dev",
    ]  # fmt: skip
    for device in DEVICES:
        words += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    words += ["--bind", tmp, "/tmp"]
    if seccomp_descriptor is not None:
        words += ["--seccomp", str(seccomp_descriptor)]
    words += [
        "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--",
        root.python, *PYTHON_FLAGS,
    ]  # fmt: skip
    return words


def _as_nobody() -> list[str]:
    """Return what turns root into a user that owns no file, so that it can change none."""
    return ["setpriv", f"--reuid={OWNS_NOTHING}", f"--regid={OWNS_NOTHING}", "--clear-groups"]
