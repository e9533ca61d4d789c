"""Finds duplicates among millions of texts by keeping a 16-byte digest of each."""

import hashlib

import numpy as np
import numpy.typing as npt

_BYTES = 16


class Fingerprints:
    """Digests of texts, in the order added.

    With 128 bits of SHA-256, collisions can be neglected: among a billion different texts, the
    chance that any two have the same fingerprint is below 1e-20.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        """Return the number of texts added."""
        return len(self._bytes) // _BYTES

    def add(self, text: str) -> None:
        """Add a text."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        self._bytes += digest[:_BYTES]

    def numbers(self) -> npt.NDArray[np.int64]:
        """Number distinct texts 0, 1, … by first appearance; return each text's number."""
        halves = np.frombuffer(self._bytes, dtype=np.uint64).reshape(-1, 2)
        order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: equal ones keep their order
        begins = np.ones(len(order), dtype=bool)
        begins[1:] = (halves[order[1:]] != halves[order[:-1]]).any(axis=1)
        group = np.cumsum(begins) - 1
        first = order[begins]
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        numbers = np.empty(len(order), dtype=np.int64)
        numbers[order] = rank[group]
        return numbers

    def first_repetition(self) -> tuple[int, int] | None:
        """Return the 0-based positions of the first repeated text and of its first appearance."""
        numbers = self.numbers()
        distinct = int(numbers.max(initial=-1)) + 1
        if distinct == len(numbers):
            return None
        # Without repetitions the numbers are 0, 1, 2, …: the first repeated text breaks that.
        again = int(np.argmax(numbers != np.arange(len(numbers))))
        return again, int(np.argmax(numbers == numbers[again]))
