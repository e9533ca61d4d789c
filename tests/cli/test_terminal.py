"""What a command prints of foreign text: a terminal obeys none of it, and JSON stays exact."""

import json
import re
from pathlib import Path

import pytest

from commands import weighbridge
from scripted_server import Out, chat, replying

HOSTILE = "\x1b]0;root\x07\x9b2J\u202egnp\x08"
SHOWN = r"\x1b]0;root\x07\x9b2J\u202egnp\x08"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def own(tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"q": f"row {HOSTILE}", "a": "A"}) + "\n")
    (tmp_path / "own.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 50\n'
    )
    return tmp_path


@pytest.mark.slow
def test_what_a_model_writes_is_shown_and_not_obeyed(own):
    with replying(lambda body, nth: Out(chat(f"A{HOSTILE}", model=f"m{HOSTILE}"))) as served:
        spec = f"{served.url}#m{HOSTILE}"
        evaluate = ("evaluate", spec, "-b", "own.toml")
        said = weighbridge(*evaluate, cwd=own)
        (made,) = (own / ".weighbridge/runs").glob("*/run.json")
        name = made.parent.name
        *others, plain = [
            weighbridge(*words, cwd=own)
            for words in (
                ("runs", "show", name, "--samples"), ("runs", "list"), ("verify", name),
                (*evaluate, "--dry-run"), ("runs", "show", name, "--samples", "--json"),
            )
        ]  # fmt: skip
        talk = weighbridge("chat", spec, "--against", f"{spec}2", cwd=own, input="row\n")
    for done in (said, talk, *others):
        assert done.returncode == 0, done.stderr
        assert not OBEYED.search(done.stdout + done.stderr)
    assert SHOWN in said.stdout and f"A{SHOWN}" in talk.stdout and f"A{SHOWN}" in others[0].stdout
    assert not OBEYED.search(plain.stdout)
    document = json.loads(plain.stdout)
    assert document["samples"][0]["output"] == f"A{HOSTILE}"
    assert document["model"] == f"m{HOSTILE}"


def test_an_error_quotes_and_does_nothing_else(own):
    words = [
        ("evaluate", f"m{HOSTILE}", "-b", "own.toml"), ("evaluate", "m", "-b", f"{HOSTILE}.toml"),
        ("runs", "show", HOSTILE), (f"run{HOSTILE}",), ("verify", HOSTILE),
        ("inspect", f"{HOSTILE}/config.json"), ("inspect", f"{HOSTILE}/config.json", "--json"),
    ]  # fmt: skip
    for one in words:
        done = weighbridge(*one, cwd=own)
        assert done.returncode not in (0, 70), done
        assert not OBEYED.search(done.stdout + done.stderr)
        assert done.stderr.count("\n") == 1


def test_no_command_prints_past_the_one_place(repository: Path):
    """Ruff forbids `typer.echo`; here are those that it is told to let pass."""
    found = [
        f"{path.name}: {line.strip()}"
        for path in (repository / "src/weighbridge").rglob("*.py")
        for line in path.read_text().splitlines()
        if "typer.echo(" in line or "typer.secho(" in line
    ]
    assert sorted(found) == [
        "main.py: typer.echo(_FIRST_STEPS)  # noqa: TID251",
        "main.py: typer.echo(error.format_message())  # type: ignore[attr-defined]  # noqa: TID251",
        'main.py: typer.echo(f"weighbridge {__version__}")  # noqa: TID251',
        "output.py: typer.echo(printable(text), err=err, nl=end)  # noqa: TID251",
        "output.py: typer.echo(printable_json(text))  # noqa: TID251",
        "output.py: typer.echo(shown, color=True)  # noqa: TID251",
    ]
