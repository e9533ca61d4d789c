"""What an attack on the sandbox is: a program that defines `f`. Each has a row in docs/sandbox.md.

The test that they face expects a text drawn anew each time, so no honest `f` can pass. What tries
something forbidden says through `refused` whether it got it. HOST is a file of the host.
"""

from typing import NamedTuple


class Attack(NamedTuple):
    """A hostile program, and how long it may run."""

    name: str
    program: str
    wall_seconds: float = 10.0


REFUSED = '''
import ctypes, os, sys
def refused(attempt):
    """Run an attempt; say whether it got what it wanted."""
    try:
        got = attempt()
    except BaseException as error:
        print("REFUSED", type(error).__name__, flush=True)
    else:
        print("REFUSED -1" if got == -1 else f"ESCAPED {got!r}"[:200], flush=True)
def syscall(*numbers):
    return ctypes.CDLL(None, use_errno=True).syscall(*map(ctypes.c_long, numbers))
def every_descriptor(data):
    for descriptor in range(64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass
def frame(text):
    return len(text).to_bytes(4, "big") + text
def f(x):
    return 4
'''


def tries(name: str, *attempts: str) -> Attack:
    """Return an attack whose attempts must all be refused."""
    lines = "\n".join(f"refused(lambda: {attempt})" for attempt in attempts)
    return Attack(name, REFUSED + lines)


def forges(name: str, program: str, wall_seconds: float = 10.0) -> Attack:
    """Return an attack on the verdict itself."""
    return Attack(name, REFUSED + program, wall_seconds)
