"""Run one program in the jail, with limits, and say how it ended."""

import contextlib
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import IO, Literal

from weighbridge.errors import SandboxUnavailable
from weighbridge.sandbox.driver import DRIVER
from weighbridge.sandbox.jail import Level, command, probe

Outcome = Literal["passed", "failed", "timed_out", "output_limit", "infrastructure"]


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
        wall_seconds: From its start; then everything in the jail is killed.
        cpu_seconds: Processor time.
        memory_bytes: Address space.
        file_bytes: Largest file, and all of /tmp.
        output_bytes: Text written; more ends the program.
        processes: Processes of this user (not enforced by Linux where the user is root).
        open_files: Open descriptors.
    """

    wall_seconds: float = 3.0
    cpu_seconds: int = 10
    memory_bytes: int = 1 << 30
    file_bytes: int = 16 << 20
    output_bytes: int = 1 << 16
    processes: int = 64
    open_files: int = 64


@dataclass(frozen=True)
class Execution:
    """How a program ended.

    Attributes:
        outcome: `passed` only if it ran to its last line; `infrastructure` if the jail failed.
        exit_code: Of the jail; negative for a signal.
        output: The beginning of what it wrote.
        error: The last line of its traceback, or what else ended it.
        wall_seconds: Time taken.
        level: The jail's.
    """

    outcome: Outcome
    exit_code: int | None
    output: str
    error: str
    wall_seconds: float
    level: Level


def run_python(program: str, limits: Limits | None = None) -> Execution:
    """Run a program in a jail of its own.

    Args:
        program: Python source.
        limits: What it may use.

    Raises:
        SandboxUnavailable: There is no jail on this machine; nothing is run.
    """
    found = probe()
    bwrap = shutil.which("bwrap")
    if found.level is Level.NONE or bwrap is None:
        raise SandboxUnavailable(f"no sandbox ({found.detail})", "bubblewrap", found.fix)
    limits = limits or Limits()
    token = secrets.token_hex(16).encode()
    started = time.monotonic()
    try:
        jail = subprocess.Popen(
            [*command(bwrap, limits.file_bytes * 2), "-c", DRIVER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={}, close_fds=True, start_new_session=True, cwd="/",
        )  # fmt: skip
    except OSError as error:
        return Execution("infrastructure", None, "", str(error), 0.0, found.level)
    try:
        proof, output, ended = _converse(jail, _message(program, token, limits), limits, started)
    finally:
        _kill(jail)
    seconds = time.monotonic() - started
    code = jail.returncode
    text = output.decode("utf-8", "replace")
    outcome, error_text = _judge(proof == token + b"\n", ended, code, text, limits)
    return Execution(outcome, code, text, error_text, seconds, found.level)


def _message(program: str, token: bytes, limits: Limits) -> bytes:
    numbers = (
        limits.cpu_seconds, limits.memory_bytes, limits.file_bytes, limits.processes,
        limits.open_files,
    )  # fmt: skip
    head = token + b"\n" + " ".join(map(str, numbers)).encode() + b"\n"
    return head + program.encode("utf-8", "surrogatepass")


def _converse(
    jail: "subprocess.Popen[bytes]", message: bytes, limits: Limits, started: float
) -> tuple[bytes, bytes, Outcome | None]:
    """Feed the program in and read what comes out, until it ends or a limit is reached."""
    assert jail.stdin and jail.stdout and jail.stderr
    proof, output = bytearray(), bytearray()
    sent = 0
    with selectors.DefaultSelector() as ready:
        for stream in (jail.stdin, jail.stdout, jail.stderr):
            os.set_blocking(stream.fileno(), False)
        ready.register(jail.stdin, selectors.EVENT_WRITE)
        ready.register(jail.stdout, selectors.EVENT_READ)
        ready.register(jail.stderr, selectors.EVENT_READ)
        while ready.get_map():
            left = limits.wall_seconds - (time.monotonic() - started)
            if left <= 0:
                return bytes(proof), bytes(output), "timed_out"
            for key, _ in ready.select(left):
                if key.fileobj is jail.stdin:
                    sent = _send(jail.stdin, message, sent, ready)
                    continue
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    ready.unregister(key.fileobj)
                (proof if key.fileobj is jail.stdout else output).extend(chunk)
                if len(output) > limits.output_bytes or len(proof) > 256:
                    del output[limits.output_bytes :]
                    return bytes(proof), bytes(output), "output_limit"
    try:
        jail.wait(max(0.1, limits.wall_seconds - (time.monotonic() - started)))
    except subprocess.TimeoutExpired:
        return bytes(proof), bytes(output), "timed_out"
    return bytes(proof), bytes(output), None


def _send(stdin: IO[bytes], message: bytes, sent: int, ready: selectors.BaseSelector) -> int:
    try:
        sent += os.write(stdin.fileno(), message[sent : sent + (1 << 16)])
    except BlockingIOError:
        return sent
    except BrokenPipeError:
        sent = len(message)
    if sent >= len(message):
        ready.unregister(stdin)
        stdin.close()
    return sent


def _kill(jail: "subprocess.Popen[bytes]") -> None:
    """End the jail and everything in it: its first process takes the others along."""
    if jail.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(jail.pid, signal.SIGKILL)
        jail.wait()
    for stream in (jail.stdin, jail.stdout, jail.stderr):
        if stream is not None and not stream.closed:
            stream.close()


def _judge(
    proven: bool, ended: Outcome | None, code: int, text: str, limits: Limits
) -> tuple[Outcome, str]:
    last = (text.strip().splitlines() or [""])[-1][:300]
    if ended == "timed_out":
        return "timed_out", f"still running after {limits.wall_seconds:g} s"
    if ended == "output_limit":
        return "output_limit", f"wrote more than {limits.output_bytes:,} bytes"
    if proven:
        return "passed", ""
    if text.startswith("bwrap: "):
        return "infrastructure", last
    return "failed", last or f"ended early with status {code}"
