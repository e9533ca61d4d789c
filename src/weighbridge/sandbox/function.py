"""Test a function that a model wrote, from outside the jail that it runs in.

the model's code -> jail 1: defines it, answers calls
the test, the expected values -> jail 2: calls, compares, writes the verdict
this process: starts both, joins them by two pipes, watches, believes only jail 2
"""

import json
import os
import secrets
import subprocess
import time
from dataclasses import dataclass

from weighbridge.sandbox.jail import Jailed, Level, end, start
from weighbridge.sandbox.limits import Execution, Limits, Outcome
from weighbridge.sandbox.watching import Stream, read_until

_OUTCOMES: dict[str, Outcome] = {
    "passed": "passed", "failed": "failed", "infrastructure": "infrastructure"
}  # fmt: skip


@dataclass(frozen=True)
class FunctionTest:
    """A function and the test that decides about it.

    Attributes:
        program: What the model wrote, as Python source that defines the function.
        entry_point: The function's name.
        test: Trusted source that defines `check(candidate)`; what it needs to compare stands here.
        setup: Trusted source that runs before the test: imports and helpers that it calls.
    """

    program: str
    entry_point: str
    test: str
    setup: str = ""


def check_function(task: FunctionTest, limits: Limits | None = None) -> Execution:
    """Test a function call by call from outside its jail.

    Args:
        task: The function and its test.
        limits: What the function may use; the test may use the same.

    Raises:
        SandboxUnavailable: This machine does not reach that level; nothing is run.
    """
    limits = limits or Limits()
    level = Level.OUTSIDE_TESTER
    nonce = secrets.token_hex(16)
    started = time.monotonic()
    jails: list[Jailed] = []
    verdict, output, noise = Stream(1 << 14), Stream(limits.output_bytes), Stream(1 << 14)
    try:
        candidate, tester = _start_both(task, limits, nonce, jails)
        assert candidate.stderr and tester.stdout and tester.stderr
        ended = read_until(
            {tester.stdout: verdict, candidate.stderr: output, tester.stderr: noise},
            started + limits.wall_seconds,
            lambda: verdict.data.count(b"\n") == 2 or b'"outcome"' in verdict.data,
        )
    except OSError as error:
        return Execution("infrastructure", None, "", str(error), 0.0, level)
    finally:
        for jail in jails:
            end(jail)
    text = output.data.decode("utf-8", "replace")
    said = noise.data.decode("utf-8", "replace").strip() or text.strip()
    outcome, why = _judge(bytes(verdict.data), nonce, ended, said, limits)
    return Execution(outcome, None, text, why, time.monotonic() - started, level)


def _start_both(
    task: FunctionTest,
    limits: Limits,
    nonce: str,
    jails: list[Jailed],
) -> tuple[Jailed, Jailed]:
    """Start the two jails, joined by one pipe for calls and one for answers."""
    head = f"{task.entry_point} {' '.join(map(str, limits.numbers()))}\n"
    program = (head + task.program).encode("utf-8", "surrogatepass")
    job = {
        "nonce": nonce,
        "entry_point": task.entry_point,
        "setup": task.setup,
        "test": task.test,
        "limits": limits.numbers(),
    }
    pipes = [*os.pipe(), *os.pipe()]
    calls_out, calls_in, answers_out, answers_in = pipes
    level, tmp_bytes = Level.OUTSIDE_TESTER, 2 * limits.file_bytes
    try:
        for role, document, keep, stdin, stdout in (
            ("candidate", program, (), calls_out, answers_in),
            ("tester", json.dumps(job).encode(), (calls_in,), answers_out, subprocess.PIPE),
        ):
            jail = start(
                role, [document], level=level, keep=keep, tmp_bytes=tmp_bytes,
                memory_bytes=limits.memory_bytes, processes=limits.processes,
                stdin=stdin, stdout=stdout,
            )  # fmt: skip
            jails.append(jail)
    finally:
        for descriptor in pipes:
            os.close(descriptor)
    return jails[0], jails[1]


def _judge(
    verdict: bytes, nonce: str, ended: str, said: str, limits: Limits
) -> tuple[Outcome, str]:
    """Read the verdict; without one that carries the nonce, nothing passes."""
    if ended == "timed_out":
        return "timed_out", f"still running after {limits.wall_seconds:g} s"
    if ended == "output_limit":
        return "output_limit", f"wrote more than {limits.output_bytes:,} bytes"
    heard = False
    for line in verdict.splitlines():
        try:
            reply = json.loads(line)
            if not secrets.compare_digest(reply["nonce"], nonce):
                continue
            if "outcome" in reply:
                # An exception's text may hold what no file or terminal in UTF-8 can.
                why = str(reply["why"]).encode("utf-8", "backslashreplace").decode()
                return _OUTCOMES[reply["outcome"]], why
            heard = bool(reply["heard"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    last = (said.splitlines() or ["it said nothing"])[-1][:300]
    if heard:  # only the candidate's answers came after that
        return "failed", f"the test ended without a verdict on what the function answered: {last}"
    return "infrastructure", f"the tester gave no verdict: {last}"
