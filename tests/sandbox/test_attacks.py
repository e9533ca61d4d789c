"""Every attack ends as a failure, never as a pass or a fault of the machine, and does no harm."""

import re
import secrets
import time
from pathlib import Path

import pytest
from host_attacks import ATTACKS as ON_THE_HOST
from verdict_attacks import ATTACKS as ON_THE_VERDICT

from jailed import jailed_processes
from weighbridge.sandbox import FunctionTest, Level, Limits, check_function, probe, run_python

pytestmark = pytest.mark.skipif(
    probe().level is not Level.OUTSIDE_TESTER,
    reason=f"no such sandbox: {probe().detail}; {probe().fix}",
)
ATTACKS = (*ON_THE_VERDICT, *ON_THE_HOST)
DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A file of the host that attacks go for; at the end it is whole and no process is left."""
    file = tmp_path_factory.mktemp("host") / "secret"
    file.write_text("untouched")
    yield file
    assert file.read_text() == "untouched"
    assert list(file.parent.iterdir()) == [file]
    deadline = time.monotonic() + 300
    while left := jailed_processes():
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    for folder in ("/", "/usr", "/tmp", "/dev", "/dev/shm", "/var"):
        assert not (Path(folder) / "weighbridge-attack").exists()


def face(program, wall_seconds=10.0):
    expected = f"expected-{secrets.token_hex(16)}"
    test = f"def check(c):\n    for x in range(3):\n        assert c(x) == {expected!r}\n"
    return check_function(
        FunctionTest(program, "f", test), Limits(wall_seconds=wall_seconds, memory_bytes=1 << 29)
    )


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_ends_as_a_failure_and_does_no_harm(attack, host):
    done = face(attack.program.replace("HOST", str(host)), attack.wall_seconds)
    assert done.outcome in ("failed", "timed_out", "output_limit"), done
    assert done.level is Level.OUTSIDE_TESTER
    assert (done.output + done.error).encode("utf-8")  # or no evidence could be written
    assert "ESCAPED" not in done.output
    if "refused(lambda" in attack.program:
        assert done.output.count("REFUSED") == attack.program.count("refused(lambda"), done
    assert host.read_text() == "untouched"


def test_there_are_many_attacks_with_distinct_names():
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names) >= 40


def test_each_attack_has_its_row_in_the_docs():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    told = {attack: stopped_by for attack, stopped_by in rows if attack not in ("Attack", "---")}
    assert list(told) == [attack.name for attack in ATTACKS]
    assert all(stopped_by.strip() for stopped_by in told.values())


def test_the_weaker_level_is_fooled_by_some_and_says_that_it_is_weaker():
    """So these attacks are real: with code and test in one process they pass."""
    by_name = {attack.name: attack.program for attack in ON_THE_VERDICT}
    for name in ("object equal to everything", "text equal to everything"):
        program = by_name[name] + "\nassert f(1) == 'what nobody could guess'\n"
        done = run_python(program)
        assert (done.outcome, done.level) == ("passed", Level.BUBBLEWRAP)


def test_an_honest_function_passes_before_and_after(host):
    for _ in range(2):
        done = check_function(
            FunctionTest("def f(x): return x + 1", "f", "def check(c):\n    assert c(1) == 2\n")
        )
        assert done.outcome == "passed", done
