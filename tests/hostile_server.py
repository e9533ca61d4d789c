"""A server on loopback that sends any bytes for as long as it likes, and counts what was taken.

It greets as it should; what it does to the first question is an attack; it answers others rightly.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from scripted_server import GREETING, chat

Attack = Callable[[str], Iterator[bytes]]  # a request's head: what is sent for it, piece by piece
_KERNEL = 64 * 1024  # bytes that the kernel may hold for who does not read


@dataclass
class Hostile:
    """A running server, and what it saw.

    Attributes:
        asked: How often each question came, by its words.
        sent: Bytes that the client's side took of attacks.
        heads: Heads of all requests, as they came.
        ended: Whether any attack was sent to its end.
    """

    url: str
    asked: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    heads: list[str] = field(default_factory=list)
    ended: bool = False
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def spec(self) -> str:
        return f"{self.url}#m"


@contextmanager
def attacking(attack: Attack, victim: str = "row 0", greets: bool = True) -> Iterator[Hostile]:
    """Answer the victim's question by an attack, and all others rightly.

    Args:
        attack: Yields what is sent; it is stopped where the client hangs up.
        victim: How the question begins.
        greets: Whether the greeting is answered rightly, and not attacked, too.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    served = Hostile(f"http://127.0.0.1:{listening.getsockname()[1]}/v1")
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL)
            work = (served, connection, attack, victim, greets)
            threads.append(threading.Thread(target=_serve, args=work, daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield served
    finally:
        served.closing.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive()


def _serve(
    served: Hostile, connection: socket.socket, attack: Attack, victim: str, greets: bool
) -> None:
    connection.settimeout(0.05)
    with connection, suppress(OSError):
        while (request := _request(served, connection)) is not None:
            head, body = request
            words = json.loads(body)["messages"][-1]["content"]
            served.heads.append(head)
            greeting = words.startswith(GREETING)
            if not greeting:
                served.asked[words] = served.asked.get(words, 0) + 1
            if words.startswith(victim) or (greeting and not greets):
                for piece in attack(head):
                    _send(served, connection, piece)
                    if served.closing.is_set():
                        return
                served.ended = True
                return
            connection.sendall(plain(_right(json.loads(body), greeting)))


def _request(served: Hostile, connection: socket.socket) -> tuple[str, bytes] | None:
    """Read one request; None where the client hung up, or the test is over."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := _receive(served, connection)):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
    while len(body) < int(lengths[0].partition(b":")[2]):
        body += _receive(served, connection)
    return head.decode(), body


def _receive(served: Hostile, connection: socket.socket) -> bytes:
    while not served.closing.is_set():
        with suppress(TimeoutError):
            return connection.recv(65536)
    return b""


def _send(served: Hostile, connection: socket.socket, piece: bytes) -> None:
    view = memoryview(piece)
    while view and not served.closing.is_set():
        with suppress(TimeoutError):
            taken = connection.send(view)
            served.sent += taken
            view = view[taken:]


def _right(body: dict[str, Any], greeting: bool) -> bytes:
    tops = [{"token": letter, "logprob": -1.0 - n} for n, letter in enumerate("ABCD")]
    shown = {"content": [{"token": "A", "logprob": -1.0, "top_logprobs": tops}]}
    letters = greeting or body.get("logprobs")
    return json.dumps(chat("A", choice={"logprobs": shown} if letters else {})).encode()


def plain(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return a whole reply."""
    return head(f"Content-Length: {len(body)}", *headers, status=status) + body


def head(*headers: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """Return a reply's head."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
