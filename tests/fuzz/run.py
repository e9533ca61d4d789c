"""Fuzz every parser of foreign bytes: `make fuzz`, or `python -m fuzz.run --inputs N` in `tests`.

One process, one thread. Valid inputs of each kind are changed in structure and in bytes under
hypothesis; what comes out may be a value or a WeighbridgeError. Prints a table, and each failure
with the input that makes it; exit 1 where there is one.
"""

import argparse
import base64
import faulthandler
import resource
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.mutations import AT_A_DRAW, PLANS, plans_in, read_plan
from fuzz.parsers import Parser, parsers, with_torch
from weighbridge.errors import WeighbridgeError

MOST_BYTES = 6 << 30
MOST_SECONDS = 20
AT_ONCE = 1000  # hypothesis remembers the inputs of one round


class TooSlow(BaseException):
    """One input took longer than any may."""


def changed(parser: Parser, plan: bytes) -> bytes:
    """Return one of the parser's seeds, changed."""
    which, ops = read_plan(plan)
    whole = (*parser.seeds, *parser.foreign)
    data = whole[which % len(whole)]
    for op in ops:
        data = parser.mutate(data, op)
    return data


def fuzz(parser: Parser, inputs: int, first_seed: int, derandomized: bool = False) -> dict:
    """Read so many changed inputs; returns what raised, by its kind and place, with the input."""
    found: dict[str, tuple[bytes, str]] = {}
    count = refused = 0

    def one(plan: bytes) -> None:
        nonlocal count, refused
        data = changed(parser, plan)
        count += 1
        try:
            parser.read(data)
        except WeighbridgeError as error:
            refused += 1
            if len(str(error).splitlines()) > 1:
                found.setdefault(f"{type(error).__name__} of several lines", (data, str(error)))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
            shown = traceback.format_exc()
            if place not in found or len(data) < len(found[place][0]):
                found[place] = (data, shown)

    def several(drawn: bytes) -> None:
        for plan in plans_in(drawn):
            one(plan)

    number = 0
    while count < inputs:
        number += 1
        options = settings(
            max_examples=min(AT_ONCE, -(-(inputs - count) // AT_A_DRAW)),
            deadline=None, database=None,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            derandomize=derandomized,
        )  # fmt: skip
        test = given(PLANS)(several)
        if not derandomized:
            test = seed(first_seed + number)(test)
        options(test)()
        if derandomized:
            break
    return {"inputs": count, "refused": refused, "found": found}


def main() -> int:
    """Run the target."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--inputs", type=int, default=1_000_000)
    asked.add_argument("--only", default="", help="parsers whose name holds this")
    asked.add_argument("--seed", type=int, default=int(time.time()))
    asked.add_argument("--without-torch", action="store_true")
    options = asked.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    faulthandler.enable()

    def too_slow(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, too_slow)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        every = parsers(Path(place))
        if not options.without_torch:
            every += with_torch(Path(place))
        every = [parser for parser in every if options.only in parser.name]
        return _run(every, options.inputs, options.seed)


def _run(every: list[Parser], inputs: int, first_seed: int) -> int:
    whole = sum(parser.share for parser in every)
    print(f"{'parser':<34}{'inputs':>9}{'refused':>9}{'seconds':>9}  failures (seed {first_seed})")
    total, failures = 0, 0
    for parser in every:
        timed = replace(parser, read=_watched(parser.read))
        began = time.perf_counter()
        done = fuzz(timed, max(1, round(inputs * parser.share / whole)), first_seed)
        took = time.perf_counter() - began
        total, failures = total + done["inputs"], failures + len(done["found"])
        kinds = ", ".join(done["found"]) or "none"
        print(f"{parser.name:<34}{done['inputs']:>9,}{done['refused']:>9,}{took:>9,.0f}  {kinds}",
              flush=True)  # fmt: skip
        for data, shown in done["found"].values():
            print(f"    {base64.b64encode(data[:3000]).decode()}\n{shown}", file=sys.stderr)
    print(f"{'all':<34}{total:>9,}   failures: {failures}")
    return int(failures > 0)


def _watched(read: object) -> object:
    def timed(data: bytes) -> None:
        signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
        try:
            read(data)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return timed


if __name__ == "__main__":
    sys.exit(main())
