"""A chat's reply without the marks around its words: Markdown, LaTeX, HTML, full-width letters."""

import re
import unicodedata
from dataclasses import dataclass

from weighbridge.evaluation.scorers.plain_numerals import NESTED

_BOX = re.compile(r"(?<!\\)\\+(?:boxed|fbox)\s*\{")
_TAG_BOX = re.compile(
    r"<(answer|final_answer|final|ans|choice)>(.*?)(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE
)
_WRAPPED = re.compile(
    r"(?<!\\)\\+(?:text(?:rm|bf|it|sf|tt|normal)?|math(?:rm|bf|it|sf|tt|normal)?|m?box|hbox|boldsymbol|bm"
    r"|emph|underline|operatorname)\s*\{([^{}]*)\}"
)
_BOLD = re.compile(r"\*\*(?=\S)([^*\n]{1,200}?)\*\*|__(?=\S)([^_\n]{1,200}?)__")
_LATEX = re.compile(r"(?<!\\)\\+(?:[()\[\]]|[,;:! ]|quad|qquad)|\$+")
_HTML = re.compile(r"</?(?:b|strong|i|em|u|p|span|div|code|mark|h\d)\b[^>\n]{0,80}>", re.IGNORECASE)
_LINE_MARKS = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]*|[\u2705\u2714\u2611\u27a1\U0001f449][ \t]*)+", re.MULTILINE
)
_CONTROL = r"(?:<\|[^<>|\n]{1,40}\|>|</?s>|<(?:eos|bos|pad|end_of_turn|start_of_turn)>|\[/?INST\])"
_CONTROLS = re.compile(rf"\A(?:\s*{_CONTROL})+")
_LAST_CONTROL = re.compile(rf"{_CONTROL}\Z")
_EMPHASIS = re.compile(r"\*+|(?<!\w)_+|(?<!_)_++(?!\w)|`+")
_QUOTES = re.compile("[\"\u201c\u201d\u201e\u00ab\u00bb]|(?<!\\w)'|'(?!\\w)")
_SIGNS = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},  # full-width forms
    **{  # letters in circles, squares and brackets
        start + n: f" {chr(65 + n)} "
        for start in (0x24B6, 0x24D0, 0x249C, 0x1F110, 0x1F130, 0x1F150, 0x1F170)
        for n in range(26)
    },
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x1D400, 0x1D800)},
    **dict.fromkeys(map(ord, "【「『《〈〔"), "("),
    **dict.fromkeys(map(ord, "】」』》〉〕"), ")"),
    ord("\u2019"): "'", ord("\u2018"): "'", ord("\u00a0"): " ", ord("\u202f"): " ",
    ord("\u3000"): " ", ord("\u200b"): None, ord("\ufe0f"): None, ord("\ufeff"): None,
}  # fmt: skip


BOXES, BOX_CHARACTERS = 20, 1000  # the last ones; what is longer is no answer's box


@dataclass(frozen=True)
class ReplyText:
    """A reply as it is searched.

    Attributes:
        plain: Its words, without marks around them.
        boxed: What stands in boxes and in tags that mark an answer, plain, in their order.
        bold: What is set in bold, plain, in its order.
    """

    plain: str
    boxed: tuple[str, ...]
    bold: tuple[str, ...]


def reply_text(text: str) -> ReplyText:
    """Take the marks off a reply."""
    text = _without_last_controls(_CONTROLS.sub("", text)).translate(_SIGNS)
    boxed = [inside for _, inside in sorted([*in_boxes(text), *_in_tags(text)])]
    bold = [found[1] or found[2] for found in _BOLD.finditer(text)]
    return ReplyText(_plain(text), tuple(map(_plain, boxed)), tuple(map(_plain, bold)))


def _without_last_controls(text: str) -> str:
    end = len(text.rstrip())
    while found := _LAST_CONTROL.search(text, max(0, end - 45), end):
        end = found.start()
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]


def in_boxes(text: str) -> list[tuple[int, str]]:
    """Return what stands in the last closed boxes, with its places, see `BOXES`."""
    found = []
    for box in list(_BOX.finditer(text))[-BOXES:]:
        depth = 1
        for place in range(box.end(), min(len(text), box.end() + BOX_CHARACTERS)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if not depth:
                found.append((box.start(), text[box.end() : place]))
                break
    return found


def _in_tags(text: str) -> list[tuple[int, str]]:
    return [(tag.start(), tag[2]) for tag in _TAG_BOX.finditer(text)]


def _plain(text: str) -> str:
    text = _BOX.sub("{", _HTML.sub("", re.sub(r"<br ?/?>", "\n", text)))
    for _ in range(NESTED):
        if (unwrapped := _WRAPPED.sub(r"\1", text)) == text:
            break
        text = unwrapped
    text = _LINE_MARKS.sub("", _LATEX.sub(" ", text))
    text = _QUOTES.sub("", _EMPHASIS.sub("", text)).replace("{", " ").replace("}", " ")
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
    # One blank line at most: the patterns that are searched try every way to part a gap.
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
