"""Servers that mean harm, over real sockets: each costs its own answer, one line, and no more.

Time and memory are bounded by what is read: servers here send for ever, and count what was taken.
"""

import gzip
import itertools
import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hostile_server import Attack, attacking, head, plain
from scripted_server import PRICE, Out, ask, chat, generate, replying
from weighbridge.errors import EndpointUnusable, InputError
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import Place, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.endpoint import Budget, Patience, transport
from weighbridge.records import Graded, Ungraded

PATIENCE = Patience(
    request_seconds=5, attempts=2, first_wait_seconds=0.001, longest_wait_seconds=0.002,
    give_up_seconds=60,
)  # fmt: skip
SHORT = 0.1  # seconds for a request, where a server has to be waited out
MOST = 2**20  # of a body, in these tests
HELD_BY_THE_KERNEL = 8 * 2**20  # bytes that a server gets rid of though nobody reads them
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
    seconds: float = 5.0


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


@pytest.fixture
def weigh(opened, tmp_path, monkeypatch):
    """Measures two answers, the first of them attacked; returns the run and what was spent."""
    monkeypatch.setattr(transport, "MOST_BODY_BYTES", MOST)
    monkeypatch.setattr(transport, "MOST_PIECES", 5000)
    monkeypatch.setattr(transport, "MOST_OTHER_BYTES", MOST // 2)
    (tmp_path / "rows.jsonl").write_text('{"q": "row 0", "a": "A"}\n{"q": "row 1", "a": "A"}\n')
    (tmp_path / "own.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 100\n'
    )

    def weigh_(served, seconds=5.0, runs="runs"):
        store, budget = RunStore(tmp_path / runs), Budget()
        patience = Patience(**(vars(PATIENCE) | {"request_seconds": seconds}))
        model = opened(
            served, f"{served.url}?api_key_env=KEY#m", "sk-sentinel", budget=budget,
            patience=patience, most_at_a_time=1,
        )  # fmt: skip
        benchmark = read_own_benchmark(tmp_path / "own.toml")
        place = Place(store, 1, "2026-01-01T00:00:00+00:00", already_paid=budget.already_paid)
        run = evaluate(model, benchmark, place, settings=Settings())
        assert verify(store.folder_of(run.run_id)).ok
        return store.read(run.run_id), budget

    return weigh_


def is_one_plain_line(text: str) -> bool:
    return text.isprintable() and len(text) < 1000 and "sk-sentinel" not in text


@pytest.mark.parametrize("case", SIZES | TIMES | SHAPES | WORDS)
def test_a_hostile_server_costs_its_own_answer_and_no_more(weigh, case):
    expected = (SIZES | TIMES | SHAPES | WORDS)[case]
    with attacking(expected.attack) as served:
        if expected.stops:
            with pytest.raises(EndpointUnusable) as stopped:
                weigh(served)
            assert expected.says in str(stopped.value) and is_one_plain_line(str(stopped.value))
            assert served.asked == {"row 0": 1}
            return
        run, budget = weigh(served, expected.seconds)
        assert served.asked == {"row 0": expected.times, "row 1": 1}
        # What a server may charge for is counted, whatever it sent.
        assert budget.spent_usd + budget.uncertain_usd >= PRICE.rate(0).usd(40, 0, 5)
        attacked, honest = run.samples
        assert isinstance(honest.score, Graded) and honest.score.value == 1.0
        if expected.says:
            assert isinstance(attacked.score, Ungraded), attacked.score
            assert attacked.score.reason == "infrastructure"
            why = attacked.score.why
            assert expected.says in why and is_one_plain_line(why), why
        else:
            assert isinstance(attacked.score, Graded) and attacked.score.value == 1.0
        assert served.sent <= expected.times * (MOST + HELD_BY_THE_KERNEL)
        assert not is_endless(expected) or not served.ended
        if expected.seconds > SHORT:
            weigh(served, runs="again")
        assert served.asked["row 1"] == 1  # an answer that came is paid for once


def is_endless(case: Case) -> bool:
    return case.attack.__qualname__.startswith(("endless", "trickle"))


@pytest.fixture
def proxy(monkeypatch):
    for name in ("http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return lambda url: monkeypatch.setenv("HTTP_PROXY", url)


def test_a_server_here_is_asked_directly_whatever_proxy_the_environment_names(weigh, proxy):
    proxy(NOWHERE)
    with attacking(reply(RIGHT)) as served:
        run, _ = weigh(served)
        assert served.asked == {"row 0": 1, "row 1": 1} and run.estimate.mean == 1.0


def test_one_elsewhere_is_asked_through_that_proxy(opened, proxy):
    with attacking(reply(RIGHT)) as served:
        proxy(served.url.removesuffix("/v1"))
        (made,) = generate(opened(served, "http://llm.example.com/v1#m"))
        assert made.text == "A"
        assert served.heads[-1].startswith("POST http://llm.example.com/v1/chat/completions ")


def test_a_proxy_that_can_not_be_used_is_one_line(opened, proxy):
    proxy("gopher://x")
    with pytest.raises(InputError, match="a proxy from the environment"):
        opened(None, "http://llm.example.com/v1#m")


def test_a_thousand_names_of_one_model_are_a_short_note(opened):
    with replying(lambda body, nth: Out(chat("A", model=f"m{nth}"))) as served:
        model = opened(served)
        assert len(generate(model, *(ask(n) for n in range(60)))) == 60
        (note,) = [one for one in model.notes if "answered as" in one]
        assert "answered as 61 models" in note and len(note) < 300
