"""Reads a file once, for its digest and for numbers that are not finite.

Weights are large, and reading and hashing them is what a verification takes. The digest is computed
in a thread beside the search, so that the search costs next to nothing.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from weighbridge.sources.digests import file_digest
from weighbridge.sources.regular_files import open_regular
from weighbridge.sources.safetensors_files import StoredTensor

_STRETCH, _BEFORE = 4 << 20, 8
"""Bytes read at a time, and bytes of the stretch before that are searched with it again, so that no
number is missed that lies across the border."""
_EXPONENT = {
    "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80),
    "F32": (np.uint32, 0x7F800000),
    "F64": (np.uint64, 0x7FF0000000000000),
}
"""How a number is read as an integer, and the bits that are all set in NaN and infinity alone."""
SEARCHED = frozenset(_EXPONENT)
"""Types of numbers that are searched."""


def read_once(path: Path, tensors: Iterable[tuple[str, StoredTensor]] = ()) -> tuple[str, set[str]]:
    """Return a file's digest, and the names of its tensors that hold NaN or infinity.

    Args:
        path: The file.
        tensors: Those that are in it, by name; their places must be within the file.

    Raises:
        InputError: It is no regular file.
        OSError: It can't be read.
    """
    searched = sorted(
        ((name, tensor) for name, tensor in tensors if tensor.dtype in _EXPONENT),
        key=lambda pair: pair[1].start,
    )
    if not searched:
        return file_digest(path), set()
    digest, found = hashlib.sha256(), set[str]()
    buffers = [memoryview(bytearray(_BEFORE + _STRETCH)) for _ in range(2)]
    pending = list[Future[None]]()
    with ThreadPoolExecutor(1) as beside, open_regular(path, buffering=0) as file:
        at, turn = 0, 0
        while length := file.readinto(buffers[turn][_BEFORE:]):
            data = buffers[turn][: _BEFORE + length]
            pending.append(beside.submit(digest.update, data[_BEFORE:]))
            found.update(_not_finite(data, at - _BEFORE, searched))
            at, turn = at + length, 1 - turn
            while len(pending) > 1:  # the other buffer is about to be written to
                pending.pop(0).result()
            buffers[turn][:_BEFORE] = data[-_BEFORE:]
        for one in pending:
            one.result()
    return f"sha256:{digest.hexdigest()}", found


def _not_finite(
    data: memoryview, at: int, tensors: list[tuple[str, StoredTensor]]
) -> Iterator[str]:
    """Yield the tensors whose part in a stretch of the file holds NaN or infinity."""
    for name, tensor in tensors:
        if tensor.start >= at + len(data):
            return
        if tensor.end <= at:
            continue
        kind, exponent = _EXPONENT[tensor.dtype]
        size = np.dtype(kind).itemsize
        begin, end = max(tensor.start, at), min(tensor.end, at + len(data))
        begin += (tensor.start - begin) % size
        end -= (end - tensor.start) % size
        if end > begin:
            numbers = np.frombuffer(data[begin - at : end - at], kind)
            if int((numbers & np.array(exponent, kind)).max()) == exponent:
                yield name
