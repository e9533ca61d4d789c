"""The pipes of the sandbox: what a candidate sends its tester, and a tester its host.

Whatever bytes come, one of three verdicts comes out, and never `passed`: what would pass is drawn
anew for each input, after its bytes.
"""

import json
import os
import secrets
import struct
import time
from typing import Any

from fuzz.mutations import Mutate, Op, bytes_changed, json_changed, tokens_changed
from weighbridge.errors import InputError
from weighbridge.sandbox import Limits
from weighbridge.sandbox.function import _judge
from weighbridge.sandbox.inside.plain import NotPlain, carry_back, decode, encode, receive
from weighbridge.sandbox.inside.tester import Candidate, judge
from weighbridge.sandbox.program import STARTED
from weighbridge.sandbox.program import _judge as judge_program

MOST_SECONDS = 10
TEST = """
def check(candidate):
    held, named = [1, [2], {"a": {3}}], {"k": [(4, [5])]}
    for attempt in range(3):
        try:
            got = candidate(held, *range(attempt), **named)
            assert list(map(candidate, [1, 2])) == [got, got]
            assert sorted(got) == held
        except Exception:
            pass
    for got in map(candidate, [held, held]):
        assert got == expected
"""
VALUES = [
    {"int": "0x" + "f" * 6000}, {"int": "-0x1p3"}, {"int": 7}, {"float": "nan"}, {"float": "inf"},
    {"float": "0x1.8p+99999"}, {"float": "0x1p-1"}, {"complex": ["nan", "0x1p0"]},
    {"bytes": "ff00"}, {"bytes": "0"}, {"str": [0xD83D, 0xDE00]}, {"str": [-1]}, {"str": [1 << 40]},
    {"tuple": [{"set": [1, True, {"float": "0x1p0"}]}]}, {"set": [[]]},
    {"frozenset": [{"set": []}]}, {"complex": [1]},
    {"dict": [[1, 2], [True, 3]]}, {"dict": [[[], 1]]}, {"dict": [[1]]}, {"dict": 5}, {"tuple": {}},
    {"set": [{"int": hex((2**61 - 1) * n)} for n in range(300)]}, {"list": []}, {"": []},
    "StopIteration", "StopAsyncIteration", "GeneratorExit", "SystemExit", "KeyboardInterrupt",
    "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeTranslateError", "OSError",
    "ExceptionGroup", "BaseExceptionGroup", "SyntaxError", "ImportError", "MemoryError",
    "RecursionError", "print", "RuntimeWarning", "type", "__import__", "passed",
    "infrastructure", 10**18, 1 << 62, 0.5,
]  # fmt: skip
KEYS = ("value", "args", "kwargs", "raised", "message", "not_plain", "ready", "defined", "outcome")


def frame(message: Any) -> bytes:
    """Write one message as it crosses the pipe."""
    data = message if type(message) is bytes else json.dumps(message).encode()
    return struct.pack(">I", len(data)) + data


def frames(data: bytes) -> list[bytes]:
    """Read bytes as frames as far as they are; what is left stands last, without a length."""
    found = []
    while len(data) >= 4 and (length := int.from_bytes(data[:4], "big")) <= len(data) - 4:
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def frames_changed(data: bytes, op: Op) -> bytes:
    """Change a message, the frames' order and number, a length, or the bytes themselves."""
    what, where, more = op
    held = frames(data)
    if what % 8 == 7 or not held:
        return bytes_changed(data, (what // 8, where, more))
    at = where % len(held)
    kind = what % 8
    if kind == 0:
        held.insert(at, held[more % len(held)])
    elif kind == 1:
        del held[at]
    elif kind == 2:
        held[at] = tokens_changed(held[at], (what // 8, where // len(held), more))
    elif kind == 3:
        held[at] = json_changed(held[at], (what // 8, where // len(held), more))
    else:
        held[at] = _message(held[at], what // 8, where // len(held), more)
    changed = b"".join(map(frame, held))
    if kind == 6 and more % 5 == 0:  # a length that lies
        lie = (0, 1, 4 << 20, (4 << 20) + 1, 0xFFFFFFFF, more)[more // 5 % 6]
        place = sum(4 + len(one) for one in held[:at])
        changed = changed[:place] + struct.pack(">I", lie) + changed[place + 4 :]
    return changed


def _message(data: bytes, what: int, where: int, more: int) -> bytes:
    """Put a value of the pipe's own language into a message, maybe many levels deep."""
    value = VALUES[more % len(VALUES)]
    for _ in range((0, 0, 0, 0, 1, 1, 3, 97, 101)[more // len(VALUES) % 9]):
        value = {"tuple": [value]} if what % 2 else [value]
    try:
        message = json.loads(data)
        if type(message) is dict and message.keys() & set(KEYS):
            message[KEYS[where % len(KEYS)]] = value
        else:
            message = [value, message] if where % 2 else [message, value]
        return json.dumps(message).encode()
    except (ValueError, RecursionError):
        return b'{"value":' + b"[" * 5000


CONVERSATION = b"".join(
    map(
        frame,
        (
            {"ready": True},
            {"defined": True},
            {
                "value": [1, {"tuple": [2]}],
                "args": [[1, [2, 3], {"dict": [["a", {"set": [4]}]]}]],
                "kwargs": {"dict": [["k", [{"tuple": [4, [5]]}]]]},
            },
            {"value": {"dict": [["x", {"float": "0x1.8p+0"}]]}},
            {"raised": "KeyError", "message": "gone"},
            {"value": {"int": "-0xffffffffffffffffff"}, "args": [1], "kwargs": {"dict": []}},
            {"value": {"frozenset": [1, {"bytes": "00ff"}]}},
            {"value": {"complex": ["0x1p+0", "-0x0p+0"]}},
            {"raised": "UnicodeDecodeError", "message": {"str": [0xD800, 65]}},
            {"not_plain": "returned a object, which is no plain data"},
            {"value": "expected"},
        ),
    )
)
ENDLESS = b"".join(map(frame, ({"ready": 1}, {"defined": 1}, *[{"value": [1, 2]}] * 12)))
RAISING = b"".join(
    frame({"raised": name, "message": "x"} if n > 1 else {("ready", "defined")[n]: True})
    for n, name in enumerate(
        ["", "", "StopIteration", "ExceptionGroup", "OSError", "ValueError"] * 2
    )
    if n < 2 or name
)
NONCE = "0" * 32
LINES = (
    json.dumps({"nonce": NONCE, "heard": True}).encode()
    + b"\n"
    + json.dumps({"nonce": NONCE, "outcome": "passed", "why": ""}).encode()
    + b"\n",
    json.dumps({"nonce": NONCE, "outcome": "failed", "why": "x" * 500}).encode() + b"\n",
)


class Reader:
    """Reads inputs over one file in memory, which stands for the pipe."""

    def __init__(self) -> None:
        self._answers = os.memfd_create("answers")
        self._calls = os.open(os.devnull, os.O_WRONLY)

    def _filled(self, data: bytes) -> int:
        os.ftruncate(self._answers, 0)
        os.pwrite(self._answers, data, 0)
        os.lseek(self._answers, 0, os.SEEK_SET)
        return self._answers

    def conversation(self, data: bytes) -> None:
        """Test a candidate that answers with these bytes."""
        began, expected = time.perf_counter(), secrets.token_hex(8)
        candidate = Candidate(self._calls, self._filled(data), lambda: None)
        job = {"entry_point": "f", "setup": f"expected = {expected!r}", "test": TEST}
        outcome, why = judge(job, candidate)
        assert outcome in ("failed", "infrastructure"), (outcome, why)
        json.dumps(why)
        # Only what comes before the candidate's first word may cost it nothing.
        assert outcome == "failed" or not candidate.heard, why
        assert time.perf_counter() - began < MOST_SECONDS

    def values(self, data: bytes) -> None:
        """Read messages as values; what is read is sent on as what it was."""
        descriptor = self._filled(data)
        try:
            while True:
                value = decode(receive(descriptor))
                again = encode(carry_back(decode(encode(value)), value))
                assert "set" in repr(again) or again == encode(value)
        except EOFError:
            return
        except NotPlain as error:
            raise InputError("bytes", "messages") from error

    @staticmethod
    def verdict(data: bytes) -> None:
        """Read a tester's lines, and a program's proof, that know no nonce."""
        nonce = secrets.token_hex(16)
        for ended in ("closed", "timed_out", "output_limit"):
            outcome, _ = _judge(data, nonce, ended, "", Limits())
            assert outcome in ("failed", "infrastructure", "timed_out", "output_limit"), outcome
            known = _judge(data.replace(NONCE.encode(), nonce.encode()), nonce, ended, "", Limits())
            assert known[0] in ("passed", "failed", "infrastructure", "timed_out", "output_limit")
            known[1].encode("utf-8")
            done, _ = judge_program(STARTED + data, nonce.encode(), ended, 0, "", Limits())
            assert done != "passed"


def pipes() -> list[tuple[str, tuple[bytes, ...], Mutate, Any]]:
    """Return each reader of the pipes: name, seeds, mutation, reading."""
    reader = Reader()
    values = ([1, (2, {3})], {"a": {"b": [None, 1.5]}}, "\ud83d", 2**70, 1j, frozenset([b"x"]))
    return [
        ("pipe: a candidate's answers", (CONVERSATION, ENDLESS, RAISING), frames_changed,
         reader.conversation),
        ("pipe: values", (b"".join(frame(encode(value)) for value in values),), frames_changed,
         reader.values),
        ("pipe: a tester's verdict", LINES, tokens_changed, reader.verdict),
    ]  # fmt: skip
