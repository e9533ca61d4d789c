"""Write docs/reference/json.md from the records that `--json` prints.

    python docs/make_json_reference.py                 # or: make json-reference
    python docs/make_json_reference.py --keys FILE     # only the keys, which a test pins

The page is made from the fields and docstrings of `weighbridge.documents`; nothing on it is
written by hand but its opening.
"""

import argparse
import re
import sys
from dataclasses import is_dataclass
from itertools import groupby
from pathlib import Path

from weighbridge.documents import Printed
from weighbridge.documents.description import (
    Key,
    in_words,
    keys_of,
    printed,
    records_in,
    summary,
)
from weighbridge.storage import replace_file

PAGE = Path(__file__).parent / "reference" / "json.md"
ORDER = (
    "demo", "run", "evaluate", "score", "runs list", "runs show", "compare", "lineage", "power",
    "redteam run", "redteam diff", "redteam card", "redteam policy", "redteam import",
    "redteam garak", "redteam round",
    "release gate", "release build", "release verify", "release gpai",
    "release signature", "release report",
    "release triage", "release advise", "release revoke", "release feed", "verify",
    "tune", "import", "export", "inspect",
    "plan train", "plan tune", "plan serve", "plan cost", "gap", "claims", "scaling fit",
    "scaling compare", "scaling mixture", "scaling laws", "scaling sweep", "init", "doctor",
    "any command",
)  # fmt: skip
"""Commands as a person meets them."""
FEW = 8
"""So many keys of an inlined record are listed wherever it stands."""
OPENING = """# What `--json` prints

*Made by `make json-reference` from the records in `weighbridge.documents`. Do not edit by hand.*

With `--json` a command prints exactly one JSON document on stdout, and nothing else there; progress
and notes go to stderr. Exit codes say what a script branches on: 0 done or yes, 1 a negative
answer, 2 bad input, 3 insufficient evidence, 130 interrupted.

- A key keeps its name, its type and its meaning; new keys may be added. A test pins them.
- *optional* keys are left out where they don't apply; a figure that is not known is `null`.
- `[number, number]` is a pair; an interval is `[low, high]` at 95 %. Rates are from 0 to 1. Units
  stand in names: `_tokens`, `_bytes`, `_flops`, `_usd`, `_seconds`.
- A figure that is not finite is printed as Python prints it (`NaN`, `Infinity`).
"""


def main() -> int:
    """Write the page, or the keys alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=PAGE)
    parser.add_argument("--keys", type=Path, metavar="FILE", help="write the keys there instead")
    asked = parser.parse_args()
    path, text = (asked.keys, key_list()) if asked.keys else (asked.to, page())
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode())
    sys.stdout.write(f"{path}\n")
    return 0


def page() -> str:
    """Return the whole page."""
    return Page(sorted(printed(), key=_place)).text()


class Page:
    """The page, which spells out a record once: where else its keys stand, it points there."""

    def __init__(self, every: list[Printed]) -> None:
        self._every, self._owners = every, _owners(every)
        self._links = {one: f"[{one.__name__}](#{one.__name__.lower()})" for one in self._owners}
        self._spelt_out: dict[type, str] = {}

    def text(self) -> str:
        """Return its Markdown."""
        parts = [OPENING, " · ".join(map(_link, dict.fromkeys(p.command for p in self._every)))]
        parts[-1] += "\n"
        shown: dict[type, str] = {}
        for one in self._every:
            if f"## {_title(one.command)}\n" not in parts:
                parts.append(f"## {_title(one.command)}\n")
            if one.document in shown:
                parts.append(f"The same as {_link(shown[one.document])}{_when(one)}.\n")
            else:
                parts += self._document(one)
            shown.setdefault(one.document, one.command)
        parts.append("## Records of several documents\n")
        for record in sorted(self._owners, key=lambda record: record.__name__):
            if len(self._owners[record]) > 1:
                parts += self._record(record)
        return "\n".join(parts)

    def _document(self, one: Printed) -> list[str]:
        """Return a document's table, and those of the records that stand in it alone."""
        when = _when(one).removeprefix(", ")
        said = f"{when[:1].upper()}{when[1:]}: " if when else ""
        table = self._table(one.document, _link(one.command))
        parts = [f"{said}{summary(one.document)}\n", table]
        for record in _below(one.document):
            if len(self._owners[record]) == 1:
                parts += self._record(record)
        return parts

    def _record(self, record: type) -> list[str]:
        table = self._table(record, self._links[record])
        return [f"### {record.__name__}\n", summary(record) + "\n", table]

    def _table(self, record: type, here: str) -> str:
        bases = _extended(record)
        known = {key.name for base in bases for key in keys_of(base)}
        lines = [f"All keys of {self._links[base]}, and:\n" for base in bases]
        lines += ["| key | type | meaning |", "|---|---|---|"]
        keys = [key for key in keys_of(record) if key.name not in known]
        for owner, of_one in groupby(keys, key=lambda key: key.record):
            lines += self._rows(list(of_one), owner is not record, here)
        return "\n".join(lines) + "\n"

    def _rows(self, keys: list[Key], inlined: bool, here: str) -> list[str]:
        """Return keys' rows; an inlined record's many keys are one row where they stood before."""
        owner = keys[0].record
        if inlined and len(keys) > FEW and self._spelt_out.setdefault(owner, here) != here:
            optional = " *optional*" if all(key.optional for key in keys) else ""
            ends = f"`{keys[0].name}` to `{keys[-1].name}`{optional}"
            return [f"| {ends} | | As in {self._spelt_out[owner]}. |"]
        return [
            f"| `{key.name}`{' *optional*' * key.optional} | {in_words(key.kind, self._links)} "
            f"| {_cell(key.meaning)} |"
            for key in keys
        ]


def key_list() -> str:
    """Return every command with its document, and every record with its keys and their types."""
    every = sorted(printed(), key=_place)
    lines = [f"{one.command}: {one.document.__name__}" for one in every]
    records = {one.document: None for one in every} | dict.fromkeys(_owners(every))
    for record in sorted(records, key=lambda record: record.__name__):
        lines += ["", record.__name__]
        lines += [
            f"  {key.name}{'?' * key.optional}: {in_words(key.kind)}" for key in keys_of(record)
        ]
    return "\n".join(lines) + "\n"


def _place(one: Printed) -> tuple[int, bool, bool]:
    """Order commands, one with a flag of its own or of some runs alone after the plain one."""
    command = one.command
    of_some = command == "runs show" and bool(one.when)
    return ORDER.index(command.partition(" --")[0]), "--" in command, of_some


def _owners(every: list[Printed]) -> dict[type, set[type]]:
    """Return every record below the documents, with the documents that hold it."""
    owners: dict[type, set[type]] = {}
    for document in dict.fromkeys(one.document for one in every):
        for record in _below(document):
            owners.setdefault(record, set()).add(document)
    return owners


def _below(record: type) -> list[type]:
    """Return the records that stand in a record, and those that it extends, in order."""
    found: dict[type, None] = {}
    for one in (*_extended(record), *(r for key in keys_of(record) for r in records_in(key.kind))):
        if one not in found:
            found |= {one: None} | dict.fromkeys(_below(one))
    return list(found)


def _extended(record: type) -> list[type]:
    return [base for base in record.__bases__ if is_dataclass(base)]


def _link(command: str) -> str:
    return f"[{_title(command)}](#{re.sub('[^a-z -]', '', command).replace(' ', '-')})"


def _title(command: str) -> str:
    return command[:1].upper() + command[1:] if command == "any command" else f"`{command}`"


def _when(one: Printed) -> str:
    return f", {one.when}" if one.when else ""


def _cell(text: str) -> str:
    """Return text for a cell: records say None where JSON says null."""
    return re.sub(r"\bNone\b", "null", text.replace("|", r"\|"))


if __name__ == "__main__":
    sys.exit(main())
