"""Inside a jail: parses what a model wrote, and says what it is; nothing of it is run.

Python's own parser and compiler bound neither time nor memory: 700 characters of nested `finally`
compile to gigabytes. In here they are bounded, and what dies is this process.
"""

from __future__ import annotations

import os
import sys
import warnings

from weighbridge.sandbox.inside.confinement import confine
from weighbridge.sandbox.inside.outline import outline
from weighbridge.sandbox.inside.plain import decode, receive

READY = b"\x80"


def main() -> None:
    """Take limits and filter from the descriptors on the command line; answer until closed."""
    with open(int(sys.argv[1]), "rb") as held:
        numbers = held.read().split()
    with open(int(sys.argv[2]), "rb") as held:
        filtered = held.read()
    quiet = os.open("/dev/null", os.O_WRONLY)
    os.dup2(quiet, 2)
    confine(map(int, numbers), (), filtered)
    warnings.simplefilter("ignore")
    os.write(1, READY)
    while True:
        asked = receive(0)
        facts = outline(decode(asked["source"]), asked["name"], asked["compile"])
        os.write(1, bytes([facts]))
