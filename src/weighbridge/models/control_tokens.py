"""Keeps control tokens in a person's text as plain text: "what does <|im_end|> mean?".

A chat template is text, and a tokenizer takes `<|im_end|>` for the token wherever it stands: a row
that quotes one would end a turn in its middle. So control tokens in a row's own words are written
as stand-ins before the template sees them, and encoded letter by letter afterwards: by a copy of
the tokenizer that calls its control tokens by other names. The template's own are then the tokens,
a row's are letters among letters, and everything else is read in one piece, as ever.
"""

import json
import re
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

_FIRST = 0xF0000  # of Unicode's private planes: no letter is there, and tokenizers know none
_OWN = "[\U000f0000-\U000ffffd]"
_FIRST_NAME = 0x100000
_NAMES = re.compile("[\U00100000-\U0010fffd]")
_ROLE = re.compile(r"<[|\uff5c][^<>]+[|\uff5c]>")


class ControlTokens:
    """Hides a tokenizer's control tokens in texts, and encodes what a template renders from them.

    Attributes:
        tokenizer: The tokenizer.
        names: Its special tokens, and those that mark a role in its chat template by their look
            though no one called them special (DeepSeek's `<｜User｜>`); the longest first, so that
            none is hidden as a part of another.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        template = str(tokenizer.chat_template or "")
        added = [
            token.content
            for token in tokenizer.added_tokens_decoder.values()
            if token.special or (_ROLE.fullmatch(token.content) and token.content in template)
        ]
        known = {*added, *tokenizer.all_special_tokens}
        self.names = tuple(sorted((n for n in known if n.strip()), key=len, reverse=True))
        self._beginnings = {name[:2] for name in self.names}
        self._names = re.compile("|".join(map(re.escape, self.names)) or r"(?!)")
        self._known = re.compile("|".join([*map(re.escape, self.names), _OWN]))
        self._stand_ins: dict[str, str] = {}

    def found(self, text: str) -> list[str]:
        """Return the control tokens in a text, in order."""
        if not any(beginning in text for beginning in self._beginnings):
            return []
        return list(dict.fromkeys(self._names.findall(text)))

    def hide(self, text: str, keep: Collection[str] = ()) -> str:
        """Replace each control token in a text by a stand-in, except those to be kept."""
        return self._known.sub(
            lambda found: found.group() if found.group() in keep else self._stand_in(found.group()),
            text,
        )

    def shown(self, text: str, around: tuple[str, str] = ("", "")) -> str:
        """Replace stand-ins by their control tokens; `around` are marks to put around each."""
        named = {stand_in: name for name, stand_in in self._stand_ins.items()}
        before, after = around
        return re.sub(_OWN, lambda own: before + named.get(own[0], own[0]) + after, text)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of what a template wrote, hidden control tokens as plain letters."""
        if not self._stand_ins or not re.search(_OWN, text):
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if self._renamed is None or _NAMES.search(text):
            return self._encode_parts(text)
        copy, names, ids = self._renamed
        written = self.shown(self._names.sub(lambda found: names[found[0]], text))
        return [
            ids.get(number, number) for number in copy.encode(written, add_special_tokens=False).ids
        ]

    @cached_property
    def _renamed(self) -> tuple[Any, dict[str, str], dict[int, int]] | None:
        """A copy of the tokenizer with other names for control tokens, these, and its ids as ours.

        None where there is no copy that reads as the tokenizer itself does.
        """
        if not getattr(self.tokenizer, "is_fast", False):
            return None
        from tokenizers import Tokenizer

        names = {name: chr(_FIRST_NAME + number) for number, name in enumerate(self.names)}
        written = json.loads(self.tokenizer.backend_tokenizer.to_str())
        written |= {"truncation": None, "padding": None, "post_processor": None}
        for token in written["added_tokens"]:
            token["content"] = names.get(token["content"], token["content"])
        _rename_pieces(written["model"], names)
        copy = Tokenizer.from_str(json.dumps(written))
        ids = {
            number: token["id"]
            for token in written["added_tokens"]
            if (number := copy.token_to_id(token["content"])) is not None and number != token["id"]
        }
        probe = "a b".join(["", *self.names[:64], "An été, 12345\n\n  x"])
        read = copy.encode(self._names.sub(lambda f: names[f[0]], probe), add_special_tokens=False)
        same = list(self.tokenizer(probe, add_special_tokens=False)["input_ids"])
        return (copy, names, ids) if [ids.get(i, i) for i in read.ids] == same else None

    def _encode_parts(self, text: str) -> list[int]:
        named = {stand_in: name for name, stand_in in self._stand_ins.items()}
        ids: list[int] = []
        for part in re.split(f"({_OWN})", text):
            if part in named:
                ids += self._letters(named[part])
            elif part:
                ids += self.tokenizer(part, add_special_tokens=False)["input_ids"]
        return ids

    def _letters(self, name: str) -> Sequence[int]:
        return list(
            self.tokenizer(name, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        )

    def _stand_in(self, name: str) -> str:
        return self._stand_ins.setdefault(name, chr(_FIRST + len(self._stand_ins)))


def _rename_pieces(model: dict[str, Any], names: dict[str, str]) -> None:
    """Rename what a model knows of control tokens, so that no plain text is read as one."""
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, dict):
        model["vocab"] = {names.get(piece, piece): number for piece, number in vocabulary.items()}
    elif isinstance(vocabulary, list):
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in vocabulary]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
