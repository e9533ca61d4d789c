"""Control tokens that stand in a person's text stay text: "what does <|im_end|> mean?".

A chat template is text, and a tokenizer takes `<|im_end|>` for the token wherever it stands: a row
that quotes one would end a turn in its middle. So control tokens in a row's own words are written
as stand-ins before the template sees them, and encoded letter by letter afterwards.
"""

import re
from collections.abc import Collection
from typing import Any

from weighbridge.models.prompts import encode

_FIRST = 0xF0000  # of Unicode's private planes: no letter is there, and tokenizers know none
_OWN = "[\U000f0000-\U000ffffd]"


class ControlTokens:
    """Hides one tokenizer's special tokens in texts, and encodes what a template made of them."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        added = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
        known = {*added, *tokenizer.all_special_tokens}
        self._special = frozenset(tokenizer.convert_tokens_to_ids(sorted(known)))
        # The longest first, so that none is hidden as a part of another.
        names = sorted((name for name in known if name.strip()), key=len, reverse=True)
        self._known = re.compile("|".join([*map(re.escape, names), _OWN]))
        self._stand_ins: dict[str, str] = {}

    def hide(self, text: str, keep: Collection[str] = ()) -> str:
        """Return a text with a stand-in for each control token but those to be kept."""
        return self._known.sub(
            lambda found: found.group() if found.group() in keep else self._stand_in(found.group()),
            text,
        )

    def encode(self, text: str) -> list[int]:
        """Return the token ids of what a template wrote, hidden control tokens as plain letters."""
        if not self._stand_ins:
            return encode(self.tokenizer, text, rendered=True)
        named = {stand_in: name for name, stand_in in self._stand_ins.items()}
        ids: list[int] = []
        for part in re.split(f"({_OWN})", text):
            if part in named:
                ids += self._letters(named[part])
            elif part:
                ids += encode(self.tokenizer, part, rendered=True)
        return ids

    def _letters(self, name: str) -> list[int]:
        ids = self._plain(name)
        if self._special.isdisjoint(ids):
            return ids
        # A unigram model holds the token's own letters as one piece.
        return [token for letter in name for token in self._plain(letter)]

    def _plain(self, text: str) -> list[int]:
        split = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        return list(split["input_ids"])

    def _stand_in(self, name: str) -> str:
        return self._stand_ins.setdefault(name, chr(_FIRST + len(self._stand_ins)))
