"""What the check of loaded weights costs, as a share of a load. Peer: the same load without it.

    python bench/load_check.py [MODEL] [--repeats 9] [--json]

A load is what `weighbridge evaluate` does before its first sample: read, check, digest. What the
check takes is measured inside loads, because two loads differ by more than it takes. Numbers are
looked at stretch by stretch between two reads of the digest; what cutting and looking take is in
it. Counted are processor seconds on one thread, and the least and the median of several shares are
told: a busy machine adds to both.
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

_PARTS = ("stored_tensors", "require_plain_numbers", "_checked")  # headers, names, numbers


@contextlib.contextmanager
def counted():
    """Yield a list that gets the seconds of each part of the check."""
    kept, spent = {name: getattr(reading, name) for name in (*_PARTS, "_stretches")}, []

    def timed(part):
        def run(*given):
            began = time.process_time()
            try:
                return part(*given)
            finally:
                spent.append(time.process_time() - began)

        return run

    def stretches(*given):
        cut = kept["_stretches"](*given)
        following = timed(lambda: next(cut, None))
        while (stretch := following()) is not None:
            yield stretch

    for name in _PARTS:
        setattr(reading, name, timed(kept[name]))
    reading._stretches = stretches
    try:
        yield spent
    finally:
        for name, part in kept.items():
            setattr(reading, name, part)


def main():
    """Load several times and print the check's share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    location = find_weights(asked.model)
    load(location, cache=asked.cache, threads=1)  # converts, fills the disk's cache
    found = []
    for _ in range(asked.repeats):
        with counted() as spent:
            began = time.process_time()
            load(location, cache=asked.cache, threads=1)
            whole = time.process_time() - began
        found.append((sum(spent) / whole, whole, sum(spent)))
    share, whole, check = min(found)
    told = {
        "model": asked.model,
        "checked_seconds": whole,
        "unchecked_seconds": whole - check,
        "ratio": whole / (whole - check),
        "share": share,
        "median_share": statistics.median(share for share, _, _ in found),
    }
    print(
        json.dumps(told)
        if asked.json
        else f"{asked.model}: {whole:.3f} s with the check, {whole - check:.3f} s without: "
        f"{told['ratio'] - 1:+.1%} (median share of a load {told['median_share']:.1%})"
    )


if __name__ == "__main__":
    main()
