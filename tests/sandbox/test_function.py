"""A function tested from outside its jail behaves as if it stood beside its test."""

import threading
import time

import pytest

from weighbridge.errors import SandboxUnavailable
from weighbridge.sandbox import (
    Execution,
    FunctionTest,
    Level,
    Limits,
    Probe,
    check_function,
    jail,
    probe,
    run_calibrated,
    run_python,
)
from weighbridge.sandbox.calibration import Lanes

jailed = pytest.mark.skipif(
    probe().level is not Level.OUTSIDE_TESTER,
    reason=f"no such sandbox: {probe().detail}; {probe().fix}",
)


ALL_KINDS = "(1, 1.5, -0.0, 1j, None, True, b'x', {1}, frozenset([2]), 2 ** 99, 'x', [()], {1: 2})"


def checked(program, *lines, setup=""):
    test = "def check(candidate):\n" + "".join(f"    {line}\n" for line in lines)
    return check_function(FunctionTest(program, "f", test, setup))


@jailed
@pytest.mark.parametrize(
    "program, lines",
    [
        ("def f(*a, **k): return [a, k]", ["assert candidate(1, b=(2,)) == [(1,), {'b': (2,)}]"]),
        ("def f(x): x.sort()", ["x = [2, 1]", "assert candidate(x) is None", "assert x == [1, 2]"]),
        ("def f(x): x['a'].add(3)", ["x = {'a': {1}}; candidate(x)", "assert x['a'] == {1, 3}"]),
        ("def f(k): k.append(1)", ["x = []", "candidate(k=x)", "assert x == [1]"]),
        (
            "def f(x): raise KeyError('gone')",
            ["try: candidate(1)", "except KeyError as e: assert e.args == ('gone',)"],
        ),
        (
            "class Own(ValueError): pass\ndef f(x): raise Own",
            ["try: candidate(1)", "except ValueError: pass", "else: 1 / 0"],
        ),
        ("l = []\ndef f(): l.append(1); return len(l)", ["candidate(); assert candidate() == 2"]),
        ("print('x'); f = lambda x: print(x) or x", ["assert candidate('\\ud800') == '\\ud800'"]),
        ("f = lambda: float('nan')", ["x = candidate(); assert x != x"]),
        (f"f = lambda: {ALL_KINDS}", [f"assert candidate() == {ALL_KINDS}"]),
        (
            "from dataclasses import *\n@dataclass\nclass P:\n    x: 'int'\nf = lambda x: P(x).x",
            ["assert candidate(3) == 3"],
        ),
        ("if __name__ == '__main__': input()\nf = abs", ["assert candidate(-1) == 1"]),
    ],
)  # fmt: skip
def test_what_holds_beside_the_test_holds_from_outside(program, lines):
    done = checked(program, *lines)
    assert (done.outcome, done.level) == ("passed", Level.OUTSIDE_TESTER), done


@jailed
@pytest.mark.parametrize(
    "program, line, told",
    [
        (
            "def f(x): return 3",
            "assert candidate(1) == 2",
            "AssertionError at: assert candidate(1)",
        ),
        ("def f(x): return y", "candidate(1)", "NameError: name 'y' is not defined"),
        ("def g(x): return y", "candidate(1)", "NameError: name 'f' is not defined"),
        ("def f(x): return object()", "candidate(1)", "returned a object, which is no plain data"),
        ("def f(x): x.append(len)", "candidate([])", "left a builtin_function_or_method in an arg"),
        ("import os\ndef f(x): os._exit(0)", "candidate(1)", "its process ended"),
        ("raise SystemExit", "candidate(1)", "SystemExit"),
    ],
)
def test_a_failure_says_what_it_failed_on(program, line, told):
    done = checked(program, line)
    assert done.outcome == "failed"
    assert told in done.error


@jailed
def test_no_test_can_swallow_what_is_not_plain():
    lines = ["try: candidate(1)", "except BaseException: pass", "return"]
    assert checked("def f(x): return object()", *lines).outcome == "failed"


@jailed
def test_the_test_s_own_faults_are_not_the_candidate_s():
    for lines in (["candidate(len)"], ["1 / 0"], ["pass"]):
        assert checked("def f(x): return 1", *lines).outcome == "infrastructure"
    broken = FunctionTest("def f(x): return 1", "f", "def check(", "")
    assert check_function(broken).outcome == "infrastructure"


@jailed
def test_helpers_are_the_benchmark_s_own():
    setup = "def expected(x): return x + 1"
    hostile = "def expected(x): return 0\ndef f(x): return 0"
    assert checked(hostile, "assert candidate(1) == expected(1)", setup=setup).outcome == "failed"
    honest = "def f(x): return x + 1"
    assert checked(honest, "assert candidate(1) == expected(1)", setup=setup).outcome == "passed"


@jailed
def test_expected_values_do_not_reach_the_candidate_s_jail():
    """What it is given is its own program, and what calls pass."""
    program = (
        "import gc\n"
        "def f(x):\n"
        "    seen = [o for h in gc.get_objects() for o in gc.get_referents(h) if type(o) is str]\n"
        "    return [s for s in seen if ''.join(('tell', 'tale')) in s]\n"
    )
    done = checked(program, "# telltale", "x = 'telltale'", "assert candidate(1) == []")
    assert done.outcome == "passed", done


@jailed
def test_a_slow_machine_does_not_change_the_score():
    """The first limit is too short for anything; the reference says how long it takes here."""
    test = "def check(c):\n    assert c() == 1\n"

    def run(program, limits):
        return check_function(FunctionTest(program, "f", test), limits)

    hasty = Limits(wall_seconds=0.02)
    right = "def f(): return 1"
    assert run(right, hasty).outcome == "timed_out"
    assert run_calibrated(run, right, right, hasty).outcome == "passed"
    assert run_calibrated(run, "def f(): return 2", right, hasty).outcome == "failed"
    endless = run_calibrated(run, "while True: pass", right, hasty)
    assert endless.outcome == "timed_out" and endless.wall_seconds > 0.2
    nobody = run_calibrated(run, "while True: pass", "def f(): return 2", hasty)
    assert nobody.outcome == "infrastructure" and "reference" in nobody.error


def test_without_a_reference_what_ran_out_of_time_beside_others_runs_once_more_alone():
    """So a neighbour that takes the whole machine makes no right function fail."""
    outcomes, tried = ["timed_out", "passed", "failed"], []

    def run(program, limits):
        tried.append((program, limits))
        return Execution(outcomes.pop(0), None, "", "", 1.0, Level.OUTSIDE_TESTER)

    for ended in ("passed", "failed"):
        assert run_calibrated(run, "f = 1", "", Limits(2.0)).outcome == ended
    assert tried == [("f = 1", Limits(2.0))] * 3


def test_who_runs_alone_runs_alone():
    lanes, running, most, alone = Lanes(), [], [], []

    def beside():
        with lanes.beside_others():
            running.append(1)
            most.append(len(running))
            time.sleep(0.01)
            running.pop()

    def by_itself():
        with lanes.alone():
            alone.append(len(running))
            time.sleep(0.01)
            alone.append(len(running))

    threads = [threading.Thread(target=by_itself if n % 4 == 0 else beside) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert max(most) > 1 and alone == [0] * 12


def test_below_the_level_asked_for_nothing_runs(monkeypatch):
    weaker = Probe(Level.BUBBLEWRAP, "no seccomp here", "another kernel")
    monkeypatch.setattr(jail, "probe", lambda: weaker)
    with pytest.raises(SandboxUnavailable, match=r"level bubblewrap \(no seccomp here\)"):
        checked("def f(x): return 1", "candidate(1)")
    if probe().level is not Level.NONE:
        assert run_python("pass").level is Level.BUBBLEWRAP


@jailed
def test_a_program_can_t_pass_its_failure_off_as_the_jail_s():
    """At the weaker level too: what is lost to the machine is left out of the mean."""
    done = run_python("import os\nos.write(2, b'bwrap: no space left\\n')\nos._exit(1)")
    assert done.outcome == "failed"


def test_a_loop_of_the_test_is_not_ended_by_what_the_function_raises():
    test = "def check(c):\n    for got in map(c, [1, 2, 3]):\n        assert got == 'unknown'\n"
    for error in ("StopIteration", "StopIteration(7)", "StopAsyncIteration"):
        done = check_function(FunctionTest(f"def f(x): raise {error}", "f", test))
        assert done.outcome == "failed", done
        assert error.split("(")[0] in done.error


def test_a_case_may_expect_any_exception_by_name():
    for name in ("StopIteration", "UnicodeDecodeError", "KeyError", "OSError", "ExceptionGroup"):
        made = {
            "UnicodeDecodeError": "b'\\xff'.decode()",
            "ExceptionGroup": "raise ExceptionGroup('x', [ValueError(1)])",
        }.get(name, f"raise {name}('x')")
        test = (
            "def check(c):\n    try:\n        c(1)\n    except Exception as error:\n"
            f"        assert any(k.__name__ == {name!r} for k in type(error).__mro__), error\n"
            "        assert len(str(error)) < 3000\n    else:\n        raise AssertionError\n"
        )
        done = check_function(FunctionTest(f"def f(x):\n    {made}", "f", test))
        assert done.outcome == "passed", (name, done)


def test_a_tester_that_dies_once_the_function_was_heard_is_the_function_s_failure():
    dies = "import os\ndef check(c):\n    c(1)\n    os._exit(3)\n"
    assert check_function(FunctionTest("def f(x): return x", "f", dies)).outcome == "failed"
    early = "import os\nos._exit(3)\ndef check(c):\n    c(1)\n"
    done = check_function(FunctionTest("def f(x): return x", "f", early))
    assert done.outcome == "infrastructure"


def test_a_lock_in_one_jail_holds_up_no_other():
    holding = "import fcntl, time, os\nopened = open(os.__file__)\ntry: fcntl.flock(opened, 2)\n"
    holding += "except OSError: pass\ndef f(x): return x"
    for program in (holding, "def f(x): return x"):
        done = check_function(FunctionTest(program, "f", "def check(c):\n    assert c(1) == 1\n"))
        assert done.outcome == "passed", done
