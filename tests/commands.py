"""Commands as a person types them: in a process of their own, with nothing read from ours."""

import os
import subprocess
import sys


def weighbridge(*words, cwd, env=None, **options):
    """Run a command to its end; however slow the machine is, it is waited for."""
    return subprocess.run(
        [sys.executable, "-m", "weighbridge", *map(str, words)], capture_output=True, text=True,
        cwd=cwd, env={**os.environ, **(env or {})}, **options,
    )  # fmt: skip
