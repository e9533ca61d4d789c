"""The system calls that jailed code may make, as a program for the kernel's filter (seccomp).

An allow-list: what Python, HumanEval's 164 solutions with their tests, files in /tmp, threads and
clocks need, measured by tracing them. Everything else answers EPERM, what a later kernel may add
included. Calls that do more than one thing (fcntl, ioctl, prctl, prlimit64, madvise, clone) are let
through by an argument: no locks, no leases, no larger pipes, no higher limits, no process. What
would reach past the page cache to a disk that others use (direct reads, eviction, flushing) is
refused, or answered without being done. See "Seccomp BPF" in the kernel's documentation for the
instructions.

There are two lists. A process enters the jail under the first, which still lets it start Python,
set its own limits and enter Landlock; it gives those up under the second, before it runs anything
that nobody trusts (`inside/confinement.py`).
"""

import functools
import platform
import struct

# Offsets into `struct seccomp_data`; the low half of an argument comes first on little-endian.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080  # every CLONE_NEW*: mounts, cgroup, host name, IPC, user, pid, net, time
_NEWEST = (
    462  # mseal: higher numbers (and x86's x32 variants) are answered ENOSYS, as by old kernels
)

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Name: number on x86_64 and on aarch64, None where the architecture has no such call.
Numbers = tuple[int | None, int | None]
ALLOWED: dict[str, Numbers] = {
    # Files: those of the jail's root for reading, those in /tmp for writing; mounts decide which.
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67),
    "pwrite64": (18, 68), "close": (3, 57),
    "close_range": (436, 436), "stat": (4, None), "lstat": (6, None), "fstat": (5, 80),
    "newfstatat": (262, 79), "statx": (332, 291), "lseek": (8, 62), "access": (21, None),
    "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getdents": (78, None), "getdents64": (217, 61), "getcwd": (79, 17),
    "chdir": (80, 49), "fchdir": (81, 50), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24),
    "truncate": (76, 45), "ftruncate": (77, 46),
    "fallocate": (285, 47), "mkdir": (83, None), "mkdirat": (258, 34),
    "rmdir": (84, None), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276),
    "unlink": (87, None), "unlinkat": (263, 35), "symlink": (88, None), "symlinkat": (266, 36),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "umask": (95, 166),
    "utimensat": (280, 88), "statfs": (137, 43), "fstatfs": (138, 44), "sendfile": (40, 71),
    "copy_file_range": (326, 285),
    # Memory within the limit on address space.
    "brk": (12, 214), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226),
    # Threads, and signals among them; `clone` has rules of its own.
    "futex": (202, 98), "set_robust_list": (273, 99), "get_robust_list": (274, 100),
    "set_tid_address": (218, 96), "rseq": (334, 293), "arch_prctl": (158, None),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "sched_getscheduler": (145, 120),
    "sched_getparam": (143, 121), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136), "rt_sigsuspend": (130, 133),
    "rt_sigtimedwait": (128, 137), "sigaltstack": (131, 132), "tgkill": (234, 131),
    "tkill": (200, 130), "kill": (62, 129), "restart_syscall": (219, 128), "exit": (60, 93),
    "exit_group": (231, 94), "wait4": (61, 260),
    # Time: reading it, waiting, and the one alarm that a process has.
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153),
    "getrusage": (98, 165), "alarm": (37, None), "setitimer": (38, 103), "getitimer": (36, 102),
    # Waiting on descriptors that are open.
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    # Reading what the process is.
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getpgrp": (111, None),
    "getpgid": (121, 155), "getsid": (124, 156), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getresuid": (118, 148), "getresgid": (120, 150),
    "getgroups": (115, 158), "getrlimit": (97, 163), "getpriority": (140, 141), "uname": (63, 160),
    "sysinfo": (99, 179), "getcpu": (309, 168), "getrandom": (318, 278),
}  # fmt: skip

# What is let through by one argument alone: number, which argument, and its possible values.
BY_ARGUMENT: dict[str, tuple[Numbers, int, tuple[int, ...]]] = {
    # What memory is used for; not sharing equal pages, nor evicting a file's from the page cache.
    "madvise": ((28, 233), 2, (0, 1, 2, 3, 4, 8, 14, 15)),
    # Whether it is a terminal, closing on exec, bytes to read, a window's size.
    "ioctl": ((16, 29), 1, (0x5401, 0x5450, 0x5451, 0x541B, 0x5413)),
    "prctl": ((157, 167), 0, (3, 15, 16)),  # whether it may dump core; a thread's name
    "prlimit64": ((302, 261), 2, (0,)),  # reading limits: no new ones are given
}

# What is let through unless an argument has one of some bits, which differ by architecture.
WITHOUT_BITS: dict[str, tuple[Numbers, int, tuple[int, int]]] = {
    "mmap": ((9, 222), 3, (0x42000, 0x42000)),  # no pinned memory, none of the host's huge pages
    "open": ((2, None), 1, (0x4000, 0x10000)),  # no reads past the page cache
    "openat": ((257, 56), 2, (0x4000, 0x10000)),
}

# Copying a descriptor and its flags; not locks, leases, signals, seals or the size of a pipe.
FCNTL, FCNTL_COMMANDS, FCNTL_SET_FLAGS = (72, 25), (0, 1, 2, 3, 1030), 4
FCNTL_NO_FLAGS = (0x6000, 0x12000)  # reads past the page cache, signals

# What is answered as if it had been done: /tmp is in memory, and all else can't be written.
DONE: dict[str, tuple[int, int]] = {"fsync": (74, 82), "fdatasync": (75, 83)}

# Only while the jail is entered.
ENTERING: dict[str, Numbers] = {
    "execve": (59, 221), "prctl": (157, 167), "prlimit64": (302, 261), "setrlimit": (160, 164),
    "landlock_create_ruleset": (444, 444), "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446), "seccomp": (317, 277),
}  # fmt: skip

CLONE, CLONE3 = (56, 220), (435, 435)


def supported(machine: str = "") -> bool:
    """Return whether a filter can be written for this processor."""
    return (machine or platform.machine()) in ARCHITECTURES


@functools.cache
def allow_list(*, threads: bool, entering: bool, machine: str = "") -> bytes:
    """Return the filter as the kernel and bubblewrap's `--seccomp` take it.

    Args:
        threads: Whether new threads may start; new processes never may.
        entering: Whether it still has to start Python, set limits and enter Landlock.
        machine: As `platform.machine()` names it; empty for this one.
    """
    machine = machine or platform.machine()
    column = list(ARCHITECTURES).index(machine)
    program = [
        _load(_ARCHITECTURE),
        *_unless(_EQUAL, ARCHITECTURES[machine], _KILL),
        _load(_NUMBER),
        *_if(_GREATER, _NEWEST, _ERRNO | _ENOSYS),
        # Its flags lie in memory, where no filter sees them; the C library falls back to clone.
        *_if(_EQUAL, CLONE3[column], _ERRNO | _ENOSYS),
    ]
    for numbers in [*ALLOWED.values(), *(ENTERING.values() if entering else ())]:
        number = numbers[column]
        if number is not None:
            program += _if(_EQUAL, number, _ALLOW)
    for numbers in DONE.values():
        program += _if(_EQUAL, numbers[column], _ERRNO)
    for numbers, argument, bits in WITHOUT_BITS.values():
        number = numbers[column]
        if number is not None:
            program += _block(number, _without(argument, bits[column]))
    program += _block(FCNTL[column], _fcntl(FCNTL_NO_FLAGS[column]))
    for numbers, argument, values in BY_ARGUMENT.values():
        number = numbers[column]
        if number is not None:
            program += _block(number, _one_of(argument, values))
    program += _block(CLONE[column], _clone() if threads else [_return(_ERRNO | _EPERM)])
    return b"".join([*program, _return(_ERRNO | _EPERM)])


def _clone() -> list[bytes]:
    return [
        _load(_ARGUMENTS),
        *_if(_ANY_BIT, _CLONE_NEW, _ERRNO | _EPERM),
        *_if(_ANY_BIT, _CLONE_THREAD, _ALLOW),
        _return(_ERRNO | _EPERM),
    ]


def _without(argument: int, bits: int) -> list[bytes]:
    """Let a call through unless the lower half of an argument has one of some bits."""
    return [
        _load(_ARGUMENTS + 8 * argument),
        *_if(_ANY_BIT, bits, _ERRNO | _EPERM),
        _return(_ALLOW),
    ]


def _fcntl(no_flags: int) -> list[bytes]:
    setting = _without(2, no_flags)
    return [
        _load(_ARGUMENTS + 8),
        _jump(_EQUAL, FCNTL_SET_FLAGS, 0, len(setting)),
        *setting,
        *_one_of(1, FCNTL_COMMANDS),
    ]


def _one_of(argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Let a call through whose argument is one of some values below 2^32, all 64 bits of it."""
    low = _ARGUMENTS + 8 * argument
    program = [_load(low + 4), *_unless(_EQUAL, 0, _ERRNO | _EPERM), _load(low)]
    for value in values:
        program += _if(_EQUAL, value, _ALLOW)
    return [*program, _return(_ERRNO | _EPERM)]


def _block(number: int, program: list[bytes]) -> list[bytes]:
    """Return what runs for one call alone, and always answers."""
    return [_jump(_EQUAL, number, 0, len(program)), *program]


def _if(test: int, value: int, then: int) -> list[bytes]:
    return [_jump(test, value, 0, 1), _return(then)]


def _unless(test: int, value: int, then: int) -> list[bytes]:
    return [_jump(test, value, 1, 0), _return(then)]


def _load(offset: int) -> bytes:
    return struct.pack("=HBBI", _LOAD, 0, 0, offset)


def _jump(test: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("=HBBI", test, if_true, if_false, value)


def _return(value: int) -> bytes:
    return struct.pack("=HBBI", _RETURN, 0, 0, value)
