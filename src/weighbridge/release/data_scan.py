"""What looks like a secret or personal data in training data, counted by row; no text is kept."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from weighbridge.comparison.contamination import overlap_again, tuning_texts
from weighbridge.records import EvalRun
from weighbridge.sources.digests import file_digest

_SECRETS = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "AWS key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    "Hub token": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "API key": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}\b"),
    "password in a URL": re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,64}:[^\s:/@]{3,64}@"),
}
_PERSONAL = {
    "e-mail address": re.compile(r"\b[\w.+-]{1,64}@(?!example\.)[\w-]{1,63}(?:\.[\w-]{2,63})+\b"),
    "IBAN": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b"),
    "payment card": re.compile(r"\b(?:\d[ -]?){13,16}\b"),
    "US social security number": re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
}
_CARD = "payment card"


@dataclass(frozen=True)
class DataScan:
    """What was found.

    Attributes:
        digest: SHA-256 of the file.
        rows: Rows that were read.
        secrets: Rows with what looks like a secret.
        personal: Rows with what looks like personal data.
        kinds: Rows by kind of what was found.
        overlap: Items of a benchmark that stand in the data, by benchmark.
        not_searched: Benchmarks whose evidence does not hold the questions.
    """

    digest: str
    rows: int
    secrets: int
    personal: int
    kinds: dict[str, int]
    overlap: dict[str, int]
    not_searched: tuple[str, ...] = ()


def scan_data(path: Path, runs: Iterable[EvalRun]) -> DataScan:
    """Search training data.

    Args:
        path: The file.
        runs: Evaluations with samples, whose questions are looked for in it.

    Raises:
        InputError: It can't be read.
    """
    rows, kinds, secret, personal = 0, dict[str, int](), 0, 0
    for text in tuning_texts(path):
        rows += 1
        secrets, persons = kinds_in(text)
        secret, personal = secret + bool(secrets), personal + bool(persons)
        for kind in (*secrets, *persons):
            kinds[kind] = kinds.get(kind, 0) + 1
    shared, not_searched = dict[str, int](), set[str]()
    for run in runs:
        found = overlap_again(run, path)
        if found is None:
            not_searched.add(run.title)
        else:
            shared[run.title] = max(shared.get(run.title, 0), len(found.found))
    return DataScan(
        file_digest(path), rows, secret, personal, kinds, shared, tuple(sorted(not_searched))
    )


def kinds_in(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the kinds of secrets and of personal data that a text seems to hold.

    >>> kinds_in("write to ada@lovelace.org, key AKIAABCDEFGHIJKLMNOP")
    (('AWS key',), ('e-mail address',))
    """
    secrets = tuple(kind for kind, form in _SECRETS.items() if form.search(text))
    personal = tuple(
        kind
        for kind, form in _PERSONAL.items()
        if any(kind != _CARD or _is_card(found[0]) for found in form.finditer(text))
    )
    return secrets, personal


def _is_card(text: str) -> bool:
    """Whether digits end in the check digit of a payment card (Luhn, ISO/IEC 7812-1)."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [d * 2 - 9 * (d > 4) if i % 2 else d for i, d in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0
