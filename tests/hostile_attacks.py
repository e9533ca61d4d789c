"""What hostile servers send, each with what is said of it: the rows of docs/threat-model.md."""

import gzip
import itertools
import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hostile_server import Attack, head, plain
from scripted_server import chat

SHORT = 0.1  # seconds for a request, where a server has to be waited out
RIGHT = json.dumps(chat("A")).encode()
SPACES = b" " * 65536


@dataclass(frozen=True)
class Case:
    """An attack, and what is said of it.

    Attributes:
        attack: What the server does.
        says: Words of the line that comes of it; empty where the answer is right all the same.
        stops: Whether the run ends, rather than one sample.
        times: How often the question is asked.
        seconds: For a request.
    """

    attack: Attack
    says: str = ""
    stops: bool = False
    times: int = 1
    seconds: float = 60.0


def once(data: bytes) -> Attack:
    return lambda request: iter([data])


def reply(body: Any) -> Attack:
    return once(plain(body if isinstance(body, bytes) else json.dumps(body).encode()))


def failing(body: Any, status: str = "400 Bad Request", *headers: str) -> Attack:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return once(plain(data, *headers, status=status))


def endless(begin: bytes, piece: bytes = SPACES) -> Attack:
    return lambda request: itertools.chain([begin], itertools.repeat(piece))


def trickle(begin: bytes, piece: bytes) -> Attack:
    def attack(request: str) -> Iterator[bytes]:
        yield begin
        while True:
            time.sleep(0.01)
            yield piece

    return attack


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def choice(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "finish_reason": "stop"} | fields]}


def nested(depth: int, inside: Any, wrap: Callable[[Any], Any]) -> Any:
    for _ in range(depth):
        inside = wrap(inside)
    return inside


def echo(status: str, *headers: str) -> Attack:
    """Send the key back in whatever stands here as KEY."""

    def attack(request: str) -> Iterator[bytes]:
        (line,) = [x for x in request.split("\r\n") if x.lower().startswith("authorization:")]
        key = line.split()[-1]
        body = json.dumps({"error": {"message": f"wrong key {key}"}}).encode()
        yield plain(body, *(x.replace("KEY", key) for x in headers), status=status)

    return attack


BOMB = gzip.compress(bytes(64 * 2**20), 9)  # 64 KiB that unpack to 64 MiB
EVENT = b'data: {"choices": [{"delta": {"content": "A"}}]}\n\n'
STREAM = head("Connection: close", kind="text/event-stream")
CHUNKED = head("Transfer-Encoding: chunked")
GZIP = "Content-Encoding: gzip"
OPEN, OPEN_GZIP = head("Connection: close"), head(GZIP, "Connection: close")
NOWHERE = "http://127.0.0.1:9"
CONTROLS = "\x1b]52;c;cm0gLXJm\x07\x9b2J\u202egnp.exe"

SIZES = {
    "a body without an end": Case(endless(OPEN), "more than 1 MiB"),
    "chunks without an end": Case(endless(CHUNKED, chunk(SPACES)), "more than 1 MiB"),
    "chunks of one byte": Case(endless(CHUNKED, chunk(b" ") * 9000), "5,000 pieces"),
    "a stated length of a petabyte": Case(
        endless(head(f"Content-Length: {10**15}")), "1000000000000000 bytes"
    ),
    "a stated length of 19 digits": Case(
        endless(head(f"Content-Length: {'9' * 19}")), "9999999 bytes"
    ),
    "a stated length of 5,000 digits": Case(
        endless(head(f"Content-Length: {'9' * 5000}")), "connection failed", times=2
    ),
    "a stated length below nothing": Case(
        endless(head("Content-Length: -5")), "connection failed", times=2
    ),
    "two stated lengths": Case(
        once(head("Content-Length: 5", "Content-Length: 6") + RIGHT), "connection failed", times=2
    ),
    "a chunk of 16 exabytes": Case(
        endless(CHUNKED + b"f" * 15 + b"\r\n"), "more than 1 MiB"
    ),
    "a chunk whose size never ends": Case(
        endless(CHUNKED, b"0" * 65536), "connection failed", times=2
    ),
    "chunk extensions without an end": Case(
        endless(CHUNKED + b"1;", b"x" * 65536), "connection failed", times=2
    ),
    "trailers without an end": Case(
        endless(CHUNKED + b"0\r\n", b"a: b\r\n" * 9000), "connection failed", times=2
    ),
    "a gzip bomb": Case(
        once(plain(BOMB, GZIP)), "more than 1 MiB"
    ),
    "a gzip bomb in chunks": Case(
        once(head(GZIP, "Transfer-Encoding: chunked") + chunk(BOMB) + b"0\r\n\r\n"),
        "more than 1 MiB",
    ),
    "gzip in gzip": Case(
        once(plain(gzip.compress(BOMB), "Content-Encoding: gzip, gzip")), "packed as 'gzip, gzip'"
    ),
    "gzip that unpacks to nothing for ever": Case(
        endless(OPEN_GZIP + gzip.compress(b"")[:10], b"\0\0\0\xff\xff" * 9000),
        "more than 1 MiB",
    ),
    "gzip that ends in its middle": Case(
        once(plain(gzip.compress(RIGHT)[:-9], GZIP)), "ends in its middle", times=2
    ),
    "gzip that is none": Case(once(plain(RIGHT, GZIP)), "can't be unpacked", times=2),
    "brotli, which was not asked for": Case(
        once(plain(RIGHT, "Content-Encoding: br")), "packed as 'br'"
    ),
    "zstd, which was not asked for": Case(
        once(plain(RIGHT, "Content-Encoding: zstd")), "packed as 'zstd'"
    ),
    "deflate, which was not asked for": Case(
        once(plain(zlib.compress(RIGHT), "Content-Encoding: deflate")), "packed as 'deflate'"
    ),
    "an error without an end": Case(
        endless(head("Connection: close", status="400 Bad Request")), "400"
    ),
    "an error that is a gzip bomb": Case(failing(BOMB, "400 Bad Request", GZIP), "400"),
    "an error whose charset unpacks it": Case(
        once(
            head("Connection: close", status="400 No", kind="text/plain; charset=zlib")
            + zlib.compress(bytes(64 * 2**20))
        ),
        "400",
    ),
    "headers without an end": Case(
        endless(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 9000), "connection failed", times=2
    ),
    "a header without an end": Case(
        endless(b"HTTP/1.1 200 OK\r\na: ", b"b" * 65536), "connection failed", times=2
    ),
    "a status line without an end": Case(
        endless(b"HTTP/1.1 200 ", b"O" * 65536), "connection failed", times=2
    ),
    "something else than HTTP": Case(
        once(b"SSH-2.0-OpenSSH_9.2\r\n"), "connection failed", times=2
    ),
    "another protocol instead": Case(
        once(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        "connection failed", times=2,
    ),
    "a status beyond all": Case(once(plain(RIGHT, status="999 Odd")), "999", times=2),
}  # fmt: skip

TIMES = {
    "one byte at a time": Case(trickle(OPEN, b" "), "within 0.1 s", times=2, seconds=SHORT),
    "nothing at all": Case(trickle(b"", b""), "within 0.1 s", times=2, seconds=SHORT),
    "one header at a time": Case(
        trickle(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"), "within 0.1 s", times=2, seconds=SHORT
    ),
    "100 Continue for ever": Case(
        trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 9), "within 0.1 s", times=2, seconds=SHORT
    ),
    "100 Continue for ever, fast": Case(
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 900),
        "within 0.1 s",
        times=2,
        seconds=SHORT,
    ),
    "comments of a stream, slowly": Case(
        trickle(STREAM, b": ping\n\n"), "within 0.1 s", times=2, seconds=SHORT
    ),
    "comments of a stream, fast": Case(endless(STREAM, b": ping\n\n" * 999), "a stream of events"),
    "events for ever": Case(endless(STREAM, EVENT * 99), "a stream of events"),
    "an event's line for ever": Case(endless(STREAM + b"data: ", b"x" * 65536), "stream of events"),
    "lines of one byte": Case(endless(STREAM + EVENT, b"\n" * 65536), "a stream of events"),
    "a wait of ten thousand years": Case(
        failing({}, "429 Busy", "Retry-After: 999999999999"), "asks to wait", stops=True
    ),
    "a wait without an end": Case(failing({}, "429 Busy", "Retry-After: inf"), "asks", stops=True),
    "a wait that is no number": Case(failing({}, "500 No", "Retry-After: nan"), "500", times=2),
    "a wait until the year 10^12": Case(
        failing({}, "500 No", f"Retry-After: Wed, 25 Nov {10**12} 12:00:07 GMT"), "500", times=2
    ),
}

SHAPES = {
    "brackets 100,000 deep": Case(reply(b"[" * 10**5), "no JSON", times=2),
    "objects 500 deep": Case(reply(b'{"a":' * 500 + b"1" + b"}" * 500), "no JSON", times=2),
    "text in text in text": Case(
        reply(choice(message={"content": nested(400, "A", lambda x: {"text": [x]})})),
        "no JSON", times=2,
    ),
    "a provider's error in another's, 400 deep": Case(
        failing({"error": nested(400, {}, lambda x: {"message": "m", "metadata": {"raw": x}})}), "4"
    ),
    "a quarter of a million lists": Case(
        reply(b'{"choices":[' + b"[]," * 250000 + b"1]}"), "can't be read", times=2
    ),
    "a number of 5,000 digits": Case(reply(b'{"choices": %s}' % (b"9" * 5000)), "no JSON", times=2),
    "choices that are an object": Case(reply({"choices": {"0": 1}}), "without choices", times=2),
    "choices that are numbers": Case(reply({"choices": [1, 2]}), "can't be read", times=2),
    "choices in choices": Case(reply({"choices": [[[]]]}), "can't be read", times=2),
    "a message that is a text": Case(reply(choice(message="A")), "can't be read", times=2),
    "a content of numbers": Case(reply(choice(message={"content": [1]})), "can't be read", times=2),
    "a content that is true": Case(reply(choice(message={"content": True})), "read", times=2),
    "a number as the whole reply": Case(reply(b"1e999"), "can't be read", times=2),
    "half a character in every text": Case(
        reply(json.loads(json.dumps(chat("A") | {"model": "\\ud800", "id": "\\ud800"})
                         .replace("\\\\", "\\"))),
    ),
    "usage that is a list": Case(reply(chat("A", usage=[1, 2]))),
    "usage of infinities": Case(reply(chat("A", usage={"prompt_tokens": 1e999}))),
    "log-probabilities that are a text": Case(reply(chat("A", choice={"logprobs": "x"}))),
    "an index that is a text": Case(reply(chat("A", choice={"index": "first"}))),
    "a finish reason that is a list": Case(reply(chat("A", finish=[1])), "is not understood"),
    "UTF-32 with a byte order mark": Case(reply(RIGHT.decode().encode("utf-32"))),
    "a separator of lines inside an event": Case(
        once(plain('data: {"error": {"message": "gone\u2028away", "code": 400}}\n\n'.encode())),
        "gone away",
    ),
    "10,000 titles that never end": Case(
        failing(b"<html>" + b"<title" * 10**4, "500 No"), "500", times=2
    ),
    "20,000 scripts that never end": Case(
        failing(b"<html>" + b"<script <" * 20000, "500 No"), "500", times=2
    ),
}  # fmt: skip

WORDS = {
    "on to another place": Case(
        failing(b"", "307 Elsewhere", f"Location: {NOWHERE}/v1"), NOWHERE, stops=True
    ),
    "on to another place, with the key": Case(
        echo("302 Elsewhere", f"Location: {NOWHERE}/KEY"), "9/[key]", stops=True
    ),
    "the key in its words": Case(echo("401 No"), "wrong key [key]", stops=True),
    "a terminal's commands in an error": Case(
        failing({"error": CONTROLS}, "404 No"), r"2J\u202egnp.exe", stops=True
    ),
    "a terminal's commands in a place": Case(
        failing(b"", "308 Elsewhere", "Location: http://x/\x9b2J"), "connection failed", times=2
    ),
}  # fmt: skip


CASES = SIZES | TIMES | SHAPES | WORDS
