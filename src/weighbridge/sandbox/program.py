"""Run one whole program in the jail, tests and all: the weaker level."""

import secrets
import subprocess
import time

from weighbridge.sandbox.jail import Level, end, start
from weighbridge.sandbox.limits import Execution, Limits, Outcome
from weighbridge.sandbox.watching import Stream, read_until

STARTED = b"started\n"


def run_python(program: str, limits: Limits | None = None) -> Execution:
    """Run a program in a jail of its own; it passes by running to its last line.

    The program shares a process with whatever tests it, so a hostile one can fake this outcome: the
    level says so. `check_function` is for verdicts that must hold.

    Args:
        program: Python source.
        limits: What it may use.

    Raises:
        SandboxUnavailable: There is no jail on this machine; nothing is run.
    """
    limits = limits or Limits()
    token = secrets.token_hex(16).encode() + b"\n"
    numbers = " ".join(map(str, limits.numbers())).encode() + b"\n"
    message = token + numbers + program.encode("utf-8", "surrogatepass")
    level = Level.BUBBLEWRAP
    started = time.monotonic()
    try:
        jail = start(
            "program", [message], level=level, tmp_bytes=limits.file_bytes * 2,
            memory_bytes=limits.memory_bytes, processes=limits.processes,
        )  # fmt: skip
    except OSError as error:
        return Execution("infrastructure", None, "", str(error), 0.0, level)
    assert jail.stdout and jail.stderr
    proof, output = Stream(256), Stream(limits.output_bytes)
    deadline = started + limits.wall_seconds
    try:
        ended: str = read_until({jail.stdout: proof, jail.stderr: output}, deadline, lambda: False)
        if ended == "closed":
            try:
                jail.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                ended = "timed_out"
    finally:
        end(jail)
    text = output.data.decode("utf-8", "replace")
    outcome, error_text = _judge(bytes(proof.data), token, ended, jail.returncode, text, limits)
    seconds = time.monotonic() - started
    return Execution(outcome, jail.returncode, text, error_text, seconds, level)


def _judge(
    proof: bytes, token: bytes, ended: str, code: int, text: str, limits: Limits
) -> tuple[Outcome, str]:
    last = (text.strip().splitlines() or [""])[-1][:300]
    if ended == "timed_out":
        return "timed_out", f"still running after {limits.wall_seconds:g} s"
    if ended == "output_limit":
        return "output_limit", f"wrote more than {limits.output_bytes:,} bytes"
    if proof == STARTED + token:
        return "passed", ""
    if not proof.startswith(STARTED):  # written before the program's first line
        return "infrastructure", last or f"the jail ended with status {code}"
    return "failed", last or f"ended early with status {code}"
