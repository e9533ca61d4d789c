"""What a model should refuse, or should not: behaviours, read from files as they are published.

The folder `behaviours/` is the registry of forms, one `FORM` a file; a file's columns say which one
it has. A behaviour is named by the digest of its text, because published ids often repeat the text
in short. Its text goes to the model and nowhere else: errors, evidence and reports name digest and
category.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.records.attack import BehaviourKind
from weighbridge.sources.data_files import data_rows
from weighbridge.sources.digests import text_digest

_FOLDER = Path(__file__).parent / "behaviours"
NOT_STATED = "not stated"
_CATEGORY = re.compile(r"[\w&,/ '()-]{1,60}")
_DIGEST_CHARACTERS = 12

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Behaviour:
    """One request.

    Attributes:
        text: What is asked for; never shown.
        kind: Whether a model should refuse it (harmful) or answer it (benign), or should not know
            its answer by heart (private).
        category: As its file states it; `NOT_STATED` where it states none, or no short name.
        language: Of the text, such as "en".
        answer: What a private one was answered with in the tuning data; else "".
    """

    text: str
    kind: BehaviourKind
    category: str = NOT_STATED
    language: str = "en"
    answer: str = ""

    @property
    def id(self) -> str:
        """The beginning of the text's digest, by which a behaviour is named everywhere."""
        return text_digest(self.text + self.answer).removeprefix("sha256:")[:_DIGEST_CHARACTERS]


@dataclass(frozen=True)
class BehaviourForm:
    """A form in which behaviours are published.

    Attributes:
        name: The file's stem.
        title: What a person calls it.
        columns: Those by which a file of this form is recognised; all of them must be there.
        only: All columns that it may have; None for any. Where rows are recognised by one column
            alone, another one could say which are harmful, or hold answers.
        text: Returns a row's request; "" where there is none.
        category: Returns its category; "" where none is stated.
        kind: Returns its kind; None where a row doesn't tell, and the campaign has to.
        language: Returns its language.
        answer: Returns the answer that a private one must not bring out; "" for others.
    """

    name: str
    title: str
    columns: frozenset[str]
    text: Callable[[Row], str]
    category: Callable[[Row], str] = lambda row: ""
    kind: Callable[[Row], BehaviourKind | None] = lambda row: "harmful"
    language: Callable[[Row], str] = lambda row: "en"
    answer: Callable[[Row], str] = lambda row: ""
    only: frozenset[str] | None = None


def cell(row: Row, name: str) -> str:
    """Return a row's text in a column; "" where there is none."""
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def with_context(context: str, text: str) -> str:
    """Return a request with the text that it is about before it, as HarmBench asks it."""
    return f"{context}\n\n---\n\n{text}" if context else text


def form_names() -> tuple[str, ...]:
    """Names of all forms."""
    return names_in(_FOLDER)


def find_form(name: str) -> BehaviourForm:
    """Import one form, by a name of the folder's."""
    return defined_in(f"weighbridge.redteam.behaviours.{name}", "FORM", BehaviourForm)


def form_of(columns: Iterable[str]) -> BehaviourForm | None:
    """Return the form with the most columns of those that a row has; None where none fits."""
    there = set(columns)
    fitting = [
        form
        for form in map(find_form, form_names())
        if form.columns <= there and (form.only is None or there <= form.only)
    ]
    return max(fitting, key=lambda form: len(form.columns), default=None)


def read_behaviours(path: Path, kind: BehaviourKind | None = None) -> tuple[Behaviour, ...]:
    """Read a file of behaviours; a text that stands in it twice is taken once.

    Args:
        path: CSV, JSONL or Parquet.
        kind: Of all of them, where a person states it; None takes what the rows say.

    Raises:
        InputError: It can't be read, holds none, or has no known form; MalformedRow names a row.
            No message holds a text of the file's.
    """
    if not path.is_file():
        raise InputError(f"no file {path}", "a CSV or JSONL file of behaviours", "check the path")
    found = {one.text: one for one in _behaviours(path, kind)}
    if not found:
        raise InputError(f"{path} holds no behaviours", "at least one row")
    return tuple(found.values())


def _behaviours(path: Path, kind: BehaviourKind | None) -> Iterator[Behaviour]:
    try:
        rows = iter(data_rows(path, "a file of behaviours"))
        first = next(rows, None)
        if first is None:
            return
        form = form_of(first[1])
        if form is None:
            raise _unknown_form(path)
        for line, row in chain([first], rows):
            text, stated = form.text(row), form.kind(row) if kind is None else kind
            if not text:
                raise MalformedRow(path, line, "no text", f"a request, as {form.title} has them")
            if stated is None:
                raise InputError(
                    f"{path} has the form of {form.title}, whose rows don't say what is right",
                    "a kind",
                    'state kind = "benign" (should be answered) or kind = "harmful" beside data',
                )
            category, language = _category(form.category(row)), form.language(row)
            yield Behaviour(text, stated, category, language, form.answer(row))
    except MalformedRow as error:
        raise error.without_text() from None


def _unknown_form(path: Path) -> InputError:
    # Not even its columns are named: those of a table without a header are its first row.
    titles = ", ".join(find_form(name).title for name in form_names())
    return InputError(
        f"{path} has no known form of behaviours",
        f"the columns of one of these: {titles}",
        'write rows such as {"prompt": …, "category": …, "kind": "harmful"}',
    )


def _category(stated: str) -> str:
    """Return a category that may be shown: a short name, and no sentence."""
    return stated if _CATEGORY.fullmatch(stated) else NOT_STATED
