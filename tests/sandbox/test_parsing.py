"""What a model wrote is parsed in a jail: it may cost that one, never the process that asks."""

import os
import resource
import signal
import threading
import time

import pytest

from weighbridge.evaluation.scorers.function_code import complete_function, extract_function
from weighbridge.sandbox import Level, look_at, parsing, probe

pytestmark = pytest.mark.skipif(
    probe().level is Level.NONE, reason=f"no sandbox: {probe().detail}; {probe().fix}"
)


def nested_finally(depth):
    """Each `finally` is compiled twice, so that the innermost stands 2^depth times in the code."""
    lines = [f"{' ' * n}try: x\n{' ' * n}finally:\n" for n in range(depth)]
    return "".join(lines) + " " * depth + "x;" * 50 + "\n"


def facts(source, name="f"):
    known = look_at(source, name, compiled=True)
    return known.parses, known.defines, known.goes_on, known.compiles


@pytest.mark.parametrize(
    "source, expected",
    [
        ("def f(x):\n    return x\n", (True, True, True, True)),
        ("def f(x):\n    'Doubles.'\n", (True, True, False, True)),
        ("f = lambda x: x", (True, True, False, True)),
        ("async def f(x): pass", (True, True, False, True)),
        ("def g(x):\n    def f(): pass\n", (True, False, False, True)),
        ("def f(x): 'x'\nreturn 1", (True, True, False, False)),
        ("def f(x", (False,) * 4),
        ("x = '\ud800'", (False,) * 4),
        ("x = '\0'", (False,) * 4),
        ("(" * 5000, (False,) * 4),
        ("x" + ".x" * 40_000, (False,) * 4),
        ("x = " + "9" * 5000, (False,) * 4),
        ("", (True, False, False, True)),
    ],
)
def test_it_says_what_a_source_is(source, expected):
    assert facts(source) == expected


def test_a_source_that_compiles_to_gigabytes_costs_this_process_nothing():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    source = nested_finally(19)
    assert len(source) < 1000
    assert facts(source) == (True, False, False, False)
    assert complete_function(source, "f", "def f(x):\n").program is None
    assert extract_function(f"```python\n{source}```", "f").program is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
    assert facts("def f(x): return x")[3]  # and the next text is read as before


def test_a_parser_that_died_is_started_again():
    assert look_at("f = 1", "f").parses
    first = parsing._parser._jail
    os.killpg(first.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while parsing._parser._jail is first:  # it may answer once more before it is gone
        assert look_at("f = 1", "f").parses
        assert time.monotonic() < deadline


def test_a_parser_that_is_silent_for_too_long_is_ended(monkeypatch):
    assert look_at("f = 1", "f").parses
    first = parsing._parser._jail
    monkeypatch.setattr(parsing, "LIMITS", parsing.Limits(wall_seconds=0.001))
    assert not look_at("x\n" * 40_000, "f").parses
    assert first.poll() is not None
    monkeypatch.undo()
    assert look_at("f = 1", "f").parses


def test_an_answer_that_nobody_waited_for_is_not_the_next_question_s(monkeypatch):
    assert look_at("f = 1", "f").parses

    def interrupted(jail, seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(parsing._Parser, "_read", staticmethod(interrupted))
        with pytest.raises(KeyboardInterrupt):
            look_at("f = 1", "f")
    assert not look_at("f(", "f").parses


def test_many_threads_ask_one_parser():
    found = {}

    def ask(number):
        source = f"def f{number}(): return {number}\n" * (1 + number)
        found[number] = look_at(source, f"f{number}").defines, look_at(source, "g").defines

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == dict.fromkeys(range(40), (True, False))


def test_it_outlives_the_thread_that_first_asked():
    """The kernel ends a jail with the thread that started it, so another is started."""
    parsing._parser.close()
    thread = threading.Thread(target=look_at, args=("f = 1", "f"))
    thread.start()
    thread.join()
    for _ in range(100):
        assert look_at("f = 1", "f").parses and not look_at("f(", "f").parses


def test_it_ends_with_the_process_that_asked():
    look_at("f = 1", "f")
    jail = parsing._parser._jail
    parsing._parser.close()
    deadline = time.monotonic() + 60
    while jail.poll() is None:
        assert time.monotonic() < deadline
    assert look_at("f = 1", "f").parses
