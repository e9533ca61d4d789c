"""A proxy on loopback that passes requests on, or does to them what networks and servers do.

Faults: "429" (with `Retry-After` in seconds), "429-date" (as a date), "500", "503", "slow" (an
answer that comes when the client has hung up, or after `slow_seconds`), "cut" (the body ends in its
middle), "garbage" (no JSON), "empty" (without choices), "refusal" (a refusal field), "reset" (the
connection is torn down), "" (none).
"""

import http.client
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

FAULTS = (
    "429", "429-date", "500", "503", "slow", "cut", "garbage", "empty", "reset",
)  # fmt: skip
Schedule = Callable[[str, int], str]  # a request's last turn, and how often it came: its fault


@dataclass
class Proxy:
    """A running proxy, and what it saw.

    Attributes:
        schedule: Decides what happens to a request.
        slow_seconds: How long "slow" takes at most.
        came: How often each request came, by its body.
        answered: Requests that were answered in full, by their bodies, with the connection of each.
        again: Requests that came again although the client had its answer: it had not hung up.
        keys: Authorization headers seen.
        at_once: Requests in work at a time, at most.
    """

    url: str = ""
    schedule: Schedule = lambda turn, nth: ""
    slow_seconds: float = 1.0
    wait_seconds: float = 0.0
    came: Counter[str] = field(default_factory=Counter)
    answered: dict[str, socket.socket] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    at_once: int = 0
    working: int = 0
    charged_usd: float = 0.0
    usd: Callable[[dict[str, Any]], float] = lambda usage: 0.0

    def until_idle(self) -> None:
        """Wait until it has ended what it was at, whoever asked for it being gone or not."""
        while self.working:
            time.sleep(0.01)


@contextmanager
def proxying(upstream: str) -> Iterator[Proxy]:
    proxy, parts = Proxy(), urlsplit(upstream)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy, parts.netloc))
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}{parts.path}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _has_hung_up(connection: socket.socket) -> bool:
    """Whether the client closed a connection: it had waited for its time, on a busy machine.

    A client that has its answer keeps the connection for the next request.
    """
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:  # closed here, after the client did
        return True


def _wait_for_its_end(connection: socket.socket, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not _has_hung_up(connection):
        time.sleep(0.005)


def _handler(proxy: Proxy, upstream: str) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = body.decode()
            with lock:
                proxy.came[name] += 1
                nth = proxy.came[name] - 1
                if name in proxy.answered and not _has_hung_up(proxy.answered.pop(name)):
                    proxy.again.append(name)
                proxy.keys.add(self.headers.get("Authorization", ""))
                proxy.working += 1
                proxy.at_once = max(proxy.at_once, proxy.working)
            try:
                self._do(proxy.schedule(json.loads(body)["messages"][-1]["content"], nth), body)
            except (ConnectionError, BrokenPipeError):
                self.close_connection = True
            finally:
                with lock:
                    proxy.working -= 1

        def _do(self, fault: str, body: bytes) -> None:
            if fault in ("429", "429-date", "500", "503"):
                wait = proxy.wait_seconds
                after = formatdate(time.time() + wait, usegmt=True) if "date" in fault else wait
                headers = {"Retry-After": str(after)} if fault.startswith("429") else {}
                return self._send(int(fault[:3]), b'{"error": {"message": "try later"}}', headers)
            if fault == "garbage":
                return self._send(200, b'{"choices": [{"mess')
            if fault == "empty":
                return self._send(200, b'{"choices": []}')
            if fault == "refusal":
                message = {"role": "assistant", "content": None, "refusal": "I can't help."}
                choice = {"index": 0, "finish_reason": "stop", "message": message}
                return self._send(200, json.dumps({"choices": [choice]}).encode())
            if fault == "reset":
                gone = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, gone)
                self.connection.close()
                self.close_connection = True
                return None
            if fault == "slow":
                _wait_for_its_end(self.connection, proxy.slow_seconds)
            status, reply = self._upstream(body)
            if fault == "cut":
                self.send_response(status)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply[: len(reply) // 2])
                self.close_connection = True
                return None
            self._send(status, reply)
            if status == 200 and fault != "slow":
                with lock:
                    proxy.answered[body.decode()] = self.connection
            return None

        def _upstream(self, body: bytes) -> tuple[int, bytes]:
            passed = {k: self.headers[k] for k in ("Content-Type", "Authorization")}
            connection = http.client.HTTPConnection(upstream, timeout=60)
            try:
                connection.request("POST", self.path, body, passed)
                response = connection.getresponse()
                reply = response.read()
            finally:
                connection.close()
            if response.status == 200:
                with lock:  # whatever becomes of the reply, the server has charged for it
                    proxy.charged_usd += proxy.usd(json.loads(reply)["usage"])
            return response.status, reply

        def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    return Handler
