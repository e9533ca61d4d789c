"""Processes of jails, told by their command line."""

import contextlib

import psutil


def jailed_processes():
    """Processes of jails that this process started, or that have lost their parent.

    The parser's jail is left out, which stands as long as this process does.
    """
    jailed = {}
    for process in psutil.process_iter(["pid", "ppid", "cmdline"]):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.info["cmdline"] or ())
            if "weighbridge.sandbox.inside" in command and "inside.parser" not in command:
                jailed[process.info["pid"]] = process.info["ppid"]
    own = psutil.Process().pid
    return {pid for pid, parent in jailed.items() if parent in (own, 1) or parent in jailed}
