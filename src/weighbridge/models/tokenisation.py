"""Token ids of many texts that begin alike: shared text is tokenised once, the ids are exact.

Texts are sorted, so that each stands next to the one with which it shares the longest beginning. A
text is read only from a little before the place where it parts from its neighbour (the anchor), and
joined to the neighbour's ids where both readings agree on two units in a row, before that place.

What a unit is makes the joint exact:

* Most tokenizers cut text into words first, scanning from left to right, and then each word by
  itself. From the end of a word that both readings hold at the same place, both scan the same text.
* Some read a whole text as one word (Llama 2, Gemma). With byte-pair encoding a sequence of tokens
  is the encoding of its text exactly if each two neighbours are that of theirs: the first merge
  across a border would also happen between the two alone. So there a token is a unit.

Everything else, and whatever differs in the samples that are compared with the plain way, is
tokenised as lm-evaluation-harness does it, each text whole, and counted.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from weighbridge.errors import boundary
from weighbridge.models.engine.tree import TokenIds
from weighbridge.models.prompts import special_tokens_around

ANCHOR_CHARACTERS = 64  # read again before the place where two texts part
TO_A_SPACE_CHARACTERS = 32  # at most so many more, to begin at a space
_PROBE = "An été, 12345 a-b\n\n  漢字 and ['x'] don't\tend… 9"
_BAD_SAMPLE = "a sample of them read otherwise in parts than whole"
_BAD_SEAM = "no two words at a seam were the same in both parts"

Pair = tuple[TokenIds, TokenIds]


class Tokenisation:
    """Encodes contexts with their continuations as lm-evaluation-harness does, faster.

    Attributes:
        jointly: Requests that were tokenised each text whole although they share text, by reason.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.jointly: Counter[str] = Counter()
        self._tokenizer = tokenizer
        self._before: list[int] = []
        self._after: list[int] = []
        self._by_word = True
        self._anchor = ANCHOR_CHARACTERS
        self._why_not = self._look_at_tokenizer()

    @boundary("tokenising")
    def pairs(
        self,
        contexts: Sequence[str],
        continuations: Sequence[Sequence[str]],
        adds_special_tokens: Callable[[str], bool],
        prefix_token: int,
    ) -> list[list[Pair]]:
        """Encode each context with each of its continuations, as pairs of token ids.

        The rule of lm-evaluation-harness (`_encode_pair` and `loglikelihood` of its
        `api/model.py`), so that numbers agree: a context's trailing spaces move to the
        continuation; the context is encoded by itself, and the continuation is what its text and
        the context's become together beyond the context's length. Where the two merge into one
        token, the model reads the context's own tokens all the same.

        Args:
            contexts: What stands before.
            continuations: For each context, what may follow.
            adds_special_tokens: Whether a text gets the tokenizer's own special tokens.
            prefix_token: Stands before a continuation that has no context.
        """
        stripped = [context.rstrip() for context in contexts]
        wholes = [
            [context + rest for rest in row]
            for context, row in zip(contexts, continuations, strict=True)
        ]
        texts = sorted({*stripped, *(whole for row in wholes for whole in row)})
        encoded, jointly = self._encode(texts, adds_special_tokens)
        for context, row in zip(stripped, wholes, strict=True):
            reasons = [jointly[text] for text in (context, *row) if text in jointly]
            if reasons:
                self.jointly[reasons[0]] += 1
        return [
            _cut(encoded[text], [encoded[whole] for whole in row])
            if context
            else [self._after_prefix(whole, prefix_token) for whole in row]
            for context, text, row in zip(contexts, stripped, wholes, strict=True)
        ]

    def _after_prefix(self, continuation: str, prefix_token: int) -> Pair:
        ids = np.array(self._jointly({continuation: False})[continuation], dtype=np.int64)
        if len(ids) and ids[0] == prefix_token:
            return ids[:1], ids[1:]
        return np.array([prefix_token], dtype=np.int64), ids

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for a reader of a run."""
        return tuple(
            f"{count} requests were tokenised jointly: {reason}."
            for reason, count in sorted(self.jointly.items())
        )

    def _encode(
        self, texts: list[str], adds_special_tokens: Callable[[str], bool]
    ) -> tuple[dict[str, list[int]], dict[str, str]]:
        """Return the ids of sorted texts, and why some were read whole though they share text."""
        whole = {text: adds_special_tokens(text) for text in texts}
        if self._why_not:
            return self._jointly(whole), dict.fromkeys(texts, self._why_not)
        chains = list(_chains(texts, self._anchor))
        samples = {link.text for chain in chains if chain[1:] for link in (chain[1], chain[-1])}
        expected = self._jointly({text: whole[text] for text in samples})
        readings = iter(self._read([link for chain in chains for link in chain]))
        encoded, jointly = dict[str, list[int]](), dict[str, str]()
        for chain in chains:
            found = dict[str, list[int]]()
            before: _Reading | None = None
            for link in chain:
                reading: _Reading | None = next(readings)
                if link.start:
                    reading = _join(before, reading, link)
                if reading is None:
                    jointly[link.text] = _BAD_SEAM
                    (reading,) = self._read([_Link(link.text, 0, 0)])
                found[link.text] = self._with_special_tokens(reading.ids, whole[link.text])
                before = reading
            if any(found[text] != expected[text] for text in found.keys() & samples):
                found = self._jointly({text: whole[text] for text in found})
                jointly |= dict.fromkeys(found, _BAD_SAMPLE)
            encoded |= found
        return encoded, jointly

    def _read(self, links: "list[_Link]") -> "list[_Reading]":
        """Read each text from where its link says."""
        if not links:
            return []
        self._tokenizer("")  # leaves truncation and padding switched off
        encodings = self._tokenizer.backend_tokenizer.encode_batch(
            [link.text[link.start :] for link in links], add_special_tokens=False
        )
        return [
            _reading(encoding, link.start, self._by_word)
            for encoding, link in zip(encodings, links, strict=True)
        ]

    def _jointly(self, texts: dict[str, bool]) -> dict[str, list[int]]:
        """Encode each text whole, with special tokens or without."""
        encoded = dict[str, list[int]]()
        for adds in (False, True):
            chosen = [text for text, wanted in texts.items() if wanted is adds]
            if chosen:
                rows = self._tokenizer(chosen, add_special_tokens=adds)["input_ids"]
                encoded |= zip(chosen, map(list, rows), strict=True)
        return encoded

    def _with_special_tokens(self, ids: list[int], wanted: bool) -> list[int]:
        return self._before + ids + self._after if wanted else ids

    def _look_at_tokenizer(self) -> str:
        """Learn how this tokenizer works; return why texts must be read whole, or nothing."""
        if not getattr(self._tokenizer, "is_fast", False):
            return "this tokenizer doesn't say where its tokens lie"
        longest = [len(token.content) for token in self._tokenizer.added_tokens_decoder.values()]
        self._anchor += max(longest, default=0)
        around = special_tokens_around(self._tokenizer, _PROBE)
        if around is None:
            return "this tokenizer's special tokens stand inside the text"
        self._before, self._after = around
        backend = self._tokenizer.backend_tokenizer
        words = backend.encode(_PROBE, add_special_tokens=False).word_ids
        self._by_word = len(set(words)) > 1
        model = backend.model
        if getattr(model, "dropout", None):
            return "this tokenizer draws its merges at random"
        if not self._by_word and not (
            type(model).__name__ == "BPE"
            and not model.ignore_merges
            and not model.continuing_subword_prefix
            and not model.end_of_word_suffix
        ):
            return "this tokenizer weighs a text as a whole"
        return ""


@dataclass(frozen=True)
class _Link:
    """A text, how many characters it shares with the text before it, and where it is read from."""

    text: str
    shared: int
    start: int


@dataclass(frozen=True)
class _Reading:
    """A text's ids, and its units: characters [start, end), and the tokens up to their end."""

    ids: list[int]
    starts: list[int]
    ends: list[int]
    after: list[int]

    def tokens_of(self, unit: int) -> list[int]:
        """Ids of one unit."""
        return self.ids[self.after[unit - 1] if unit else 0 : self.after[unit]]


def _chains(texts: list[str], anchor: int) -> Iterator[list[_Link]]:
    """Cut sorted texts into runs of neighbours that share enough to be worth a seam."""
    chain = [_Link(text, 0, 0) for text in texts[:1]]
    for before, text in pairwise(texts):
        shared = _common_characters(before, text)
        start = _anchor_start(text, shared, anchor)
        if not start:
            yield chain
            chain = []
        chain.append(_Link(text, shared, start))
    if chain:
        yield chain


def _common_characters(a: str, b: str) -> int:
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _anchor_start(text: str, shared: int, anchor: int) -> int:
    """Where to read a text from; 0 where too little is shared to be worth a seam."""
    latest = shared - anchor
    if latest <= anchor:
        return 0
    space = max(text.rfind(mark, latest - TO_A_SPACE_CHARACTERS, latest + 1) for mark in "\n ")
    return space if space > 0 else latest


def _reading(encoding: Any, shift: int, by_word: bool) -> _Reading:
    """Group an encoding's tokens into units; what lies at the same place can't be told apart."""
    starts: list[int] = []
    ends: list[int] = []
    after: list[int] = []
    words = encoding.word_ids if by_word else range(len(encoding.ids))
    unit = None
    for number, (word, (start, end)) in enumerate(zip(words, encoding.offsets, strict=True)):
        start, end = start + shift, end + shift
        if word != unit or not starts:
            starts.append(start)
            ends.append(end)
            after.append(number + 1)
            unit = word
        else:
            ends[-1], after[-1] = end, number + 1
        if len(starts) > 1 and starts[-1] == starts[-2] and ends[-1] == ends[-2]:
            del starts[-1], ends[-1], after[-2]
    return _Reading(encoding.ids, starts, ends, after)


def _join(before: _Reading | None, part: _Reading | None, link: _Link) -> _Reading | None:
    """Join the neighbour's reading with that of a text from its anchor on; None without a seam.

    A unit that reaches the place where the texts part may be cut there, so the seam lies before it.
    """
    assert before is not None and part is not None
    places = {place: n for n, place in enumerate(zip(part.starts, part.ends, strict=True))}
    unit = bisect_left(before.ends, link.shared) - 1
    while unit > 0 and before.starts[unit] >= link.start:
        other = places.get((before.starts[unit], before.ends[unit]), 0)
        if other and _same(before, unit, part, other) and _same(before, unit - 1, part, other - 1):
            kept, dropped = before.after[unit], part.after[other]
            return _Reading(
                before.ids[:kept] + part.ids[dropped:],
                before.starts[: unit + 1] + part.starts[other + 1 :],
                before.ends[: unit + 1] + part.ends[other + 1 :],
                before.after[: unit + 1] + [n - dropped + kept for n in part.after[other + 1 :]],
            )
        unit -= 1
    return None


def _same(a: _Reading, unit: int, b: _Reading, other: int) -> bool:
    """Whether two encodings have the same tokens at the same place, which must not be empty."""
    return (
        a.starts[unit] == b.starts[other]
        and a.starts[unit] < a.ends[unit]
        and a.ends[unit] == b.ends[other]
        and a.tokens_of(unit) == b.tokens_of(other)
    )


def _cut(context: list[int], wholes: list[list[int]]) -> list[Pair]:
    """Cut whole texts at their context's length, and put the context's own ids before the rest."""
    begins = np.array(context, dtype=np.int64)
    return [(begins, np.array(whole[len(context) :], dtype=np.int64)) for whole in wholes]
