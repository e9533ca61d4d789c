"""The filter, run by a small interpreter of the kernel's instructions."""

import re
import struct
from pathlib import Path

import pytest

from weighbridge.sandbox.seccomp import (
    ALLOWED,
    ARCHITECTURES,
    BY_ARGUMENT,
    CLONE,
    CLONE3,
    DONE,
    ENTERING,
    FCNTL,
    FCNTL_COMMANDS,
    FCNTL_SET_FLAGS,
    WITHOUT_BITS,
    allow_list,
)

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
AS_IF_DONE = 0x00050000
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def decide(program, architecture, number, *arguments):
    """Return what a filter answers to a system call."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
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


def number(name, column):
    return {**ALLOWED, **ENTERING, **{n: rule[0] for n, rule in BY_ARGUMENT.items()}}[name][column]


@pytest.mark.parametrize("column, machine", list(enumerate(ARCHITECTURES)))
@pytest.mark.parametrize("entering", [True, False])
def test_it_allows_what_is_listed_and_nothing_else(column, machine, entering):
    program = allow_list(threads=True, entering=entering, machine=machine)
    code = ARCHITECTURES[machine]
    listed = {**ALLOWED, **(ENTERING if entering else {})}
    allowed = {numbers[column] for numbers in listed.values()} - {None}
    by_argument = {numbers[column] for numbers, _, _ in BY_ARGUMENT.values()} - allowed
    by_argument |= {numbers[column] for numbers, _, _ in WITHOUT_BITS.values()} | {FCNTL[column]}
    for numbers in DONE.values():
        assert decide(program, code, numbers[column]) == AS_IF_DONE
    for call in range(463):
        asked = {numbers[column] for numbers in DONE.values()} | by_argument
        if call in (CLONE[column], CLONE3[column], *asked):
            continue
        assert decide(program, code, call) == (ALLOW if call in allowed else EPERM), call
    assert decide(program, code, CLONE3[column]) == ENOSYS
    assert decide(program, code, 463) == decide(program, code, 0x40000001) == ENOSYS
    assert decide(program, ARCHITECTURES[machine] ^ 0x80000000, 1) == KILL
    for name in ("execve", "setrlimit", "landlock_restrict_self", "seccomp"):
        assert decide(program, code, number(name, column)) == (ALLOW if entering else EPERM)


@pytest.mark.parametrize("column, machine", list(enumerate(ARCHITECTURES)))
def test_what_does_several_things_is_let_through_by_its_argument(column, machine):
    program, code = (
        allow_list(threads=True, entering=False, machine=machine),
        ARCHITECTURES[machine],
    )
    for name, (numbers, argument, values) in BY_ARGUMENT.items():
        for value in range(1100):
            arguments = [7] * 6
            arguments[argument] = value
            expected = ALLOW if value in values else EPERM
            assert decide(program, code, numbers[column], *arguments) == expected, (name, value)
        arguments[argument] = values[0] | 1 << 32  # all 64 bits count
        assert decide(program, code, numbers[column], *arguments) == EPERM


# Of each call: arguments that are let through, and such that are not.
FLAGS = {
    "x86_64": {
        "mmap": ((0, 4096, 3, 0x22), (0, 4096, 3, 0x40022), (0, 4096, 3, 0x2022)),
        "open": ((0, 0x241), (0, 0x4000), (0, 0x4241)),
        "openat": ((0, 0, 0x90800), (0, 0, 0x4000), (0, 0, 0x94800)),
    },
    "aarch64": {
        "mmap": ((0, 4096, 3, 0x22), (0, 4096, 3, 0x40022), (0, 4096, 3, 0x2022)),
        "openat": ((0, 0, 0x84800), (0, 0, 0x10000), (0, 0, 0x94800)),
    },
}


@pytest.mark.parametrize("column, machine", list(enumerate(ARCHITECTURES)))
def test_flags_that_reach_past_a_limit_or_the_page_cache_are_refused(column, machine):
    program = allow_list(threads=True, entering=False, machine=machine)
    code = ARCHITECTURES[machine]
    assert FLAGS[machine].keys() == {n for n, rule in WITHOUT_BITS.items() if rule[0][column]}
    for name, (good, *bad) in FLAGS[machine].items():
        call = WITHOUT_BITS[name][0][column]
        assert decide(program, code, call, *good) == ALLOW, name
        assert {decide(program, code, call, *arguments) for arguments in bad} == {EPERM}, name
    for command in range(1100):
        expected = ALLOW if command in (*FCNTL_COMMANDS, FCNTL_SET_FLAGS) else EPERM
        assert decide(program, code, FCNTL[column], 5, command, 0x800) == expected, command
    direct, signals = {"x86_64": 0x4000, "aarch64": 0x10000}[machine], 0x2000
    for flags in (direct, signals, direct | 0x800):
        assert decide(program, code, FCNTL[column], 5, FCNTL_SET_FLAGS, flags) == EPERM
    assert decide(program, code, FCNTL[column], 5, 0, direct) == ALLOW  # a descriptor, no flags


@pytest.mark.parametrize("column, machine", list(enumerate(ARCHITECTURES)))
def test_clone_starts_threads_only_where_they_are_allowed_and_never_processes(column, machine):
    thread, fork, new_user = 0x003D0F00, 17, 0x10000000
    for threads in (True, False):
        program, code = (
            allow_list(threads=threads, entering=False, machine=machine),
            ARCHITECTURES[machine],
        )
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
    # The generic header names four calls by their 32-bit and 64-bit forms.
    known |= {
        {"fstatat": "newfstatat"}.get(name, name): int(n)
        for name, n in re.findall(r"#define __NR3264_(\w+)\s+(\d+)", text)
    }
    by_argument = {name: rule[0] for name, rule in (BY_ARGUMENT | WITHOUT_BITS).items()}
    every = {**ALLOWED, **ENTERING, **DONE, **by_argument, "fcntl": FCNTL}
    for name, numbers in every.items():
        assert known.get(name) == numbers[column], name
