"""Inside a jail of its own: runs a benchmark's own test against a function that is elsewhere.

The test's `candidate` is a stand-in that sends its arguments to the jail with the model's code and
compares nothing itself. Here are the expected values and the only pen that can write the verdict;
the model's code has never been here.
"""

from __future__ import annotations

import builtins
import json
import os
import sys

from weighbridge.sandbox.inside.candidate import LONGEST_MESSAGE
from weighbridge.sandbox.inside.confinement import confine
from weighbridge.sandbox.inside.plain import (
    NotPlain,
    TooLarge,
    carry_back,
    decode,
    encode,
    receive,
    send,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from weighbridge.sandbox.inside.plain import Json


class TimeIsUp(BaseException):
    """The candidate can't be tested any further; no test may catch this and go on."""


class Candidate:
    """The far end of the pipes. What has once gone wrong with it stays wrong."""

    def __init__(self, calls: int, answers: int, on_heard: Callable[[], object]) -> None:
        self._calls, self._answers, self._on_heard = calls, answers, on_heard
        self.heard, self.wrong, self.untestable = False, "", ""

    def _start(self) -> None:
        """Wait until it is confined, then until its program has been run."""
        ready = self._receive()
        self.heard = "ready" in ready  # from here on, whatever happens is its own doing
        if self.heard:
            self._on_heard()
        if "defined" not in (answer := self._receive()):
            self._stop(self._told(answer))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it there."""
        if self.wrong or self.untestable:
            raise TimeIsUp
        if not self.heard:
            self._start()
        try:
            send(self._calls, {"args": encode(list(args)), "kwargs": encode(kwargs)})
        except TooLarge as error:  # made so by what the candidate returned before
            self._stop(f"made the test pass {error}")
        except NotPlain as error:
            self.untestable = f"the test passes {error}, which is no plain data"
            raise TimeIsUp from None
        except OSError:
            self._stop("its process ended")
        answer = self._receive()
        try:
            if "args" in answer:
                self._carry_back(args, kwargs, answer)
            if "value" in answer:
                return decode(answer["value"])
        except NotPlain as error:
            self._stop(f"answered with {error}")
        if "not_plain" in answer:
            self._stop(self._text(answer, "not_plain"))
        raise self._exception(answer)

    def _carry_back(self, args: Any, kwargs: Any, answer: Json) -> None:
        left, named = decode(answer["args"]), decode(answer.get("kwargs"))
        if type(left) is not list or len(left) != len(args):
            raise NotPlain("other arguments than it was given")
        if type(named) is not dict or named.keys() != kwargs.keys():
            raise NotPlain("other arguments than it was given")
        for before, after in zip(args, left, strict=True):
            carry_back(before, after)
        for name, before in kwargs.items():
            carry_back(before, named[name])

    def _receive(self) -> Json:
        try:
            answer = receive(self._answers)
        except NotPlain as error:
            self._stop(f"answered with {error}")
        except (EOFError, OSError):
            self._stop("its process ended")
        if type(answer) is not dict:
            self._stop("answered out of turn")
        return answer

    def _exception(self, answer: Json) -> Exception:
        """Return what the candidate raised: the builtin of that name, with its text and no more.

        What else an exception carries would be read by the interpreter's own code, which trusts it.
        """
        name = self._text(answer, "raised")
        kind = vars(builtins).get(name)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            self._stop(self._told(answer))
        message = self._text(answer, "message")[:LONGEST_MESSAGE]
        if issubclass(kind, (StopIteration, StopAsyncIteration)):
            # Raised as what it is, it would end a loop of the test early, and so pass the rest.
            stopped: Exception = type(name, (RuntimeError,), {})(message)
            return stopped
        return kind(*_ODD_ARGUMENTS.get(name, ()), *_carried(name, message))

    def _told(self, answer: Json) -> str:
        return f"{self._text(answer, 'raised')}: {self._text(answer, 'message')}"[:300]

    def _text(self, answer: Json, key: str) -> str:
        try:
            text = decode(answer.get(key))
        except NotPlain:
            text = None
        if type(text) is not str:
            self._stop("answered out of turn")
        return text

    def _stop(self, why: str) -> NoReturn:
        self.wrong = self.wrong or why
        raise TimeIsUp


# Exceptions that are made of more than a text: what stands before it, empty, and what after it.
_ODD_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "UnicodeDecodeError": ("utf-8", b"", 0, 1),
    "UnicodeEncodeError": ("utf-8", "", 0, 1),
    "UnicodeTranslateError": ("", 0, 1),
}


def _carried(name: str, message: str) -> tuple[Any, ...]:
    return (message, [Exception(message)]) if name.endswith("ExceptionGroup") else (message,)


def main() -> None:
    """Take the test from one descriptor, talk over two others, and write the verdict to 1."""
    held, filtered, calls = map(int, sys.argv[1:4])
    with open(held, "rb") as source:
        job = json.loads(source.read())
    with open(filtered, "rb") as source:
        allowed = source.read()
    answers, verdict = os.dup(0), os.dup(1)
    quiet = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):  # what a test prints goes nowhere
        os.dup2(quiet, descriptor)
    confine(job["limits"], (answers, verdict, calls), allowed)
    heard = json.dumps({"nonce": job["nonce"], "heard": True}) + "\n"
    candidate = Candidate(calls, answers, lambda: os.write(verdict, heard.encode("ascii")))
    outcome, why = judge(job, candidate)
    line = json.dumps({"nonce": job["nonce"], "outcome": outcome, "why": why[:500]}) + "\n"
    os.write(verdict, line.encode("ascii"))
    os._exit(0)


def judge(job: Json, candidate: Candidate) -> tuple[str, str]:
    """Run the test; return `passed`, `failed` or `infrastructure`, and why."""
    try:
        outcome, why = run(job, candidate)
    except BaseException as error:  # out of memory while saying what was wrong
        outcome, why = "failed", type(error).__name__
    # Once wrong, always wrong, whatever the test made of it. What the candidate had no part in is
    # nobody's failure.
    if candidate.untestable or not candidate.heard:
        return "infrastructure", candidate.untestable or candidate.wrong or why
    if candidate.wrong:
        return "failed", candidate.wrong
    return outcome, why


def run(job: Json, candidate: Candidate) -> tuple[str, str]:
    """Run the test; return its outcome and, where it failed, on what."""

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return candidate(*args, **kwargs)

    stand_in.__name__ = stand_in.__qualname__ = job["entry_point"]
    names: dict[str, Any] = {"__name__": "test"}
    try:
        test = compile(job["test"], "<test>", "exec")
        exec(compile(job["setup"], "<setup>", "exec"), names)
    except BaseException as error:
        return "infrastructure", f"the test can't be run: {type(error).__name__}: {error}"
    names[job["entry_point"]] = stand_in
    try:
        exec(test, names)
        names["check"](stand_in)
    except TimeIsUp:
        return "failed", ""
    except BaseException as error:
        return "failed", _where(error, job["test"])
    return "passed", "" if candidate.heard else "the test never called the function"


def _where(error: BaseException, test: str) -> str:
    """Say which line of the test failed, and how."""
    import traceback  # a third of all imports here, and most tests pass

    said = traceback.format_exception_only(error)[-1].strip()
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__, limit=-20)
        if frame.filename == "<test>" and frame.lineno
    ]
    line = test.splitlines()[lines[-1] - 1].strip() if lines else ""
    return f"{said} at: {line}" if line else said
