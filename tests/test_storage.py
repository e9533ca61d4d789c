"""Scratch folders don't outlive the process that made them."""

import os
import subprocess
import sys

from weighbridge.storage import scratch_folder

_KILLED = """
import os, signal, sys
from pathlib import Path
from weighbridge.storage import scratch_folder
with scratch_folder("trial", Path(sys.argv[1])) as folder:
    (folder / "file").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next_and_a_living_ones_folder_is_not(
    tmp_path,
):
    subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert (left / "file").is_file()
    living = tmp_path / f".partial-trial-{os.getppid()}-x"
    living.mkdir()
    with scratch_folder("trial", tmp_path) as folder:
        assert folder.is_dir() and living.is_dir() and not left.exists()
    assert list(tmp_path.iterdir()) == [living]
