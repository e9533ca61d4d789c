"""Commands as a person types them: in a process of their own, with nothing read from ours."""

import json
import os
import subprocess
import sys


def weighbridge(*words, cwd, env=None, **options):
    """Run a command to its end; however slow the machine is, it is waited for."""
    return subprocess.run(
        [sys.executable, "-m", "weighbridge", *map(str, words)], capture_output=True, text=True,
        cwd=cwd, env={**os.environ, **(env or {})}, **options,
    )  # fmt: skip


SEVERAL = """
import contextlib, io, json, os, sys
from weighbridge.cli.main import main
found = []
for words, cwd in json.loads(sys.stdin.read()):
    os.chdir(cwd)
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["weighbridge", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""


def several(commands, env=None):
    """Run commands one after the other in one child, which imports what they need only once.

    Args:
        commands: Words and working folder of each.
        env: Variables beside our own.
    """
    asked = json.dumps([[list(map(str, words)), str(cwd)] for words, cwd in commands])
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL], input=asked, capture_output=True, text=True,
        env={**os.environ, **(env or {})},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    return [subprocess.CompletedProcess(words, *found) for (words, _), found in
            zip(commands, answers, strict=True)]  # fmt: skip
