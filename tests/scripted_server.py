"""A server on loopback whose replies a test writes itself: real sockets, any status, any bytes."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from weighbridge.models.endpoint import Endpoint, Patience, open_endpoint, read_address
from weighbridge.models.protocol import GenerateRequest, Prompt, Sampling
from weighbridge.records import Generation, Message, Price, Rate

QUICK = Patience(
    request_seconds=20, attempts=3, first_wait_seconds=0.005, longest_wait_seconds=0.01,
    give_up_seconds=30,
)  # fmt: skip
PRICE = Price((Rate(-1, 2.0, 8.0, 0.5),), "the test")
GREETING = "Answer with one letter"


@dataclass(frozen=True)
class Out:
    """A reply as it goes over the wire."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Script = Callable[[dict[str, Any], int], Out]


@dataclass
class Scripted:
    """A running server; `asked` holds the bodies of requests, those of the greeting left out."""

    url: str
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def spec(self) -> str:
        return f"{self.url}#m"


def chat(content: Any = "fine", finish: Any = "stop", **more: Any) -> dict[str, Any]:
    """Return a reply as OpenAI's API documents it; `message` and `choice` add to these parts."""
    message = {"role": "assistant", "content": content} | more.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": finish} | more.pop("choice", {})
    usage = {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45}
    return {"object": "chat.completion", "model": "m", "choices": [choice], "usage": usage} | more


@contextmanager
def replying(script: Script, greeting: Out | None = None) -> Iterator[Scripted]:
    """Answer every request but the greeting by a script, which gets its body and its number."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    served, lock = Scripted(f"http://127.0.0.1:{server.server_port}/v1"), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if body["messages"][-1]["content"].startswith(GREETING):
                return self._send(greeting or Out(_letters(body)))
            with lock:
                served.asked.append(body)
                nth = len(served.asked) - 1
            return self._send(script(body, nth))

        do_GET = do_POST

        def _send(self, out: Out) -> None:
            headers = {"Content-Type": "application/json"} | out.headers
            self.send_response(out.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(out.data)))
            self.end_headers()
            self.wfile.write(out.data)

    server.RequestHandlerClass = Handler
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _letters(body: dict[str, Any]) -> dict[str, Any]:
    tops = [{"token": "A", "logprob": -0.1, "bytes": [65]}]
    shown = {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": tops}]}
    return chat("A", choice={"logprobs": shown if body.get("logprobs") else None})


@dataclass
class Opener:
    """Opens endpoints that keep their answers in one folder, and closes them."""

    answers: Path
    open_ones: list[Endpoint] = field(default_factory=list)

    def __call__(self, served: Scripted, spec: str = "", key: str = "", **more: Any) -> Endpoint:
        address = replace(read_address(spec or served.spec), price=PRICE)
        more = {"patience": QUICK, "answers": self.answers} | more
        self.open_ones.append(open_endpoint(address, key=lambda name: key, **more))
        return self.open_ones[-1]

    def answer_to(self, *outs: Out, **sampling: Any) -> tuple[Generation, list[dict[str, Any]]]:
        """Return what becomes of one request whose replies are these, the last of them for ever."""
        with replying(lambda body, nth: outs[min(nth, len(outs) - 1)]) as served:
            (made,) = generate(self(served), ask(**sampling))
            return made, served.asked

    def close(self) -> None:
        for endpoint in self.open_ones:
            endpoint.close()


def ask(number: int = 0, **sampling: Any) -> GenerateRequest:
    prompt = Prompt(messages=(Message("user", f"question {number}"),))
    return GenerateRequest(f"s{number}", prompt, Sampling(**({"max_tokens": 1000} | sampling)))


def generate(model: Endpoint, *requests: GenerateRequest) -> list[Generation]:
    return [one.generation for one in model.generate(requests or [ask()])]
