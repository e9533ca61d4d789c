"""The filter, run by a small interpreter of the kernel's instructions."""

import re
import struct
from pathlib import Path

import pytest

from weighbridge.sandbox.seccomp import ARCHITECTURES, CLONE, CLONE3, DENIED, deny_list

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def decide(program, architecture, number, argument=0):
    """Return what a filter answers to a system call."""
    data = struct.pack("<IIQQ", number, architecture, 0, argument)
    at, held = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return value
        else:
            truth = {0x15: held == value, 0x25: held > value, 0x45: bool(held & value)}[code]
            at += if_true if truth else if_false


@pytest.mark.parametrize("column, machine", list(enumerate(ARCHITECTURES)))
@pytest.mark.parametrize("threads", [True, False])
def test_it_denies_what_is_listed_and_allows_the_rest(column, machine, threads):
    program, code = deny_list(threads=threads, machine=machine), ARCHITECTURES[machine]
    denied = {numbers[column] for numbers in DENIED.values()} - {None}
    for number in range(463):
        if number in (CLONE[column], CLONE3[column]):
            continue
        assert decide(program, code, number) == (EPERM if number in denied else ALLOW), number
    assert decide(program, code, CLONE3[column]) == ENOSYS
    assert decide(program, code, 463) == decide(program, code, 0x40000001) == ENOSYS
    assert decide(program, ARCHITECTURES[machine] ^ 0x80000000, 1) == KILL


@pytest.mark.parametrize("column, machine", list(enumerate(ARCHITECTURES)))
def test_clone_starts_threads_only_where_they_are_allowed_and_never_processes(column, machine):
    thread, fork, new_user = 0x003D0F00, 17, 0x10000000
    for threads in (True, False):
        program, code = deny_list(threads=threads, machine=machine), ARCHITECTURES[machine]
        expected = ALLOW if threads else EPERM
        assert decide(program, code, CLONE[column], thread) == expected
        for flags in (fork, new_user | fork, thread | new_user, thread | 0x80, thread | 0x40000000):
            assert decide(program, code, CLONE[column], flags) == EPERM


@pytest.mark.parametrize("column, machine", list(enumerate(ARCHITECTURES)))
def test_the_numbers_are_the_kernel_s(column, machine):
    if not HEADERS[machine].exists():
        pytest.skip("no kernel headers here")
    text = HEADERS[machine].read_text()
    known = {name: int(n) for name, n in re.findall(r"#define __NR_(\w+)\s+(\d+)", text)}
    for name, numbers in DENIED.items():
        assert known.get(name, numbers[column]) == numbers[column], name
        assert (name in known) == (numbers[column] is not None) or name == "memfd_secret"
