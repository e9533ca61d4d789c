"""What the check of loaded weights costs, as a share of a load. Same folder, check on and off.

    python bench/load_check.py [MODEL] [--repeats 5] [--json]

A load here is what `weighbridge evaluate` does before its first sample: read, check, digest.
"""

import argparse
import contextlib
import json
import statistics
import time
from pathlib import Path

from weighbridge.models import reading
from weighbridge.models.open_weights import load
from weighbridge.sources.weights import default_cache, find_weights


@contextlib.contextmanager
def unchecked():
    """Load without looking at headers, at the loader's report and at the numbers."""
    kept = {name: getattr(reading, name) for name in ("stored_tensors", "require_plain_numbers")}
    check = reading._checked
    reading.stored_tensors = lambda folder: {}
    reading.require_plain_numbers = lambda tensors, folder: None
    reading._checked = lambda module, report, where: ()
    try:
        yield
    finally:
        reading._checked = check
        for name, function in kept.items():
            setattr(reading, name, function)


def seconds(location, cache):
    """Time one load."""
    began = time.perf_counter()
    load(location, cache=cache)
    return time.perf_counter() - began


def main():
    """Load alternately with and without the check and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    location = find_weights(asked.model)
    load(location, cache=asked.cache)  # converts, and fills the disk's cache
    checked, plain = [], []
    for _ in range(asked.repeats):
        checked.append(seconds(location, asked.cache))
        with unchecked():
            plain.append(seconds(location, asked.cache))
    found = {
        "model": asked.model,
        "checked_seconds": statistics.median(checked),
        "unchecked_seconds": statistics.median(plain),
    }
    found["ratio"] = found["checked_seconds"] / found["unchecked_seconds"]
    if asked.json:
        print(json.dumps(found))
    else:
        print(
            f"{asked.model}: {found['checked_seconds']:.2f} s with the check, "
            f"{found['unchecked_seconds']:.2f} s without: {found['ratio'] - 1:+.1%}"
        )


if __name__ == "__main__":
    main()
