"""One exception tree. Every message says what was seen, what was expected, and what to do.

WeighbridgeError
├── InputError            something the user wrote or pointed at is wrong           exit 2
│   ├── UnknownName       a name that is not in the list; near misses are suggested
│   └── MalformedRow      a data file's row, with file, line and column
├── MissingPiece          a package, model, data set or program is not here         exit 2
├── EndpointUnusable     an endpoint that refuses every request                    exit 2
├── CapReached           the spending cap is reached; a higher cap goes on         exit 3
├── SandboxUnavailable    model-written code can't be run safely on this machine    exit 2
├── StorageError          a disk is full, a folder is read-only, a file is locked   exit 2
├── LibraryError          a library's own error about a file or a text              exit 2
├── InternalError         an unexpected error; its traceback is in a file           exit 70
├── EvidenceError         evidence was altered, or contradicts itself               exit 1
├── RevokedWeights        weights that a trusted feed revokes                       exit 1
└── Interrupted           stopped by the user; the same command goes on from there  exit 130

To add one: subclass the nearest node, keep the three-part message, and let `exit_code` be inherited
unless a script must tell the case apart.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "CapReached",
    "EndpointUnusable",
    "EvidenceError",
    "InputError",
    "InternalError",
    "Interrupted",
    "LibraryError",
    "MalformedRow",
    "MissingPiece",
    "RevokedWeights",
    "SandboxUnavailable",
    "StorageError",
    "UnknownName",
    "WeighbridgeError",
    "boundary",
    "in_one_line",
]


class WeighbridgeError(Exception):
    """Base of all errors that a user can correct; shown as one line, never as a traceback.

    Args:
        saw: What was found, with the value.
        expected: What would have been right.
        do: What to do now, preferably a command.
    """

    exit_code = 2

    def __init__(self, saw: str, expected: str = "", do: str = "") -> None:
        self.saw, self.expected, self.do = map(_shortened, (saw, expected, do))
        saw, expected, do = self.saw, self.expected, self.do
        super().__init__(saw, expected, do)

    def __str__(self) -> str:
        parts = [self.saw]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.do:
            parts.append(self.do)
        return " ".join("; ".join(part.strip().rstrip(".") for part in parts).splitlines())


class InputError(WeighbridgeError):
    """Something the user wrote or pointed at is wrong."""


class UnknownName(InputError):
    """A name that is not in the list it was looked up in.

    Args:
        kind: What sort of name it is, in the singular ("benchmark", "project-file key").
        name: The name as written.
        known: All names that would have been right.
        do: What to do where no near miss exists.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], do: str = "") -> None:
        self.known = tuple(known)
        near = difflib.get_close_matches(name, self.known, n=3, cutoff=0.6)
        if near:
            do = f"did you mean {' or '.join(near)}?"
        listed = ", ".join(sorted(self.known)[:12]) + (", …" if len(self.known) > 12 else "")
        super().__init__(f"unknown {kind} {name!r}", f"one of: {listed}" if listed else "", do)


class MalformedRow(InputError):
    """A row of a data file that can't be read.

    Args:
        path: The file.
        line: 1-based line number.
        column: The field's name or 1-based position, where one is at fault.
        saw: What stands there.
        expected: What should.
        do: What to do now.
    """

    def __init__(
        self,
        path: Path | str,
        line: int,
        saw: str,
        expected: str,
        column: str | int | None = None,
        do: str = "correct the row and run again",
    ) -> None:
        self.path, self.line, self.column = Path(path), line, column
        where = f"{path}, line {line}" + (f", column {column}" if column is not None else "")
        super().__init__(f"{where}: {saw}", expected, do)

    def without_text(self) -> "MalformedRow":
        """Return this error without what stands in the row, for data whose text is not shown."""
        saw = "a row that can't be read (its text is not shown)"
        return MalformedRow(self.path, self.line, saw, self.expected, self.column, self.do)


class MissingPiece(WeighbridgeError):
    """A package, model, data set or program that the command needs is not on this machine."""


class EndpointUnusable(WeighbridgeError):
    """An endpoint refuses every request, or has not answered for long: more requests can't help."""


class CapReached(WeighbridgeError):
    """The next request could cost more than what may still be spent, so it was not sent."""

    exit_code = 3


class SandboxUnavailable(WeighbridgeError):
    """Model-written code can't be run safely here, so it is not run at all."""


class StorageError(WeighbridgeError):
    """A disk is full, a folder can't be written, or another process holds a file."""


class EvidenceError(WeighbridgeError):
    """Evidence was altered after it was sealed, or contradicts itself."""

    exit_code = 1


class RevokedWeights(WeighbridgeError):
    """Who released these weights has revoked them, in the feed that is trusted here."""

    exit_code = 1


class Interrupted(WeighbridgeError):
    """Stopped by the user; what was finished is on disk."""

    exit_code = 130


class LibraryError(WeighbridgeError):
    """A library's error at a boundary, in the library's own words, without a guess at the cause.

    A boundary is where a library handles input from outside: loading weights, rendering a
    template, tokenising, parsing, HTTP.
    """


class InternalError(WeighbridgeError):
    """An unexpected error: most likely a bug of Weighbridge.

    Attributes:
        path: Where its traceback was written; None where nothing can be written.
    """

    exit_code = 70  # EX_SOFTWARE of the BSDs' sysexits
    path: Path | None = None


def _shortened(text: str) -> str:
    """Shorten a long text, such as a quoted file, to its two ends."""
    if len(text) <= _LONGEST_PART:
        return text
    return f"{text[: _LONGEST_PART // 2]} … {text[-_LONGEST_PART // 2 :]}"


_LONGEST_PART = 1500
_HOUSE = str(Path(__file__).parent)
_LONGEST_WORDS = 400
"""Characters of a library's message; of a longer one both ends are shown."""


@contextmanager
def boundary(doing: str, do: str = "", *, foreign: bool = False) -> Iterator[None]:
    """Turn a library's exceptions inside the block into one line; our own pass unchanged.

    Lack of memory, a full disk and Ctrl-C pass as well; the command line handles them.

    Args:
        doing: What was being done, and to what, such as "loading m/".
        do: What to do, if that is known.
        foreign: Whether our own code parses foreign data of any shape inside: then its exceptions
            become one line, too.
    """
    try:
        yield
    except (WeighbridgeError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of a library in Rust is no `Exception`
        if (_is_ours(error) and not foreign) or type(error).__name__ == "OutOfMemoryError":
            raise
        raise LibraryError(f"{doing}: {in_one_line(error)}", "", do) from error


def in_one_line(error: BaseException) -> str:
    """Return an exception's kind and message; a long message is shortened to its two ends."""
    try:
        words = " ".join(str(error).split())
    except Exception:  # an exception whose own text fails
        words = ""
    if len(words) > _LONGEST_WORDS:
        half = _LONGEST_WORDS // 2
        words = f"{words[:half]} … {words[-half:]}"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _is_ours(error: BaseException) -> bool:
    """Whether this package's own code raised it, and not a library that it called.

    Compiled code has no frame of its own: it is recognised by exception types that only it raises.
    """
    trace, kind = error.__traceback__, type(error)
    if trace is None or kind is Exception or kind.__module__ != "builtins":
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename.startswith(_HOUSE)
