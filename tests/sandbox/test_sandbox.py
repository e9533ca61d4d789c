"""What gets out of the jail: nothing."""

import shutil
import time

import pytest

from jailed import jailed_processes
from weighbridge.errors import SandboxUnavailable
from weighbridge.sandbox import Level, Limits, probe, run_python

jailed = pytest.mark.skipif(
    probe().level is Level.NONE, reason=f"no sandbox: {probe().detail}; {probe().fix}"
)


@jailed
@pytest.mark.parametrize(
    "attack",
    [
        "import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import socket; socket.create_connection(('127.0.0.1', 22), 1)",
        "open('/etc/passwd').read()",
        "import os; os.listdir('/home')",
        "import os; assert os.environ.get('HOME')",
        "open('/usr/x', 'w')",
        "open('/x', 'w').write('x'); open('/tmp/../usr/x', 'w')",
        "open('/tmp/x', 'wb').write(b'x' * (1 << 28))",
        "x = 'a' * (1 << 31)",
        "def f(): f()\nf()",
        "raise MemoryError",
        "import ctypes; ctypes.string_at(0)",
    ],
)
def test_ends_as_a_failure(attack):
    assert run_python(attack).outcome == "failed"


@jailed
def test_an_honest_program_passes_and_sees_nothing_of_the_host():
    program = (
        "import os\n"
        "assert sorted(os.listdir('/tmp')) == []\n"
        "assert not os.path.exists('/home') and not os.path.exists('/etc/passwd')\n"
        "assert not os.path.exists('/proc') and os.getpid() < 20\n"
        "def is_open(descriptor):\n"
        "    try:\n"
        "        return bool(os.fstat(descriptor))\n"
        "    except OSError:\n"
        "        return False\n"
        "found = [n for n in range(2000) if is_open(n)]\n"
        "assert len(found) <= 4, found\n"
    )
    done = run_python(program)
    assert done.outcome == "passed", done.output
    assert done.level is Level.BUBBLEWRAP


@jailed
def test_endless_loops_and_output_are_cut():
    assert run_python("while True: pass", Limits(wall_seconds=0.6)).outcome == "timed_out"
    assert run_python("while True: print('x' * 999)").outcome == "output_limit"


@jailed
def test_processes_do_not_outlive_the_jail():
    program = (
        "import os, time\nfor _ in range(20):\n    os.fork() or time.sleep(60)\ntime.sleep(60)"
    )
    run_python(program, Limits(wall_seconds=0.8))
    deadline = time.monotonic() + 300  # they are killed at once, and gone when they are scheduled
    while left := jailed_processes():
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_without_a_jail_nothing_runs(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("bwrap") is None
    assert probe().level is Level.NONE
    with pytest.raises(SandboxUnavailable, match="bubblewrap"):
        run_python(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert not (tmp_path / "ran").exists()
