"""The letter that a chat's reply gives as its answer: reasoning first, last, or not at all.

    in a box or an answer tag; else after words that give an answer ("Answer: B", "the answer is
    B");
    else a first or last line of its own; else words that take one or call it right ("I pick B");
    else a conclusion ("so B"); else the one letter that is bold or named; else a choice's own text

What denies a letter ("not A"), takes two ("A or B"), or puts a letter before another choice's text
names none. "I" and "A" as words are no letters. Where a reply's words leave its answer open it is
unparsed, never wrong.
"""

import re
import string
from collections.abc import Iterator, Sequence

from weighbridge.evaluation.scorers import reply_words as words
from weighbridge.evaluation.scorers.choice_letter import is_exact_match
from weighbridge.evaluation.scorers.looked_at import end_of, said_of
from weighbridge.evaluation.scorers.reply_claims import (
    CONCLUDED,
    MENTIONED,
    STATED,
    TAKEN,
    Claim,
    Claims,
    any_of,
)
from weighbridge.evaluation.scorers.reply_text import reply_text
from weighbridge.records import Generation, Graded, Json, Score, Ungraded

SENTENCE_CHARACTERS = 400  # at most, of the last one

_CORRECTED = re.compile(any_of(words.CORRECTED), re.IGNORECASE)
_FINALLY = re.compile(any_of(words.FINALLY), re.IGNORECASE)
_NEGATED = re.compile(any_of(words.NEGATIONS) + "|n't", re.IGNORECASE)
_ANSWER_TEXT = re.compile(
    rf"(?:{any_of(words.NOUNS, words.NOUNS_WITHOUT_SPACES)}[^\n.!?:]{{0,40}}?)?"
    r"(?:\b(?:is|are|would be|must be|it's|equals|ist|est|es|è|é)|[:=是为は])\s*(?:the\s+)?(?=\S)",
    re.IGNORECASE,
)


_BECAUSE = re.compile(r"[)\]]?\s*[,–—-]?\s*(?:because|since)\b")


def score_letter_of_reply(generation: Generation, target: Json, choices: Sequence[str]) -> Score:
    """Compare the letter that a reply gives as its answer with the target.

    Args:
        generation: What the model wrote.
        target: The right letter.
        choices: The texts that A, B, … stand for.

    Returns:
        Graded, with the part `exact_match` as for completions; or Ungraded, as "truncated" where
        the token limit came before the answer, as "unparsed" where the reply gives none.
    """
    if generation.stop == "error":
        return Ungraded("infrastructure", "the answer was lost")
    cut = generation.stop == "length"
    letter = letter_of_reply(generation.text, choices, cut=cut)
    read = said_of(generation.text)
    if letter is None and cut:
        return Ungraded("truncated", "the token limit came before the answer's letter")
    if letter is None:
        letters = ", ".join(string.ascii_uppercase[: len(choices)])
        return Ungraded(
            "unparsed",
            "; ".join(filter(None, [f"the reply gives none, or several, of {letters}", read])),
        )
    exact = is_exact_match(generation.text, str(target))
    why = "; ".join(filter(None, ["" if letter == target else f"expected {target}", read]))
    return Graded(float(letter == target), letter, why, parts={"exact_match": float(exact)})


def letter_of_reply(text: str, choices: Sequence[str], *, cut: bool = False) -> str | None:
    """Return the letter that a reply gives as its answer, None where it gives none or several.

    Args:
        text: The reply.
        choices: The texts that A, B, … stand for.
        cut: Whether the token limit ended it: then only words that give an answer count.
    """
    claims = Claims(reply_text(end_of(text)), choices)
    ways = (_boxed, _stated) if cut else (
        _boxed, _stated, _lines, _taken, _concluded, _bold, _mentioned, _texts,
    )  # fmt: skip
    for way in ways:
        if found := list(way(claims)):
            return _settled(found, claims)
    return None


def _boxed(claims: Claims) -> Iterator[Claim]:
    for inside in claims.reply.boxed:
        at = claims.reply.plain.rfind(inside)
        yield Claim(at, at + len(inside), claims.whole(inside))


def _stated(claims: Claims) -> Iterator[Claim]:
    yield from claims.worded(STATED)


def _taken(claims: Claims) -> Iterator[Claim]:
    yield from claims.worded(TAKEN)


def _concluded(claims: Claims) -> Iterator[Claim]:
    yield from claims.worded(CONCLUDED)


def _mentioned(claims: Claims) -> Iterator[Claim]:
    found = list(claims.worded(MENTIONED))
    if len({claim.letter for claim in found}) == 1:
        yield found[-1]


def _bold(claims: Claims) -> Iterator[Claim]:
    letters = {letter for text in claims.reply.bold if (letter := claims.whole(text)) is not None}
    if len(letters) == 1:
        yield Claim(0, len(claims.reply.plain), letters.pop())


def _lines(claims: Claims) -> Iterator[Claim]:
    """Yield the letter that the first or the last line consists of, or that begins the reply."""
    plain = claims.reply.plain
    lines = [line for line in plain.split("\n") if line.strip()]
    if not lines:
        return
    own = [claims.whole(line) for line in lines]
    listed = len({letter for letter in own if letter is not None}) > 1
    alone = [len(line.strip(" ()[].:")) == 1 for line in lines]
    if listed and own[-1] is not None and alone[-1] and alone.count(True) == 1:
        yield Claim(0, len(plain), own[-1])  # below the choices as they were asked
    elif not listed and (letter := own[-1] or own[0]) is not None:
        yield Claim(0, len(plain), letter)
    elif not listed and (letter := _beginning(claims, lines[0])) is not None:
        yield Claim(0, len(lines[0]), letter)


def _beginning(claims: Claims, line: str) -> str | None:
    """Return the letter with which a line begins, set off from a reason: "B, because …"."""
    found = re.match(
        r"[(\[]?([A-Z])[)\]]?(?:\s*[.):,;–—-]\s*|\s+(?=because|since|as\b|–|—))(.*)", line
    )
    if found is None or found[1] not in claims.choices:
        return None
    if _BECAUSE.match(line, found.end(1)):
        return found[1]
    sentence = re.split(r"[.;\n]", found[2])[0]
    others = set(re.findall(r"(?<![\w'])([A-Z])(?![\w'])", line[1:])) & claims.choices.keys()
    if _NEGATED.search(sentence) or others - {found[1], "A", "I"} or not found[2].strip():
        return None
    named = claims.by_text(sentence)
    return found[1] if named in (None, found[1]) else None


def _texts(claims: Claims) -> Iterator[Claim]:
    """Yield the one choice whose text is the last sentence, or what that says is the answer."""
    plain = claims.reply.plain
    if not plain or re.search(r"(?<![\w'])[B-HJ-N](?![\w'])", plain):
        return
    sentence = re.split(r"(?<=[.!?。])\s+|\n", plain[-SENTENCE_CHARACTERS:])[-1]
    found = {claims.by_text(sentence), claims.by_text(plain.split("\n")[0])}
    for stated in _ANSWER_TEXT.finditer(sentence):
        if not _NEGATED.search(sentence[: stated.end()]):
            found.add(claims.by_text(sentence[stated.end() :]))
    letters = found - {None}
    if len(letters) == 1:
        yield Claim(0, len(plain), letters.pop())


def _settled(found: Sequence[Claim], claims: Claims) -> str | None:
    """Return the letter that several claims come to; None where they contradict each other."""
    ordered = sorted(found, key=lambda claim: claim.end)
    last = ordered[-1]
    if last.letter is None:
        return None
    text = claims.reply.plain
    others = [before for before in ordered[:-1] if before.letter != last.letter]
    # What corrects the latest of them corrects all.
    if others and not _CORRECTED.search(text, others[-1].end, last.end):
        corrected = max((m.start() for m in _CORRECTED.finditer(text, 0, last.end)), default=-1)
        finally_said = _FINALLY.search(text, last.start, last.end)
        for before in others:
            if before.end > corrected and not (
                finally_said and not _FINALLY.search(text, before.start, before.end)
            ):
                return None
    return _unless_taken_back(last, claims)


def _unless_taken_back(claim: Claim, claims: Claims) -> str | None:
    """Return a claim's letter; None, or the later one, where the reply then thinks better of it."""
    text = claims.reply.plain
    taken_back = re.compile(any_of(words.TAKEN_BACK), re.IGNORECASE).search(text, claim.end)
    if taken_back is None:
        return claim.letter
    later = [
        c for c in claims.worded((*STATED, *TAKEN, *CONCLUDED)) if c.start >= taken_back.start()
    ]
    letters = {c.letter for c in later} or claims.named_after(taken_back.start())
    if not letters - {claim.letter}:
        return claim.letter
    return letters.pop() if len(letters) == 1 and later else None
