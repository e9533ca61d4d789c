"""The letter of a choice, read out of a one-line completion; chats' replies: see `reply_letter`.

`exact_match` among the parts is lm-evaluation-harness 0.4.13's figure for `mmlu_generative`: the
first line is the letter, whatever its case and punctuation. The score also reads what names a
letter beyond doubt: "Answer: B", "the answer is (B)", "option B" (as later versions of the harness
do), and a letter before its own choice ("B. Paris"). "A dog" names none: there A is an article.
"""

import re
import string

from weighbridge.records import Generation, Graded, Json, Score, Ungraded

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NAMED = re.compile(
    r"(?:\banswer(?:\s*is)?|\boption)\s*(?:[:\-]\s*)?\(?([A-Z])\)?\W*\Z", re.IGNORECASE
)
_BEFORE_CHOICE = re.compile(r"\W*([A-Z])\W+(.+)\Z", re.IGNORECASE)


def score_choice_letter(generation: Generation, target: Json, choices: tuple[str, ...]) -> Score:
    """Compare the letter that the first line names with the target.

    Args:
        generation: What the model wrote.
        target: The right letter.
        choices: The texts that A, B, … stand for.
    """
    if generation.stop == "error":
        return Ungraded("infrastructure", "the answer was lost")
    line = generation.text.split("\n", 1)[0].strip()
    letters = string.ascii_uppercase[: len(choices)]
    letter = _named_letter(line, dict(zip(letters, choices, strict=True)))
    if letter is None:
        if generation.stop == "length":
            return Ungraded("truncated", "the token limit came before a letter")
        return Ungraded("unparsed", f"the first line names none of {', '.join(letters)}")
    right = letter == target
    exact = is_exact_match(generation.text, str(target))
    why = "" if right else f"expected {target}"
    return Graded(float(right), letter, why, parts={"exact_match": float(exact)})


def is_exact_match(text: str, target: str) -> bool:
    """Whether the harness's `exact_match` holds: the first line is the letter."""
    return _plain(text.split("\n", 1)[0]) == target.casefold()


def _named_letter(line: str, choice_of: dict[str, str]) -> str | None:
    bare = _plain(line).upper()
    if bare in choice_of:
        return bare
    if (named := _NAMED.search(line)) and named[1].upper() in choice_of:
        return named[1].upper()
    before = _BEFORE_CHOICE.match(line)
    if before and before[1].upper() in choice_of:
        letter = before[1].upper()
        if _plain(before[2]) == _plain(choice_of[letter]):
            return letter
    return None


def _plain(text: str) -> str:
    return text.translate(_NO_PUNCTUATION).strip().casefold()
