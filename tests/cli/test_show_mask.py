"""What is learnt is shown in colour on a terminal, and between brackets everywhere else."""

import json
import os
import pty
import subprocess
import sys

import pytest

CODE = """
from weighbridge.cli.output import emit_masks
parts = (("Say \\x1b]0;a:", False), ("yes ⟦1⟧<|end|>", True), ("\\n", False))
emit_masks([("line 1: 3 of 9", parts), ("line 2: 3 of 9", parts)], {as_json})
"""


def shown(*, terminal, as_json=False, **environment):
    words = [sys.executable, "-c", CODE.format(as_json=as_json)]
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    environment = clean | environment
    if not terminal:
        return subprocess.run(
            words, capture_output=True, text=True, env=environment, check=True
        ).stdout
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=theirs, env=environment) as process:
        os.close(theirs)
        told = b""
        try:
            while part := os.read(ours, 4096):
                told += part
        except OSError:  # how Linux ends a terminal that nobody writes to any more
            pass
        process.wait()
    os.close(ours)
    return told.decode().replace("\r\n", "\n")


def test_a_terminal_shows_what_is_learnt_in_colour_and_obeys_nothing_of_the_data():
    told = shown(terminal=True)
    assert told.count("\x1b[30;42myes ⟦1⟧<|end|>\x1b[0m") == 2
    assert "Say \\x1b]0;a:" in told and "\x1b]" not in told
    assert "\n\n\nline 2" in told


@pytest.mark.parametrize("terminal", [True, False])
def test_without_colours_brackets_stand_around_it(terminal):
    told = shown(terminal=terminal, **({"NO_COLOR": "1"} if terminal else {}))
    assert told.count("⟦yes ⟦1⟧<|end|>⟧") == 2 and "\x1b" not in told


def test_json_has_brackets_on_a_terminal_too():
    document = json.loads(shown(terminal=True, as_json=True))
    assert len(document["masks"]) == 2 and "⟦yes ⟦1⟧<|end|>⟧" in document["masks"][0]
