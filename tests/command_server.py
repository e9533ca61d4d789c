"""Starts commands out of a process that has imported what they need: seconds less for each.

    python command_server.py SOCKET PROCESS

It ends with PROCESS, which is the one that runs the tests.

Every command is still a process of its own, forked before anything was computed, with its own
arguments, folder, environment and files for input and output, and it ends as an interpreter ends.
What is left out is the import of torch and transformers, which would be most of the work of the
tests of the command line. `commands.weighbridge` asks it; a command whose outcome depends on how a
process starts (signals, limits, variables that libraries read when they are imported) does not.
"""

import array
import atexit
import gc
import importlib
import json
import os
import pkgutil
import shutil
import signal
import socket
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import NoReturn

import weighbridge

LIBRARIES = (
    "torch", "transformers.models.auto.modeling_auto", "transformers.models.llama.modeling_llama",
    "weighbridge.models.peft_library", "scipy.stats", "scipy.optimize", "altair", "openai",
    "rich.progress", "pyarrow.parquet",
)  # fmt: skip
NOT_OURS = ("weighbridge.__main__", "weighbridge.sandbox.inside")
"""What runs on import, and what runs in a jail."""


def serve(path: Path, tests: int) -> None:
    """Answer requests until the tests' process is gone; returns in a child that is a command."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(weighbridge.__path__, "weighbridge."):
        if not module.name.startswith(NOT_OURS):
            importlib.import_module(module.name)

    for finalizer, info in weakref.finalize._registry.items():
        if info.func.__module__ == "torch.library":  # would take torch apart at each command's end
            finalizer.atexit = False

    gc.freeze()  # the children share what is imported, and don't look through it for rubbish
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(8)
        listening.settimeout(2)
        while Path(f"/proc/{tests}").exists():
            try:
                asked, _ = listening.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                listening.close()
                if _attend(asked):
                    return
                os._exit(0)
            asked.close()
    shutil.rmtree(path.parent, ignore_errors=True)
    os._exit(0)


def _attend(asked: socket.socket) -> bool:
    """Fork the command, wait for it and say how it ended; True in the command itself."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked.settimeout(None)
    length, ancillary, _, _ = asked.recvmsg(8, socket.CMSG_LEN(12))
    files = array.array("i")
    for _, _, data in ancillary:
        files.frombytes(data)
    wanted = int.from_bytes(length, "big")
    request = b""
    while len(request) < wanted:
        request += asked.recv(wanted - len(request))
    child = os.fork()
    if child == 0:
        asked.close()
        _become(json.loads(request), files)
        return True
    for number in files:
        os.close(number)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    asked.sendall(str(status).encode())
    asked.close()
    return False


def _become(request: dict, files: "array.array[int]") -> None:
    for number, name in enumerate(files):
        os.dup2(name, number)
        os.close(name)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = request["argv"]
    tempfile.tempdir = None  # asked of the environment again


def _end(code: int) -> NoReturn:
    """End as an interpreter does, but for taking thousands of modules apart one by one."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
    from weighbridge.cli.main import main

    sys.path[0] = str(Path.cwd())  # as `python -m` has it
    try:
        main()
    except SystemExit as ended:
        _end(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
