"""The documents that `--json` prints: their keys are pinned, described, and what commands print."""

import difflib
import importlib.util
import json
import math
from dataclasses import dataclass

import pytest
import typer

from conforming import command_of, faults
from weighbridge.cli.main import LazyCommands, app, command_names
from weighbridge.documents import ABSENT, Inlined, OrAbsent, as_json
from weighbridge.documents.description import in_words, keys_of, printed, records_in


@pytest.fixture(scope="module")
def maker(repository):
    script = repository / "docs" / "make_json_reference.py"
    specification = importlib.util.spec_from_file_location("make_json_reference", script)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def every_record():
    found = {}
    waiting = [one.document for one in printed()]
    while waiting:
        record = waiting.pop()
        if record not in found:
            found[record] = keys_of(record)
            waiting += [below for key in found[record] for below in records_in(key.kind)]
    return found


def test_no_key_is_added_taken_away_or_renamed_in_passing(maker, repository):
    pinned = (repository / "tests" / "documents" / "keys.txt").read_text()
    changed = [
        line
        for line in difflib.unified_diff(
            pinned.splitlines(), maker.key_list().splitlines(), "pinned", "now", lineterm="", n=1
        )
        if not line.startswith(("---", "+++"))
    ]
    assert not changed, (
        "scripts rely on what --json prints. A key that goes or is renamed breaks them; if this is "
        "meant, say so in CHANGELOG.md and run\n"
        "  python docs/make_json_reference.py --keys tests/documents/keys.txt\n"
        + "\n".join(changed)
    )


def test_the_reference_page_is_made_from_the_records(maker):
    assert maker.PAGE.read_text() == maker.page(), "run: make json-reference"


def test_every_key_says_what_it_means():
    silent = [
        f"{record.__name__}.{key.name}"
        for record, keys in every_record().items()
        for key in keys
        if not key.meaning
    ]
    assert silent == []


def commands_with_json():
    """Names of all commands that take --json, as a person types them."""
    group = typer.main.get_command(app)
    assert isinstance(group, LazyCommands)
    for name in command_names():
        command = group.get_command(None, name)
        for words, one in [
            (name, command),
            *((f"{name} {sub}", c) for sub, c in getattr(command, "commands", {}).items()),
        ]:
            if any("--json" in parameter.opts for parameter in one.params):
                yield words


def test_every_command_that_takes_json_has_its_document():
    described = {one.command.partition(" --")[0] for one in printed()}
    assert set(commands_with_json()) == described - {"any command"}


@dataclass(frozen=True, kw_only=True)
class Inner:
    left: int
    right: OrAbsent[int] = ABSENT


@dataclass(frozen=True, kw_only=True)
class Other:
    up: str


@dataclass(frozen=True, kw_only=True)
class Outer:
    first: float | None
    inner: Inlined[Inner]
    maybe: Inlined[OrAbsent[Other]] = ABSENT
    last: tuple[Inner, ...] = ()


def test_an_absent_key_is_left_out_null_is_kept_and_order_is_that_of_the_fields():
    found = as_json(Outer(first=None, inner=Inner(left=1, right=2), last=(Inner(left=3),)))
    assert list(found.items()) == [
        ("first", None),
        ("left", 1),
        ("right", 2),
        ("last", [{"left": 3}]),
    ]
    found = as_json(Outer(first=math.inf, inner=Inner(left=1)))
    assert json.dumps(found) == '{"first": Infinity, "left": 1, "last": []}'


def test_a_record_is_described_as_it_is_printed():
    keys = {key.name: (in_words(key.kind), key.optional) for key in keys_of(Outer)}
    assert keys == {
        "first": ("number or null", False),
        "left": ("integer", False),
        "right": ("integer", True),
        "up": ("string", True),
        "last": ("list of Inner", False),
    }


def test_what_differs_from_a_record_is_found():
    good = {"first": 1, "left": 1, "last": [{"left": 2}]}
    assert faults(good, Outer) == []
    assert faults(good | {"more": 1}, Outer) == ["$.more is printed, and not in Outer"]
    assert faults({"first": 1, "left": 1}, Outer) == ["$.last is missing"]
    assert faults(good | {"last": [{"left": "2"}]}, Outer) == ["$.last[0].left is '2', not integer"]
    assert faults(good | {"first": True}, Outer) != []


def test_a_command_s_document_is_found_by_its_words():
    assert command_of(["scaling", "fit", "runs.csv", "--json"]) == "scaling fit"
    assert command_of(["evaluate", "m", "-b", "mmlu", "--dry-run"]) == "evaluate --dry-run"
    assert command_of(["tune", "m", "--show-mask", "2"]) == "tune --show-mask"
    assert command_of(["evaluate", "m", "--offline"]) == "evaluate"
