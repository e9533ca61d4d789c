"""Inside the jail, the weaker way: limits, then a whole program, then the proof that it ended.

The proof that a program came to its end is a random token, sent over a pipe of its own once the
last line has run: exiting early, with whatever status, proves nothing. The program shares the
process with the token and with its own tests, so code that walks frames could steal the one, and
objects that are equal to everything satisfy the other. Where a test can be driven from outside,
`candidate.py` and `tester.py` do it.
"""

import os
import sys

from weighbridge.sandbox.inside.confinement import confine


def main() -> None:
    """Take program and filter from the descriptors on the command line, run it, send the proof."""
    with open(int(sys.argv[2]), "rb") as held:
        calls = held.read()
    with open(int(sys.argv[1]), "rb") as held:
        token = held.readline()
        numbers = map(int, held.readline().split())
        program = held.read().decode("utf-8", "surrogatepass")
    proof = os.dup(1)
    os.dup2(2, 1)
    confine(numbers, (proof,), calls)
    os.write(proof, b"started\n")
    _run(program, token, proof)


def _run(program: str, token: bytes, proof: int) -> None:
    write, leave = os.write, os._exit
    exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
    write(proof, token)
    leave(0)
