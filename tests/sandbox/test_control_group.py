"""A jail's control group bounds what no process's own limit can, and goes with the jail."""

import pytest

from weighbridge.sandbox import control_group
from weighbridge.sandbox.function import FunctionTest, check_function
from weighbridge.sandbox.limits import Limits

grouped = pytest.mark.skipif(
    control_group.delegated() is None, reason="no control group is delegated to this user"
)
COUNTS_THREADS = """
import threading, time
def started():
    count = 0
    try:
        for count in range(200):
            threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
    except RuntimeError:
        pass
    return count
"""


@grouped
def test_threads_are_bounded_even_where_the_user_is_root():
    test = "def check(started):\n    assert 0 < started() <= 24, started()"
    task = FunctionTest(COUNTS_THREADS, "started", test)
    assert check_function(task, Limits(processes=24)).outcome == "passed"


@grouped
@pytest.mark.parametrize("program", ["def f(): return 1", "def f():\n    while True: pass"])
def test_no_group_outlives_its_jail(program):
    check_function(FunctionTest(program, "f", "def check(f): assert f() == 1"))
    assert not list(control_group.delegated().glob("weighbridge-jail-*"))


@pytest.mark.skipif(
    control_group.delegated() is not None, reason="a control group is delegated to this user"
)
def test_without_one_the_jail_holds_by_its_other_means():
    assert control_group.create(1 << 30, 64) is None
    passed = check_function(FunctionTest("def f(): return 1", "f", "def check(f): assert f() == 1"))
    assert passed.outcome == "passed"
