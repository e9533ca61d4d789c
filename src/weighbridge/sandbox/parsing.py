"""Parses what a model wrote, in a jail of its own that lives as long as this process.

A source can make Python's parser and compiler use any amount of time and memory, so they never
parse a model's text in this process. One jail answers all requests, one after the other; a source
that kills it, or takes too long, counts as not Python.
"""

import atexit
import os
import select
import subprocess
import threading
from dataclasses import dataclass

from weighbridge.sandbox.inside.outline import COMPILES, DEFINES, GOES_ON, PARSES
from weighbridge.sandbox.inside.plain import encode, send
from weighbridge.sandbox.jail import Jailed, Level, end, start
from weighbridge.sandbox.limits import Limits

LIMITS = Limits(wall_seconds=20, cpu_seconds=3600, memory_bytes=1 << 29)


@dataclass(frozen=True)
class Source:
    """What parsing a text as Python shows.

    Attributes:
        parses: It is Python.
        defines: It defines a function of that name at its top level.
        goes_on: The last function of that name has a body beyond its docstring.
        compiles: It also compiles; False if that was not asked.
    """

    parses: bool
    defines: bool
    goes_on: bool
    compiles: bool


class _Parser:
    """One jail, started at the first request and again after it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jail: Jailed | None = None
        self._owner = 0

    def ask(self, question: dict[str, object]) -> int:
        """Return the answer; 0 if the request exceeded the jail's limits."""
        with self._lock:
            if self._owner != os.getpid():  # a fork of the process that started it
                self._jail = None
            if self._jail is not None:
                answer, in_time = self._asked(self._jail, question)
                if answer is not None or not in_time:
                    return answer or 0
            # It may have died before: a jail ends with the thread that started it.
            answer, _ = self._asked(self._started(), question)
            return answer or 0

    def _started(self) -> Jailed:
        numbers = " ".join(map(str, LIMITS.numbers())).encode()
        self._jail = start(
            "parser", [numbers], level=Level.BUBBLEWRAP, tmp_bytes=1 << 20,
            memory_bytes=LIMITS.memory_bytes, processes=1, stdin=subprocess.PIPE,
        )  # fmt: skip
        self._owner = os.getpid()
        if self._read(self._jail, 3 * LIMITS.wall_seconds)[0] is None:
            said = self._jail.stderr.read(300) if self._jail.stderr else b""
            self._end()
            raise OSError(f"the jail of the parser did not start: {said.decode(errors='replace')}")
        return self._jail

    def _asked(self, jail: Jailed, question: dict[str, object]) -> tuple[int | None, bool]:
        assert jail.stdin
        try:
            send(jail.stdin.fileno(), question)
            answer, in_time = self._read(jail, LIMITS.wall_seconds)
        except OSError:
            answer, in_time = None, True
        except BaseException:  # an answer that nobody waited for would be taken for the next one
            self._end()
            raise
        if answer is None:
            self._end()
        return answer, in_time

    @staticmethod
    def _read(jail: Jailed, seconds: float) -> tuple[int | None, bool]:
        """Return a byte, or None, and whether the time was enough."""
        assert jail.stdout
        waiting = select.poll()
        waiting.register(jail.stdout.fileno(), select.POLLIN)
        if not waiting.poll(1000 * seconds):
            return None, False
        answer = os.read(jail.stdout.fileno(), 1)
        return (answer[0], True) if answer else (None, True)

    def _end(self) -> None:
        if self._jail is not None and self._owner == os.getpid():
            end(self._jail)
        self._jail = None

    def close(self) -> None:
        """End the jail; a later request starts another."""
        with self._lock:
            self._end()


_parser = _Parser()
atexit.register(_parser.close)


def look_at(source: str, name: str, *, compiled: bool = False) -> Source:
    """Return what parsing a text shows, and what it defines; nothing of it is run.

    Args:
        source: The text.
        name: The function's name.
        compiled: Whether to say if it compiles, too.

    Raises:
        SandboxUnavailable: There is no jail on this machine; nothing is parsed.
    """
    flags = _parser.ask({"source": encode(source), "name": name, "compile": compiled})
    return Source(*(bool(flags & bit) for bit in (PARSES, DEFINES, GOES_ON, COMPILES)))
