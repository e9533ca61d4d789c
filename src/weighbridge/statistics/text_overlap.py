"""Finds benchmark items in tuning data by long shared word sequences and near duplicates.

There are two criteria, both on words in lower case without punctuation:

- *exact*: a sequence of 13 words of the item occurs in a tuning text (the rule of Brown et al.
  2020, arXiv:2005.14165, appendix C, and of lm-evaluation-harness's decontamination). An item of 5
  to 12 words must occur as a whole; shorter items are not judged, because they match by chance.
- *near*: at least 60 % of an item's distinct sequences of 5 words occur in one and the same tuning
  text (containment, Broder 1997). This finds items that were reworded in places.

Word sequences that many items share (an instruction, a fixed form of question) don't distinguish
items and are left out. This is GPT-3's rule for boilerplate, but the occurrences are counted over
items, so that a tuning text that repeats an item a hundred times does not hide it.

The tuning texts are read once, block by block: the items' word sequences are hashed to 64 bits and
sorted, and the sequences of each block are hashed with numpy and looked up. Hash collisions can be
neglected: among a hundred million sequences, the chance that any collides with one of a million is
below 1e-5.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LONG = 13
SHORT = 5
NEAR = 0.6
COMMON_SHARE, COMMON_LEAST = 0.01, 3
"""A word sequence is common if it occurs in more than this share and this number of items."""
LEAST_RUNS = 4
"""An item with fewer word sequences of its own can't be told from similar ones."""
_BLOCK_CHARACTERS = 8_000_000
_SIEVE_BITS = 24
_SIEVE_SHIFT = np.uint64(64 - _SIEVE_BITS)

_WORD = re.compile(r"[^\W_]+")
Hashes = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Overlap:
    """Indices of the items found in the searched texts, and of items too short to judge."""

    exact: frozenset[int]
    near: frozenset[int]
    short: frozenset[int]

    @property
    def found(self) -> frozenset[int]:
        """Indices of items found as exact sequences or as near duplicates."""
        return self.exact | self.near


def words(text: str) -> list[str]:
    """Return a text's words in lower case, without punctuation.

    >>> words("What's 2+2? It is *four*.")
    ['what', 's', '2', '2', 'it', 'is', 'four']
    """
    return _WORD.findall(text.casefold())


def overlap(items: Sequence[str], texts: Iterable[str]) -> Overlap:
    """Find the items that occur in texts; see the module's docstring.

    Args:
        items: Texts of the items to find; held in memory.
        texts: Texts to search; read once, in blocks.
    """
    vocabulary = _Vocabulary()
    block = vocabulary.block(items)
    lengths = block.lengths()
    indices = [_Index(block, n, lengths == n) for n in _whole(lengths)]
    indices.append(_Index(block, LONG, lengths >= LONG))
    near = _Index(block, SHORT, lengths >= SHORT)
    exact, alike = np.zeros(len(items), dtype=bool), np.zeros(len(items), dtype=bool)
    for read in _blocks(vocabulary, texts):
        for index in indices:
            exact[index.items_in(read)] = True
        alike[near.contained_in(read)] = True
    return Overlap(
        frozenset(np.flatnonzero(exact).tolist()),
        frozenset(np.flatnonzero(alike).tolist()),
        frozenset(np.flatnonzero(lengths < SHORT).tolist()),
    )


def _whole(lengths: Integers) -> list[int]:
    """Return the lengths, in words, of the items that must occur as a whole."""
    return [n for n in range(SHORT, LONG) if bool((lengths == n).any())]


class _Vocabulary:
    """Gives each word a random-looking 64-bit number, the same on every machine."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def block(self, texts: Iterable[str]) -> "_Block":
        numbers, ends = list[int](), [0]
        known = self._numbers
        for text in texts:
            for word in words(text):
                number = known.get(word)
                if number is None:
                    digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8)
                    number = known[word] = int.from_bytes(digest.digest(), "little")
                numbers.append(number)
            ends.append(len(numbers))
        return _Block(np.array(numbers, dtype=np.uint64), np.array(ends, dtype=np.int64))


def _blocks(vocabulary: _Vocabulary, texts: Iterable[str]) -> Iterator["_Block"]:
    held, size = list[str](), 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= _BLOCK_CHARACTERS:
            yield vocabulary.block(held)
            held, size = [], 0
    if held:
        yield vocabulary.block(held)


@dataclass(frozen=True)
class _Block:
    """Texts as one array of word numbers; text i is `numbers[ends[i]:ends[i + 1]]`."""

    numbers: Hashes
    ends: Integers

    def lengths(self) -> Integers:
        return np.diff(self.ends)

    def runs(self, n: int) -> tuple[Hashes, Integers]:
        """Hash every sequence of n words within one text; return hashes and text indices."""
        count = len(self.numbers) - n + 1
        if count <= 0:
            return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
        hashes = np.zeros(count, dtype=np.uint64)
        for at in range(n):  # a polynomial in an odd base, modulo 2^64
            hashes *= np.uint64(0x9E3779B97F4A7C15)
            hashes += self.numbers[at : at + count]
        hashes ^= hashes >> np.uint64(31)
        hashes *= np.uint64(0xBF58476D1CE4E5B9)  # so that the upper bits, too, depend on all
        text = np.repeat(np.arange(len(self.ends) - 1), self.lengths())
        inside = text[:count] == text[n - 1 :]
        return hashes[inside], text[:count][inside]


class _Index:
    """Word sequences of some items, each with the items that contain it; without common ones.

    Args:
        block: All items.
        n: Number of words in a sequence.
        wanted: Whether each item's sequences are indexed, shape (items,).
    """

    def __init__(self, block: _Block, n: int, wanted: npt.NDArray[np.bool_]) -> None:
        hashes, item = block.runs(n)
        order = np.lexsort((item, hashes))
        order = order[wanted[item[order]]]
        hashes, item = hashes[order], item[order]
        again = np.zeros(len(hashes), dtype=bool)
        again[1:] = (hashes[1:] == hashes[:-1]) & (item[1:] == item[:-1])
        hashes, item = hashes[~again], item[~again]
        distinct, begins, counts = np.unique(hashes, return_index=True, return_counts=True)
        rare = counts <= max(COMMON_LEAST, COMMON_SHARE * len(wanted))
        self._n, self._item = n, item
        self._hashes, self._begins, self._counts = distinct[rare], begins[rare], counts[rare]
        self.runs_of = np.bincount(self._items(np.arange(len(self._hashes))), minlength=len(wanted))
        self._maybe = np.zeros(1 << _SIEVE_BITS, dtype=bool)
        self._maybe[self._hashes >> _SIEVE_SHIFT] = True

    def items_in(self, block: _Block) -> Integers:
        """Return the items of which a sequence occurs in a block of texts."""
        found, _ = self._lookup(block)
        return np.unique(self._items(np.unique(found)))

    def contained_in(self, block: _Block) -> Integers:
        """Return the items of whose sequences at least the share `NEAR` occurs in one text."""
        found, text = self._lookup(block)
        if not len(found):
            return np.zeros(0, dtype=np.int64)
        both = np.unique(text * len(self._hashes) + found)
        text, found = np.divmod(both, len(self._hashes))
        item, text = self._items(found), np.repeat(text, self._counts[found])
        pair, runs = np.unique(text * len(self.runs_of) + item, return_counts=True)
        item = pair % len(self.runs_of)
        of = self.runs_of[item]
        return np.unique(item[(of >= LEAST_RUNS) & (runs >= NEAR * of)])

    def _lookup(self, block: _Block) -> tuple[Integers, Integers]:
        """Return the indexed sequences that occur in a block, each with its text's index."""
        hashes, text = block.runs(self._n)
        # Most sequences are in no item; a table that fits the cache rules them out quickly.
        maybe = self._maybe[hashes >> _SIEVE_SHIFT]
        hashes, text = hashes[maybe], text[maybe]
        at = np.searchsorted(self._hashes, hashes)
        there = at < len(self._hashes)
        there[there] = self._hashes[at[there]] == hashes[there]
        return at[there], text[there]

    def _items(self, found: Integers) -> Integers:
        """Return the items of the given sequences, one after the other."""
        counts = self._counts[found]
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        items: Integers = self._item[np.repeat(self._begins[found], counts) + offsets]
        return items
