"""What a process in the jail gives up before code that nobody trusts runs in it.

Every descriptor but those it is told to keep; where the kernel has Landlock, every right to files
but reading the jail's and writing to /tmp; what resource limits count; and at last the system calls
by which it did this. bubblewrap has already taken the rest: namespaces, capabilities, other calls.
"""

from __future__ import annotations

import os
import resource
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture

# Rights over files by the Landlock version that brought them: 13, refer, truncate, device ioctl.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_DEVICES_AND_SOCKETS = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11
_READ = _READ_FILE | _READ_FOLDER
_SET_MODE_FILTER, _SET_DUMPABLE = 1, 4


def confine(numbers: Iterable[int], keep: Iterable[int], calls: bytes) -> bool:
    """Give up everything that the work does not need.

    Args:
        numbers: CPU seconds, bytes of memory, bytes of the largest file, processes, open files.
        keep: Descriptors besides 0, 1 and 2.
        calls: The filter of system calls from here on; empty where the machine has none.

    Returns:
        Whether the kernel has Landlock and it is now in force.

    Raises:
        OSError: A limit or the filter could not be set; nothing may run then.
    """
    _keep_only(keep)
    cpu, memory, file, processes, files = numbers
    restricted = restrict_files()
    _limit(resource.RLIMIT_CPU, cpu)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_FSIZE, file)
    _limit(resource.RLIMIT_NPROC, processes)
    _limit(resource.RLIMIT_NOFILE, files)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_MEMLOCK, 0)
    _limit(resource.RLIMIT_SIGPENDING, 64)
    leave_no_core()
    if calls:
        restrict_calls(calls)
    return restricted


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _keep_only(keep: Iterable[int]) -> None:
    last = 2
    for descriptor in sorted(keep):
        os.closerange(last + 1, descriptor)
        last = descriptor
    os.closerange(last + 1, 4096)


def leave_no_core() -> None:
    """Let a crash in here start no helper of the host's, which may run as root outside.

    A limit of no bytes stops core files alone, not a program that the kernel pipes cores to.
    """
    try:
        from ctypes import CDLL, c_ulong
    except ImportError:
        return
    CDLL(None).prctl(_SET_DUMPABLE, c_ulong(0), c_ulong(0), c_ulong(0), c_ulong(0))


def restrict_calls(program: bytes) -> None:
    """Let the kernel refuse every system call but a filter's.

    Raises:
        OSError: It is not in force.
    """
    from ctypes import CDLL, c_char, c_long, c_void_p, cast, create_string_buffer, get_errno

    held = create_string_buffer(program, len(program))
    told = struct.pack("@HP", len(program) // 8, cast(held, c_void_p).value)
    call = CDLL(None, use_errno=True).syscall
    number = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
    pointer = (c_char * len(told)).from_buffer_copy(told)
    if call(c_long(number), c_long(_SET_MODE_FILTER), c_long(0), pointer):
        raise OSError(get_errno(), "the filter of system calls is not in force")


def restrict_files() -> bool:
    """Enter a Landlock domain: read the system, write /tmp, run and connect to nothing."""
    try:
        from ctypes import CDLL, byref, c_char, c_int, c_long
    except ImportError:
        return False
    call = CDLL(None, use_errno=True).syscall
    call.restype = c_long
    version = call(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    every = (1 << _RIGHTS.get(version, 16)) - 1
    # Files, TCP, then signals and abstract sockets to the outside: each kernel reads what it knows.
    fields = (every, 0b11, 0b11)[: 1 if version < 4 else 2 if version < 6 else 3]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = call(
        _CREATE_RULESET, (c_char * len(attributes)).from_buffer_copy(attributes), len(attributes), 0
    )
    if rules < 0:
        return False
    try:
        for path, rights in (
            ("/", _READ),
            ("/dev/null", _READ_FILE | _WRITE_FILE),
            ("/tmp", every & ~_EXECUTE & ~_MAKE_DEVICES_AND_SOCKETS),
        ):
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = (c_char * 12).from_buffer_copy(struct.pack("=Qi", rights & every, opened))
            added = call(_ADD_RULE, c_int(rules), c_int(1), byref(rule), c_int(0))
            os.close(opened)
            if added:
                return False
        return bool(call(_RESTRICT_SELF, c_int(rules), c_int(0)) == 0)
    finally:
        os.close(rules)
