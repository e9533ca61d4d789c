"""Decodes generated tokens to text, even if a character spans several tokens."""

import codecs
import re
from collections.abc import Sequence
from typing import Any

_MOST_BYTES = 4  # of a character in UTF-8
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Detokenisation:
    """Decodes what a model wrote.

    Args:
        tokenizer: The model's.
        stops: Tokens that end a turn, and are not part of the text.
        shown: Special tokens that count as text, such as those around the reasoning.
    """

    def __init__(
        self, tokenizer: Any, stops: frozenset[int], shown: frozenset[int] = frozenset()
    ) -> None:
        self._tokenizer, self._stops = tokenizer, stops
        self._left_out = _special_tokens(tokenizer) - shown if shown else None
        backend = getattr(tokenizer, "backend_tokenizer", None)
        decoder = repr(getattr(backend, "decoder", None))
        self._one_byte_a_token = "ByteFallback" in decoder
        self._bytes_as_letters = "ByteLevel" in decoder

    def text(self, written: Sequence[int], *, cut: bool) -> str:
        """Decode tokens.

        Args:
            written: Tokens, those that end a turn among them.
            cut: They ended because they reached a limit. Then a last character of which bytes are
                missing is left out; wherever else the model wrote broken bytes they are shown as
                U+FFFD.
        """
        tokens = [token for token in written if token not in self._stops]
        missing = self._unfinished_bytes(tokens) if cut else 0
        if missing and self._one_byte_a_token:
            tokens = tokens[:-missing]
        text = self._decode(tokens)
        return text[:-1] if missing and self._bytes_as_letters else text

    def ends_with_one_of(self, written: Sequence[int], stop_strings: Sequence[str]) -> bool:
        """Whether the last tokens complete one of the stop strings."""
        if not stop_strings:
            return False
        text = self._decode(written[self.tail_start(written, stop_strings) :])
        return any(s in text for s in stop_strings)

    def tail_start(self, written: Sequence[int], strings: Sequence[str]) -> int:
        """Where to decode from to see whether the last token has brought one of the strings."""
        # A string is at most as many tokens long as it has bytes; a few more cover the seam.
        start = max(0, len(written) - max(len(s.encode()) for s in strings) - _MOST_BYTES)
        if self._one_byte_a_token:
            # One broken character makes such a decoder drop all bytes beside it.
            while start and _is_byte(self._tokenizer.convert_ids_to_tokens(written[start])):
                start -= 1
        return start

    def _decode(self, tokens: Sequence[int]) -> str:
        if self._left_out is None:
            return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))
        kept = [token for token in tokens if token not in self._left_out]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))

    def _unfinished_bytes(self, tokens: list[int]) -> int:
        """Return the number of bytes of an incomplete last character; 0 if there is none."""
        tail = b""
        for token in reversed(tokens):
            more = self._bytes_of(str(self._tokenizer.convert_ids_to_tokens(token)))
            if more is None:
                break
            tail = more + tail
            if len(tail) >= _MOST_BYTES:
                break
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(tail)
        return len(decoder.getstate()[0])

    def _bytes_of(self, token: str) -> bytes | None:
        """Bytes that a token stands for; None if it stands for whole characters."""
        if self._one_byte_a_token:
            return bytes([int(token[3:5], 16)]) if _is_byte(token) else None
        if self._bytes_as_letters and all(letter in _BYTES for letter in token):
            return bytes(_BYTES[letter] for letter in token)
        return None


def _special_tokens(tokenizer: Any) -> frozenset[int]:
    """Tokens that decoding leaves out if it skips special ones."""
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    marked = {number for number, token in added.items() if token.special}
    return frozenset(marked.union(tokenizer.all_special_ids))


def _is_byte(token: str) -> bool:
    return _BYTE_TOKEN.fullmatch(token) is not None


def _letters_of_bytes() -> dict[str, int]:
    """The letter by which byte-level tokenizers write each byte (Radford et al. 2019, GPT-2)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _letters_of_bytes()
