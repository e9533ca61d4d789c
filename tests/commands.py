"""Commands as a person types them: in a process of their own, with nothing read from ours."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

_EARLY = ("HF_", "TRANSFORMERS_", "OMP_", "PYTHON", "LD_")
"""Variables that Python or a library reads when it starts: such a command starts afresh."""
_OURS = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "HF_XET_HIGH_PERFORMANCE")
"""Those that the product, or lm-evaluation-harness, sets itself; the server is always offline."""


def _read_early(variables):
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(_EARLY) and (name not in _OURS or value != "1")
    }


_AT_FIRST = _read_early(os.environ)
"""As the server of commands has them: a test may have set others, here or for one command."""
_folder: Path | None = None
_server: subprocess.Popen | None = None


def weighbridge(*words, cwd=None, env=None, fresh=False, **options):
    """Run a command to its end; however slow the machine is, it is waited for.

    Args:
        words: The command line.
        cwd: Its working folder; else ours.
        env: Variables beside our own.
        fresh: Whether it must start from nothing, and not out of a process that has imported
            the libraries already.
        options: `input` and others of `subprocess.run`.
    """
    done = _run(list(map(str, words)), cwd, env, fresh, options)
    if "--json" in done.args:
        _check_document(list(map(str, words)), done.stdout)
    return done


def _run(words, cwd, env, fresh, options):
    variables = {**os.environ, **(env or {})}
    early = _read_early(variables) != _AT_FIRST
    if fresh or early or options or os.environ.get("WEIGHBRIDGE_TEST_FRESH"):
        return subprocess.run(
            [sys.executable, "-m", "weighbridge", *words], capture_output=True, text=True,
            cwd=cwd, env=variables, **options,
        )  # fmt: skip
    argv = [str(Path(__file__).parent.parent / "weighbridge"), *words]
    request = json.dumps({"argv": argv, "cwd": str(cwd or Path.cwd()), "env": variables}).encode()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with Path(os.devnull).open("rb") as nothing, _connected() as asking:
            socket.send_fds(
                asking, [len(request).to_bytes(8, "big")],
                [nothing.fileno(), out.fileno(), err.fileno()],
            )  # fmt: skip
            asking.sendall(request)
            code = int(asking.makefile("rb").read())
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode().replace("\r\n", "\n").replace("\r", "\n"))
    return subprocess.CompletedProcess(words, code, *texts)


def _check_document(words, stdout):
    """See that a printed document has the keys and types that `weighbridge.documents` promises."""
    from conforming import document_faults

    try:
        document = json.loads(stdout)
    except ValueError:  # the test itself expects a document, or expects none
        return
    found = document_faults(words, document)
    assert not found, f"weighbridge {' '.join(words)} --json: {'; '.join(found[:5])}"


def _connected() -> socket.socket:
    """Connect to the server of commands, which the first command of all workers starts."""
    global _folder
    if not _folder:
        _folder = _shared_folder()
    asking = socket.socket(socket.AF_UNIX)
    try:
        asking.connect(f"{_folder}/asked")
        return asking
    except OSError:
        asking.close()
    with (_folder / "lock").open("w") as lock:  # whoever else needs one waits for this one
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _started()


def _shared_folder() -> Path:
    """Return where the server's socket is: one for a run of tests, however many its workers."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    folder = Path(tempfile.gettempdir()) / f"commands-{run[:16]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _started() -> socket.socket:
    """Connect to the server, and start it if no other worker has."""
    global _server
    while True:
        asking = socket.socket(socket.AF_UNIX)
        try:
            asking.connect(f"{_folder}/asked")
            return asking
        except OSError:
            asking.close()
        if _server is None:
            tests = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
            _server = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("command_server.py")),
                 f"{_folder}/asked", str(tests)],
                env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        if _server.poll() is not None:
            raise RuntimeError(f"the server of commands ended: {_server.returncode}")
        time.sleep(0.05)
