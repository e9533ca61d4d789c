"""Regular expressions that somebody else wrote, run in a process of their own with a limit of time.

Python's engine goes back over a text as often as a pattern makes it: `(a+)+$` takes centuries for
100 letters, and nothing in the same process can stop it. So whatever comes from a file is compiled
and run in a child, which the system ends when it has used its time: processor time, so that a busy
machine changes no outcome. The child holds the pattern and the text alone, and is kept for the next
question.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from weighbridge.errors import InputError

SECONDS = 2.0
"""Of processor time, for one text or one list of names: a thousand times what a sound one takes."""
_MEMORY_BYTES = 2 * 2**30
_LONGEST_SHOWN = 80

_CHILD = """
import json, re, resource, signal, sys
seconds, memory = float(sys.argv[1]), int(sys.argv[2])
try:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
except (ValueError, OSError):
    pass
known = {}
for line in sys.stdin.buffer:
    asked = json.loads(line)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)  # its default ends the process
    try:
        key = asked["pattern"]
        if key not in known:
            known[key] = re.compile(key)
        pattern = known[key]
        if asked["do"] == "last":
            found = None
            for found in pattern.finditer(asked["texts"][0]):
                pass
            group = 1 if pattern.groups else 0
            answer = {"found": None if found is None else found[group] or ""}
        else:
            matches = getattr(pattern, asked["do"])
            answer = {"found": [matches(text) is not None for text in asked["texts"]]}
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        answer = {"error": str(error) or type(error).__name__}
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    sys.stdout.write(json.dumps(answer) + "\\n")
    sys.stdout.flush()
"""


class PatternTooSlow(InputError):
    """A pattern was still being matched when its time limit was reached."""


@dataclass(frozen=True)
class ForeignPattern:
    """A regular expression of Python's that stands in a file.

    Attributes:
        text: The pattern.
        where: Whose it is, for people: "own.toml: pattern".
        hint: What to do where it is none.
        seconds: Processor time that one question may take; `SECONDS` if not said.
    """

    text: str
    where: str
    hint: str = ""
    seconds: float | None = None

    def check(self) -> None:
        """Compile it.

        Raises:
            InputError: It is no regular expression.
        """
        self._ask("match", [""])

    def last(self, text: str) -> str | None:
        """Return what it finds last in a text: its group 1, where it has one; None for nothing.

        Raises:
            PatternTooSlow: It did not come to an end.
        """
        found: str | None = self._ask("last", [text])
        return found

    def fullmatch(self, texts: Sequence[str]) -> list[bool]:
        """Return which texts it matches from their beginning to their end.

        Raises:
            PatternTooSlow: It did not come to an end.
        """
        found: list[bool] = self._ask("fullmatch", texts)
        return found

    def match(self, texts: Sequence[str]) -> list[bool]:
        """Return which texts it matches at their beginning.

        Raises:
            PatternTooSlow: It did not come to an end.
        """
        found: list[bool] = self._ask("match", texts)
        return found

    def _ask(self, do: str, texts: Sequence[str]) -> Any:
        question = {"do": do, "pattern": self.text, "texts": list(texts)}
        seconds = SECONDS if self.seconds is None else self.seconds
        answer = _children(seconds).ask(question)
        if answer is None:
            raise PatternTooSlow(
                f"{self._named()} did not come to an end on {_length(texts)} in {seconds:g} s "
                "of processor time",
                "a pattern whose parts can match a text in one way only",
                "repeat nothing that itself repeats, as (a+)+ does, and state what ends a match",
            )
        if "error" in answer:
            raise InputError(
                f"{self._named()} ({answer['error']})", "a regular expression", self.hint
            )
        return answer["found"]

    def _named(self) -> str:
        shown = self.text if len(self.text) <= _LONGEST_SHOWN else f"{self.text[:_LONGEST_SHOWN]}…"
        return f"{self.where} = {shown!r}"


def _length(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return f"a text of {len(texts[0]):,} characters"
    return f"{len(texts):,} names of {sum(map(len, texts)):,} characters"


class _Child:
    """A process that answers one question at a time; a new one where the last was ended."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """Return its answer; None where its time ended first."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            assert self._process and self._process.stdin and self._process.stdout
            try:
                self._process.stdin.write(json.dumps(question).encode() + b"\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except BrokenPipeError:
                line = b""
            except BaseException:  # interrupted: the answer would be taken for the next question's
                self.end()
                raise
            if not line.endswith(b"\n"):
                self.end()
                return None
            found: dict[str, Any] = json.loads(line)
            return found

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError):
                process.communicate()

    def _start(self) -> None:
        words = [str(self._seconds), str(_MEMORY_BYTES)]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _CHILD, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip


_kept: dict[float, _Child] = {}
_keeping = threading.Lock()


def _children(seconds: float) -> _Child:
    with _keeping:
        if seconds not in _kept:
            _kept[seconds] = _Child(seconds)
            atexit.register(_kept[seconds].end)
        return _kept[seconds]


def _let_go() -> None:
    """After a fork: the children, and the locks that other threads hold, are our parent's."""
    global _keeping
    _kept.clear()
    _keeping = threading.Lock()


os.register_at_fork(after_in_child=_let_go)
