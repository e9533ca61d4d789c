"""Files that an attacker would hand over, each made at a path; none of them is large on disk."""

import bz2
import gzip
import json
import lzma
import os
import signal
import socket
import struct
import zipfile
from contextlib import contextmanager
from functools import cache

BOMB_BYTES = 80 << 20
"""Beyond what a packed file may always unpack to."""
SMALL_BYTES = 8 << 20
"""Likewise, where a test has lowered that."""


def _socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path may have 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _sparse(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


def bomb(pack, size=SMALL_BYTES):
    return lambda path: path.write_bytes(_packed(pack, size))


@cache
def _packed(pack, size):
    return pack(b" " * size)


NOT_REGULAR = {
    "a named pipe": os.mkfifo,
    "a link to a pipe": lambda path: (os.mkfifo(f"{path}.pipe"), path.symlink_to(f"{path}.pipe")),
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to /dev/tty": lambda path: path.symlink_to("/dev/tty"),
    "a socket": _socket,
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nowhere": lambda path: path.symlink_to(path.parent / "nowhere"),
}
"""What is no file, and a reader would wait at, read for ever, or fail in its own words."""
TOO_LARGE = {
    "a hole of a terabyte": _sparse,
    "a gzip bomb": bomb(gzip.compress),
    "a bzip2 bomb": bomb(bz2.compress),
    "an xz bomb": bomb(lzma.compress),
}
DEEP = 100_000
JSON = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep in a row": b'{"id": "1", "q": "x", "a": ' + b"[" * 900 + b"]" * 900 + b"}",
    "5,000 digits": b'{"id": ' + b"9" * 5000 + b', "sample_id": "1", "text": "x"}',
    "400 digits": b'{"id": ' + b"9" * 400 + b', "sample_id": "1", "text": "x"}',
    "raw surrogates": b'{"sample_id": "1", "text": "\xed\xa0\xbd"}',
    "escaped surrogate as a key": b'{"\\ud83d": 1}',
    "a list": b"[1, 2]",
    "a number": b"3",
    "text": b'"x"',
    "null": b"null",
    "an empty object": b"{}",
    "zero bytes": b'{"a": "\x00"}',
    "wrong types": json.dumps(
        {"id": [], "sample_id": {}, "text": 1, "messages": {}, "eval": [], "results": 1,
         "configs": [], "task_id": None, "completion": {}, "question_id": [], "turns": 3,
         "weight_map": [1], "project": 3, "request_states": 1, "q": {}, "a": []}
    ).encode(),
}  # fmt: skip
"""JSON, one document a file and a line, that is none, or none of ours."""


def safetensors(header: bytes, claimed: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if claimed is None else claimed) + header


def zip_of(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@contextmanager
def within_seconds(seconds):
    """Interrupt what waits for ever: before files were bounded, these tests would have hung."""

    def stop(*_):
        raise TimeoutError(f"still reading after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
