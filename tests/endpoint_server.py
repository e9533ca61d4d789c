"""Real servers on loopback, with real weights, that speak the protocol of OpenAI's API.

`serving_weights` is a small one around our own weights: it counts tokens, shows log-probabilities,
and can have the habits of servers that want other words. `transformers_serve` starts that program.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from weighbridge.models.prompts import encode
from weighbridge.models.protocol import GenerateRequest, Prompt, Sampling
from weighbridge.records import Message


@dataclass
class Served:
    """A running server; `habits` maps a parameter to the words with which it is refused."""

    url: str
    name: str = "tiny"
    habits: dict[str, str] = field(default_factory=dict)
    key: str = ""
    counts: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def spec(self) -> str:
        return f"{self.url}#{self.name}"


@contextmanager
def serving_weights(model: Any, name: str = "tiny") -> Iterator[Served]:
    """Serve open weights from a thread of this process."""
    served = Served("", name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(model, served, threading.Lock()))
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(model: Any, served: Served, lock: threading.Lock) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.asked.append(body)
            if served.key and self.headers.get("Authorization") != f"Bearer {served.key}":
                wrong = self.headers.get("Authorization", "").removeprefix("Bearer ")
                return self._send(401, _error(f"Incorrect API key provided: {wrong}."))
            if body["model"] != served.name:
                return self._send(404, _error(f"The model {body['model']} does not exist"))
            for parameter, words in served.habits.items():
                if parameter in body:
                    return self._send(400, _error(words, parameter))
            with lock:
                self._send(*_complete(model, body, served.counts))

        def _send(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _error(words: str, parameter: str | None = None) -> dict[str, Any]:
    return {"error": {"message": words, "type": "invalid_request_error", "param": parameter}}


def _complete(model: Any, body: dict[str, Any], counts: bool) -> tuple[int, dict[str, Any]]:
    prompt = Prompt(messages=tuple(Message(**turn) for turn in body["messages"]))
    tokens = len(encode(model.tokenizer, model.prompts.write(prompt), rendered=True))
    most = int(body.get("max_completion_tokens") or body.get("max_tokens") or 16)
    if tokens + most > model.context_tokens:
        words = f"This model's maximum context length is {model.context_tokens} tokens."
        return 400, _error(words)
    sampling = Sampling(
        temperature=body.get("temperature", 1.0), top_p=body.get("top_p", 1.0), max_tokens=most,
        stop=tuple(body.get("stop", ())), seed=body.get("seed", 0),
    )  # fmt: skip
    (written,) = model.generate([GenerateRequest("served", prompt, sampling)])
    generation = written.generation
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": generation.text},
        "finish_reason": "length" if generation.stop == "length" else "stop",
    }
    if body.get("logprobs"):
        choice["logprobs"] = {"content": [{"top_logprobs": _top(model, prompt, body)}]}
    reply = {
        "object": "chat.completion", "model": body["model"], "system_fingerprint": "fp_test",
        "choices": [choice],
    }  # fmt: skip
    if counts:
        reply["usage"] = {
            "prompt_tokens": tokens,
            "completion_tokens": generation.output_tokens,
            "prompt_tokens_details": {"cached_tokens": tokens // 2},
        }
    return 200, reply


def _top(model: Any, prompt: Prompt, body: dict[str, Any]) -> list[dict[str, Any]]:
    import torch

    ids = encode(model.tokenizer, model.prompts.write(prompt), rendered=True)
    with model.network.as_built() as module, torch.inference_mode():
        logits = module(torch.tensor([ids])).logits[0, -1].float()
    best = torch.log_softmax(logits, -1).topk(body.get("top_logprobs", 1))
    return [
        {"token": model.tokenizer.decode([token]), "logprob": value}
        for value, token in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]


@contextmanager
def transformers_serve(log: Path) -> Iterator[Served]:
    """Start `transformers serve`, which loads whatever folder a request names as its model."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    words = [
        str(Path(sys.executable).with_name("transformers")), "serve", "--device", "cpu",
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with log.open("wb") as file:
        child = subprocess.Popen(
            words, stdout=file, stderr=file, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
    try:
        deadline = time.monotonic() + 900
        while True:
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the server did not start"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield Served(f"http://127.0.0.1:{port}/v1")
    finally:
        child.terminate()
        child.wait()
