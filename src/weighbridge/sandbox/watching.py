"""Reads the output of jailed processes until they end or reach a limit."""

import os
import selectors
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Literal

Ended = Literal["closed", "timed_out", "output_limit"]


@dataclass
class Stream:
    """One end of a pipe that is read: how much may come, and what came."""

    limit_bytes: int
    data: bytearray = field(default_factory=bytearray)


def read_until(
    streams: Mapping[IO[bytes], Stream], deadline: float, done: Callable[[], bool]
) -> Ended:
    """Collect what streams bring until `done`, until all are closed, or until a limit.

    Args:
        streams: Pipes, each with its limit.
        deadline: On `time.monotonic`.
        done: Asked after each read.
    """
    with selectors.DefaultSelector() as ready:
        for pipe, stream in streams.items():
            os.set_blocking(pipe.fileno(), False)
            ready.register(pipe, selectors.EVENT_READ, stream)
        while ready.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return "timed_out"
            for key, _ in ready.select(left):
                stream = key.data
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    ready.unregister(key.fileobj)
                stream.data.extend(chunk)
                if len(stream.data) > stream.limit_bytes:
                    del stream.data[stream.limit_bytes :]
                    return "output_limit"
                if done():
                    return "closed"
    return "closed"
