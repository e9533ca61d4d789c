"""A Python function, read out of what a model wrote: a completion, or a chat's reply.

A completion is what goes on from the prompt's code, to the letter (`complete_function`). A chat's
reply is searched (`extract_function`):

    the first fenced block that defines it; else
    what goes on from the prompt's code (a completion); else
    plain lines of code without a fence that define it; else nothing: an extraction failure

A reply that holds no code is a failure of format. It counts 0 like a wrong function, but is told
apart from one (`Ungraded`), because a score made of such replies doesn't measure programming.

Lines are read here, in one pass; what is Python is asked of a parser in a jail (`sandbox.look_at`).
"""

import re
import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from weighbridge.evaluation.scorers.looked_at import PROGRAM
from weighbridge.sandbox import look_at

PYTHON = ("", "python", "python3", "py", "py3", "python-repl", "pycon")

_LANGUAGE = re.compile(r"[ \t]*([\w.+#-]*)")
_TILDES = re.compile(r"~{3,}")
_FIRST_LINE_OF_CODE = re.compile(r"^(?:from|import|def|class|async def|@)\b|^@", re.MULTILINE)
_PROSE_LINES = 200  # after the code of an unfenced reply; each is one more attempt to parse
_PARSED_CHARACTERS = 400_000  # in all of these attempts
_TOO_LONG = f"the text is longer than {PROGRAM:,} characters"


@dataclass(frozen=True)
class Extracted:
    """A program read from an answer, or the reason why none could be read.

    Attributes:
        program: Source that should define the function; None where the text holds none.
        why: Why there is none.
        cut: Whether the token limit may have cut it: its fence is never closed.
    """

    program: str | None
    why: str = ""
    cut: bool = False


def complete_function(text: str, entry_point: str, opening: str) -> Extracted:
    """Read a completion: prompt and text joined as they are.

    That is what the original's tests run. A source that does not compile fails there; it is told
    apart here where the text is no code that goes on from the prompt's, such as a chat's reply.

    Args:
        text: What the model wrote.
        entry_point: The function's name.
        opening: The prompt.
    """
    if not text.strip():
        return Extracted(None, "no text")
    if len(text) > PROGRAM:
        return Extracted(None, _TOO_LONG)
    program = opening + text
    known = look_at(program, entry_point, compiled=True)
    if known.compiles or extract_function(text, entry_point, opening).program == program:
        return Extracted(program)
    return Extracted(None, "the text does not go on from the prompt's code")


def extract_function(text: str, entry_point: str, opening: str = "") -> Extracted:
    """Read a function out of a reply.

    Args:
        text: What the model wrote.
        entry_point: The function's name.
        opening: Code that the prompt began and the reply may go on with: the imports and helpers
            in it stay available to a function that is written anew.
    """
    if len(text) > PROGRAM:
        return Extracted(None, _TOO_LONG)
    fenced = list(_fenced(text))
    blocks = [code for language, code in fenced if language.lower() in PYTHON]
    for block in blocks:
        code = textwrap.dedent(block)
        if _defines(code, entry_point):
            return Extracted(_beside(opening, code), cut=text.endswith(code))
    if opening and blocks and blocks[0][:1] in (" ", "\t"):
        return Extracted(opening + blocks[0], cut=text.endswith(blocks[0]))
    if fenced:
        return Extracted(None, f"no fenced block defines {entry_point}")
    if opening and _goes_on(opening, text, entry_point):
        return Extracted(opening + text)
    if (plain := _unfenced(text, entry_point)) is not None:
        return Extracted(_beside(opening, plain))
    return Extracted(None, f"no code that defines {entry_point}" if text.strip() else "no text")


def _fenced(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the code of each fenced block, the last one closed or not.

    An opening fence may follow text on its line; a closing one begins its line. Lines are read
    once, in their order.
    """
    fence, language, code = "", "", list[str]()
    for line in text.split("\n"):
        rest = line
        if fence:
            begun = line.lstrip(" \t")
            if not begun.startswith(fence):
                code.append(line + "\n")
                continue
            yield language, "".join(code)
            fence, rest = "", begun[len(fence) :]
        if opened := _opening_fence(rest):
            (fence, language), code = opened, []
    if fence and (code or text.endswith("\n")):  # the last line has no end
        yield language, "".join(code)[:-1]


def _opening_fence(line: str) -> tuple[str, str] | None:
    """Return the fence that a line opens, and the language behind it, where no backtick may be."""
    before = line[: line.rfind("`") + 1]
    ticks = len(before) - len(before.rstrip("`"))
    if ticks >= 3:
        fence, end = "`" * ticks, len(before)
    elif tildes := _TILDES.search(line, len(before)):
        fence, end = tildes[0], tildes.end()
    else:
        return None
    found = _LANGUAGE.match(line, end)
    return fence, found[1] if found else ""


def _defines(code: str, name: str) -> bool:
    """Whether a source defines a function at its top level; one that doesn't parse by its look."""
    written = unicodedata.normalize("NFKC", code)  # as Python reads names
    if name not in written or not ("def" in written or "=" in written):
        return False  # without asking: an answer may hold thousands of blocks
    known = look_at(code, name)
    if known.parses:
        return known.defines
    return bool(re.search(rf"^(?:async\s+)?def\s+{re.escape(name)}\b", code, re.MULTILINE))


def _beside(opening: str, code: str) -> str:
    """Append a complete function to the prompt, where it overrides the prompt's incomplete one."""
    return f"{opening}    pass\n\n{code}" if opening else code


def _goes_on(opening: str, text: str, entry_point: str) -> bool:
    """Whether a text is meant as the rest of the function that the prompt began."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    if line[:1] in (" ", "\t"):
        return True
    return look_at(opening + text, entry_point).goes_on


def _unfenced(text: str, entry_point: str) -> str | None:
    """Return the code of a reply without a fence: from its first such line as far as it parses."""
    begin = _FIRST_LINE_OF_CODE.search(text)
    if begin is None or not _defines(text[begin.start() :], entry_point):
        return None
    lines = text[begin.start() :].splitlines(keepends=True)
    parsed = 0
    for end in range(len(lines), max(0, len(lines) - _PROSE_LINES), -1):
        code = "".join(lines[:end])
        parsed += len(code)
        if parsed > _PARSED_CHARACTERS + len(code):
            break
        known = look_at(code, entry_point)
        if known.parses:
            return code if known.defines else None
    return "".join(lines)
