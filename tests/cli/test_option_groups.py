"""Groups of options: records for the code, sections of help for a person."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from commands import weighbridge
from weighbridge.cli.option_groups import SectionedCommand, grouped


@dataclass(frozen=True, kw_only=True)
class Oven:
    panel: ClassVar[str] = "The oven"

    degrees: Annotated[int, typer.Option(metavar="N", help="How hot.", min=0)] = 200
    fan: Annotated[bool, typer.Option("--fan", help="Blow.")] = False


@dataclass(frozen=True, kw_only=True)
class Dough:
    panel: ClassVar[str] = "The dough"

    flour: Annotated[str, typer.Option("--flour", "-f", metavar="NAME", help="Which flour.")]
    minutes: Annotated[int, typer.Option(metavar="N", help="To rise.")] = 60
    degrees_of_room: float = 20.0


def bakery(command):
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(cls=SectionedCommand)(command)
    return lambda *words: CliRunner().invoke(app, words, terminal_width=80)


@pytest.fixture
def baked():
    return []


@pytest.fixture
def bake(baked):
    @grouped
    def command(
        name: Annotated[str, typer.Argument(metavar="NAME", help="Of the bread.")],
        dough: Dough,
        oven: Oven,
        loudly: Annotated[bool, typer.Option("--loudly", help="Say so.")] = False,
    ) -> None:
        """Bake a bread."""
        baked.append((name, dough, oven, loudly))

    return bakery(command)


def test_options_reach_the_command_as_records(bake, baked):
    assert bake("rye", "-f", "dark", "--degrees", "230", "--loudly").exit_code == 0
    assert bake("rye", "--flour", "dark", "--fan", "--degrees-of-room", "18.5").exit_code == 0
    assert baked == [
        ("rye", Dough(flour="dark"), Oven(degrees=230), True),
        ("rye", Dough(flour="dark", degrees_of_room=18.5), Oven(fan=True), False),
    ]


def test_what_typer_checks_of_an_option_it_checks_in_a_group(bake, baked):
    assert "Missing option" in bake("rye").output
    assert "'--degrees'" in bake("rye", "-f", "dark", "--degrees", "-5").output
    assert baked == []


def test_help_lists_each_group_under_its_panel_and_the_rest_last(bake):
    said = bake("--help").output
    names = ["Arguments:", "The dough:", "The oven:", "Other options:"]
    assert sorted(names, key=said.index) == names
    dough, rest = said.split("The dough:")[1].split("The oven:")
    assert "-f, --flour NAME" in dough and "[required]" in dough and "--degrees N" in rest
    assert "[default: 200]" in rest and "--fan" in rest and "--loudly" in rest
    assert max(map(len, said.splitlines())) <= 80


def test_an_option_of_two_groups_is_refused_when_the_command_is_defined():
    def command(one: Oven, other: Oven) -> None: ...

    with pytest.raises(TypeError, match="degrees, fan stand"):
        grouped(command)


@pytest.mark.parametrize("name", ["evaluate", "score", "run"])
def test_a_command_of_many_options_can_be_scanned(name):
    done = weighbridge(name, "--help", env={"COLUMNS": "80"})
    assert max(map(len, done.stdout.splitlines())) <= 80
    _, *sections = re.split(r"^(?=\S.*:$)", done.stdout, flags=re.MULTILINE)
    options = {
        section.partition(":")[0]: re.findall(r"^  (-.*)", section, re.MULTILINE)
        for section in sections
    }
    assert [row.split()[0] for row in options.pop("Other options")] == ["--json", "--help"]
    assert options.pop("Arguments") == [] and max(map(len, options.values())) <= 9
    assert "<" not in "".join(row for rows in options.values() for row in rows)
