"""Places where a chat's reply takes a choice's letter, by the words around it."""

import re
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from weighbridge.evaluation.scorers import reply_words as words
from weighbridge.evaluation.scorers.reply_text import ReplyText

_LATIN = "A-Za-z0-9_\u00c0-\u024f\u0370-\u052f"  # with Greek and Cyrillic: what a word is made of


def any_of(spaced: Iterable[str], unspaced: Iterable[str] = ()) -> str:
    """Return a pattern of any of some words; those of languages without spaces stand anywhere."""
    found = [re.escape(word) for word in unspaced]
    for word in spaced:
        before = rf"(?<![{_LATIN}])" if word[0].isalpha() else ""
        after = rf"(?![{_LATIN}])" if word[-1].isalpha() else ""
        found.append(before + re.escape(word) + after)
    return "(?:" + "|".join(sorted(found, key=len, reverse=True)) + ")"


_NOUN = any_of(words.NOUNS, words.NOUNS_WITHOUT_SPACES)
_LINK = any_of(words.LINKS, words.LINKS_WITHOUT_SPACES)
_GAP = r"(?:(?!choices|options|following)[^\n.!?。！？]){0,80}?"  # within one sentence
_FILLER = rf"(?:\s{{1,4}}|{any_of(words.FILLERS)}){{0,9}}?"
_LETTER = (
    rf"(?P<open>[(\[]\s?)?(?<![{_LATIN}.'&+-])(?P<letter>[A-Z])(?P<close>\s?[)\]])?"
    rf"(?![{_LATIN}'+#°]|[-.&/][{_LATIN}])"
)
_IS = any_of(words.IS)
_HOW = any_of(("therefore", "thus", "clearly", "definitely", "indeed", "actually", "most likely"))
_CALLED_RIGHT = (
    rf"(?:\s*(?:{_IS}\s+(?:{_HOW}\s+)?{any_of(words.RIGHT)}(?!\s+(?:if|only|that|when))"
    rf"|{any_of((), words.RIGHT_WITHOUT_SPACES)}"
    rf"|[:(–-]\s*{any_of(('correct', 'right', 'true', 'yes'))}))"
)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_BUT = any_of(("but", "sondern", "mais", "sino", "bensì", "mas", "utan", "maar"))
# "A: B" at the end, where a question was marked with "Q:" and the answer is with "A:".
_LABELLED = re.compile(
    r"(?:\A|\n|(?<=[.!?]\s))\s?A:\s{0,4}(?P<open>[(\[])?(?P<letter>[A-Z])(?P<close>[)\]])?"
    r"(?=[\s.!]*\Z)"
)
STATED = (
    _pattern(rf"{_NOUN}{_GAP}{_LINK}{_FILLER}{_LETTER}"),
    _pattern(rf"{_NOUN}{_GAP}{any_of(words.NEGATIONS)}{_GAP}{_BUT}{_FILLER}{_LETTER}"),
    _pattern(rf"[(\[]\s?{_NOUN}\s?[)\]]\s?{_LETTER}"),
    _pattern(rf"(?<![{_LATIN}])ans\.\s*[:)-]?\s*{_LETTER}"),
    _LABELLED,
)
TAKEN = (
    _pattern(rf"{any_of(words.TAKES, words.TAKES_WITHOUT_SPACES)}{_FILLER}{_LETTER}"),
    _pattern(rf"{_LETTER}(?:(?!\bif\b)[^\n.!?。]){{0,60}}?{_CALLED_RIGHT}"),
)
CONCLUDED = (
    _pattern(
        rf"{any_of(words.HENCE, words.HENCE_WITHOUT_SPACES)}[,:]?{_FILLER}{_LETTER}"
        rf"(?=\s*(?:[.,;:!?)。，]|\Z|\n|[–—-]\s|{any_of(words.REASONS)}))"
    ),
)
BARE = re.compile(_LETTER)
MENTIONED = (
    _pattern(rf"{any_of(words.MENTIONS, ('选项', '選項'))}\s*{_LETTER}"),
    re.compile(r"(?P<open>[(\[])(?P<letter>[A-Z])(?P<close>[)\]])"),
)
_AND = any_of(words.AND, ("/", "&", "+", "、", "或", "和", "及"))
_SECOND = re.compile(
    rf"(?i:\s*(?:{_AND}|[,;–—-]\s*{_AND}?|(?=[(\[]))\s*"
    rf"(?:{any_of(('option', 'choice', 'the', 'also'))}\s*)*)"
    rf"[(\[]?(?P<letter>[A-Z])[)\]]?(?![{_LATIN}'])(?P<after>\s*[\w])?"
)
_LONG_CHOICE = 200  # characters; a longer text is not repeated around a letter
_PAUSES = ("", ",", ";", "-", "–", "—")  # a reason may begin behind them: "A, C is too hot"
_NEGATED = _pattern(rf"{any_of(words.NEGATIONS)}|n't")
_UNSURE_BEFORE = _pattern(
    r"(?:\bif|\bwhether|\bunless|\bwere|\bmaybe|\bcould be)\b[^.,;\n]{0,20}\Z"
)
_CLAUSE = _pattern(rf"[,;:]|{_BUT}")
_REASON = _pattern(any_of(words.REASONS))
# What is said of other letters behind the one that is taken: "B (not A)", "B rather than A or C".
_OTHERS = rf"[(\[]?[A-Z][)\]]?(?:\s*(?:,|{any_of(words.AND)}|nor)\s*[(\[]?[A-Z][)\]]?){{0,8}}"
_DENIED_BEHIND = re.compile(
    rf"\s*[,;–—-]?\s*[(\[]?\s?(?i:{any_of(words.DENIALS)})\s+"
    rf"(?i:(?:{any_of(('option', 'choice', 'the'))}\s+)*){_OTHERS}\s?[)\]]?[\s.!]*\Z"
)
_DENIED_BEFORE = re.compile(
    rf"(?i:\Anot\s+){_OTHERS}\s*(?:[,.;]|\bbut\b|, but\b)\s*(?=[(\[]?[A-Z])"
)
_ALONE = _pattern(rf"\A(?:{any_of(words.ALONE)}\s+)|(?:\s+{any_of(words.ALONE)})\Z")


@dataclass(frozen=True)
class Claim:
    """A place where a reply takes a letter.

    Attributes:
        start: Where its words begin.
        end: Where they end.
        letter: The letter; None where two are taken at once, or it contradicts its choice's text.
    """

    start: int
    end: int
    letter: str | None


class Claims:
    """Finds the claims of one reply.

    Args:
        reply: The reply.
        choices: The texts that A, B, … stand for.
    """

    def __init__(self, reply: ReplyText, choices: Sequence[str]) -> None:
        self.reply = reply
        self.choices = {
            letter: " ".join(choice.split()).casefold()
            for letter, choice in zip(string.ascii_uppercase, choices, strict=False)
        }
        # Characters behind a letter in which a choice's text is looked for, marks and spaces too.
        self._longest = max(map(len, self.choices.values()), default=0) + 20

    def worded(self, patterns: Sequence[re.Pattern[str]]) -> Iterator[Claim]:
        """Yield what some patterns find in the reply, without what is denied or left open."""
        text = self.reply.plain
        for pattern in patterns:
            at = 0
            while found := pattern.search(text, at):
                at = max(found.start("letter"), found.start() + 1)
                if pattern is _LABELLED and self.choices.get("A") == found["letter"].casefold():
                    continue  # the choice A with its own text, which is a letter
                if (claim := self._claim(found)) is not None:
                    yield claim

    def named_after(self, at: int) -> set[str]:
        """Return the letters that stand behind a place, whatever is said of them."""
        text = self.reply.plain
        return {
            found["letter"]
            for found in BARE.finditer(text, at)
            if found["letter"] in self.choices and self._is_letter(found, text[found.end() :])
        }

    def whole(self, text: str) -> str | None:
        """Return the letter that a text consists of, perhaps with its choice's own text."""
        text = text.strip().strip(".,;:!").strip()
        if (named := self.by_text(text)) is not None:
            return named
        text = _ALONE.sub("", self._without_denied(text))
        found = re.match(
            r"[(\[]?\s?([A-Za-z])\s?[)\]]?(?:\s*[.):,=–—-]+\s*|\s+|\Z)(.*)\Z", text, re.DOTALL
        )
        if found is None or found[1].upper() not in self.choices:
            return None
        letter, rest = found[1].upper(), found[2].strip()
        if not rest or self.by_text(rest) == letter:
            return letter
        return None

    def _without_denied(self, text: str) -> str:
        """Leave out what a short text says of letters that it does not take: "B (not A)"."""
        if len(text) > _LONG_CHOICE:
            return text
        return _DENIED_BEHIND.sub("", _DENIED_BEFORE.sub("", text)).strip(" .,;:!")

    def by_text(self, text: str) -> str | None:
        """Return the letter of the one choice that a text is."""
        text = " ".join(text.split()).casefold().strip(" .,;:!()")
        fitting = [a for a, choice in self.choices.items() if choice.strip(" .,;:!()") == text]
        return fitting[0] if text and len(fitting) == 1 else None

    def _claim(self, found: re.Match[str]) -> Claim | None:
        text, letter = self.reply.plain, found["letter"].upper()
        start, end = (
            found.start("letter"),
            found.end("close") if found["close"] else found.end("letter"),
        )
        named = self._begins_with_choice(
            text[start : start + self._longest]
        ) or self._of_choice_around(text, start)
        if named is not None:
            return Claim(found.start(), end, named)
        if letter not in self.choices or not self._is_letter(found, text[end:]):
            return None
        if self._denied(found, text):
            return None
        if (second := _SECOND.match(text, end)) and second["letter"] in self.choices:
            joined = text[end : second.start("letter")].strip(" ([")
            if second["letter"] != letter and not (joined in _PAUSES and second["after"]):
                return Claim(found.start(), end, None)
        return Claim(found.start(), end, self._unless_contradicted(letter, text[end:]))

    def _begins_with_choice(self, text: str) -> str | None:
        """Return the letter of a choice of several characters with which a text begins."""
        said = text.casefold()
        for letter, choice in sorted(self.choices.items(), key=lambda one: -len(one[1])):
            if (
                len(choice) > 1
                and said.startswith(choice)
                and not said[len(choice) : len(choice) + 1].isalnum()
            ):
                return letter
        return None

    def _of_choice_around(self, text: str, at: int) -> str | None:
        """Return the letter of a choice whose text a place stands in: "vitamin C" names no C."""
        for letter, choice in sorted(self.choices.items(), key=lambda one: -len(one[1])):
            if not 1 < len(choice) <= _LONG_CHOICE:
                continue
            begin = max(0, at - len(choice))
            whole = re.compile(rf"(?<!\w){re.escape(choice)}(?!\w)", re.IGNORECASE)
            for found in whole.finditer(text, begin, at + len(choice)):
                if found.start() < at < found.end():
                    return letter
        return None

    def _is_letter(self, found: re.Match[str], after: str) -> bool:
        """Whether a single character is meant as a letter, and is no word such as "a" or "I"."""
        if found["open"] and found["close"]:
            return True
        closed = not re.match(r"\s*[^\W_]", after) or after[:1] == "\n" or bool(found["close"])
        if found["letter"].islower():
            return closed and found["letter"] != "i"
        word_like = found["letter"] in "AEIOUY"
        joined = _REASON.match(after.lstrip()) or _SECOND.match(after)
        return closed or not word_like or bool(joined)

    def _denied(self, found: re.Match[str], text: str) -> bool:
        """Whether a claim stands in a denial, a condition or a question."""
        before = text[max(0, found.start() - 24) : found.start()]
        before = re.split(r"[.,;:\n]", before)[-1]
        inside = text[found.start() : found.start("letter")]
        after = re.split(r"[.,;\n]|\bbut\b", text[found.end("letter") : found.end()])[0]
        behind = text[found.end() :]
        return (
            bool(_NEGATED.search(before))
            or bool(_UNSURE_BEFORE.search(before))
            or bool(_NEGATED.search(_CLAUSE.split(inside)[-1]))
            or bool(_NEGATED.search(after))
            or bool(
                re.match(r"\s*\)?\s*(?:\?|is (?:not|wrong|incorrect|false)|isn't|can't be)", behind)
            )
        )

    def _unless_contradicted(self, letter: str, after: str) -> str | None:
        """Return a letter, unless another choice's text stands right behind it."""
        rest = re.match(r"\s*[.:)\]–—-]+\s*([^\n]*)", after)
        said = rest[1][: self._longest] if rest else ""
        for end in (len(said), *(found.start() for found in re.finditer(r"[.,;!(]", said))):
            named = self.by_text(said[:end])
            if named is not None and named != letter:
                return None
        return letter
