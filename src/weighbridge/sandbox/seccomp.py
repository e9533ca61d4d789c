"""The system calls that jailed code may not make, as a program for the kernel's filter (seccomp).

A deny-list: Python needs several hundred harmless calls, and which ones changes between versions
of the C library. What is denied is every way to another process, another namespace, a socket, the
kernel's rarely used corners, and memory that no limit counts. Calls newer than this list do not
exist for the jail. See "Seccomp BPF" in the kernel's documentation for the instructions.
"""

import platform
import struct

# Offsets into `struct seccomp_data`; the low half of an argument comes first on little-endian.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080  # every CLONE_NEW*: mounts, cgroup, host name, IPC, user, pid, net, time
_NEWEST = 462  # mseal: calls with higher numbers (and x86's x32 variants) are answered ENOSYS

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Name: number on x86_64 and on aarch64, None where the architecture has no such call.
CLONE, CLONE3 = (56, 220), (435, 435)
DENIED: dict[str, tuple[int | None, int | None]] = {
    # Other processes: none may be started, traced, opened or written to.
    "fork": (57, None), "vfork": (58, None), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "kcmp": (312, 272),
    # Sockets of any family; the only way out is the pipe that is already open.
    "socket": (41, 198), "socketpair": (53, 199),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # Mounts and namespaces.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "setns": (308, 268), "unshare": (272, 97),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # Memory that neither the address-space limit nor the size of /tmp counts.
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
    "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    # The kernel itself: its modules, keys, clocks, swap, and the interfaces most often broken.
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "personality": (135, 92),
    "acct": (163, 89), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142),
    "syslog": (103, 116), "sethostname": (170, 161), "setdomainname": (171, 162),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "vhangup": (153, 58),
    "nfsservctl": (180, 42), "iopl": (172, None), "ioperm": (173, None),
    "modify_ldt": (154, None), "uselib": (134, None), "vmsplice": (278, 75),
    "mbind": (237, 235), "move_pages": (279, 239), "migrate_pages": (256, 238),
    "set_mempolicy": (238, 237), "io_setup": (206, 0),
}  # fmt: skip


def supported(machine: str = "") -> bool:
    """Say whether a filter can be written for this processor."""
    return (machine or platform.machine()) in ARCHITECTURES


def deny_list(*, threads: bool, machine: str = "") -> bytes:
    """Return the filter as the kernel and bubblewrap's `--seccomp` take it.

    Args:
        threads: Whether new threads may start; new processes never may.
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
    for numbers in DENIED.values():
        number = numbers[column]
        if number is not None:
            program += _if(_EQUAL, number, _ERRNO | _EPERM)
    program += [
        _jump(_EQUAL, CLONE[column], 0, 6 if threads else 1),
        *_clone(threads),
        _return(_ALLOW),
    ]
    return b"".join(program)


def _clone(threads: bool) -> list[bytes]:
    if not threads:
        return [_return(_ERRNO | _EPERM)]
    return [
        _load(_FIRST_ARGUMENT),
        *_if(_ANY_BIT, _CLONE_NEW, _ERRNO | _EPERM),
        *_if(_ANY_BIT, _CLONE_THREAD, _ALLOW),
        _return(_ERRNO | _EPERM),
    ]


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
