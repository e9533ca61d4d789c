"""Inside a jail: defines what a model wrote and answers calls of it, one after the other.

Nothing in here is trusted once the candidate's code has run: it may find these frames, the pipe,
and answer as it likes. All that gains it is to choose which plain data it returns; what it should
have returned is in another process, in another jail, and is never sent here.
"""

from __future__ import annotations

import builtins
import os
import sys
from types import ModuleType

from weighbridge.sandbox.inside.confinement import confine
from weighbridge.sandbox.inside.plain import NotPlain, decode, encode, receive, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from weighbridge.sandbox.inside.plain import Json

LONGEST_MESSAGE = 2000  # characters


def main() -> None:
    """Take program and filter from the descriptors on the command line, and serve."""
    with open(int(sys.argv[2]), "rb") as held:
        filtered = held.read()
    with open(int(sys.argv[1]), "rb") as held:
        entry_point, *numbers = held.readline().decode().split()
        program = held.read().decode("utf-8", "surrogatepass")
    calls, answers = os.dup(0), os.dup(1)
    quiet = os.open("/dev/null", os.O_RDONLY)
    os.dup2(quiet, 0)  # a program that reads finds nothing
    os.dup2(2, 1)  # and what it prints is kept apart from its answers
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    landlock = confine(map(int, numbers), (calls, answers), filtered)
    send(answers, {"ready": landlock})
    module = ModuleType("candidate")
    sys.modules["candidate"] = module
    try:
        exec(compile(program, "<candidate>", "exec"), module.__dict__)
        if entry_point not in module.__dict__:
            raise NameError(f"name {entry_point!r} is not defined")
        function = module.__dict__[entry_point]
    except BaseException as error:
        send(answers, _raised(error))
        return
    send(answers, {"defined": True})
    while True:
        answer = _answer(function, receive(calls))
        try:
            send(answers, answer)
        except NotPlain as error:
            send(answers, {"not_plain": f"returned {error}"})


def _answer(function: object, call: Json) -> Json:
    arguments = decode(call["args"])
    named = decode(call["kwargs"])
    try:
        value = function(*arguments, **named)  # type: ignore[operator]
    except BaseException as error:
        answer = _raised(error)
    else:
        try:
            answer = {"value": encode(value)}
        except NotPlain as error:
            return {"not_plain": f"returned {error}, which is no plain data"}
    try:
        left = {"args": encode(arguments), "kwargs": encode(named)}
    except NotPlain as error:
        return {"not_plain": f"left {error} in an argument, which is no plain data"}
    return answer if left == call else answer | left


def _raised(error: BaseException) -> Json:
    """Return an exception as the nearest builtin class's name and what it says, cut short."""
    known = next(k for k in type(error).__mro__ if vars(builtins).get(k.__name__) is k)
    name, kind = known.__name__, type(error).__name__
    try:
        args = error.args
        alone = len(args) == 1 and type(args[0]) is str  # KeyError shows its text in quotes
        message = (args[0] if alone else str.__str__(str(error)))[:LONGEST_MESSAGE]
    except BaseException:
        message = ""
    told = message if kind == name else f"{kind}: {message}"[:LONGEST_MESSAGE]
    return {"raised": name, "message": encode(told)}
