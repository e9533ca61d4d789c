"""What the check of loaded weights costs, as a share of a load. Peer: the same load without it.

    python bench/load_check.py [MODEL] [--repeats 9] [--json]

A load is what `weighbridge evaluate` does before its first sample: read, check, digest. What the
check takes is measured inside loads, because two loads differ by more than it takes. Numbers are
looked at while they are digested; that part is the difference of two digests of the same weights,
with the look and without, the least of several each. Counted are processor seconds on one thread,
and the least of several shares is told: a busy machine adds to both.
"""

import argparse
import contextlib
import json
import time
from pathlib import Path

from weighbridge.models import reading
from weighbridge.models.open_weights import load
from weighbridge.sources.weights import default_cache, find_weights

_PARTS = ("stored_tensors", "require_plain_numbers", "_checked")  # headers, names, numbers


@contextlib.contextmanager
def counted():
    """Yield a list that gets the seconds of each part of the check."""
    kept, spent = {name: getattr(reading, name) for name in _PARTS}, []

    def timed(part):
        def run(*given):
            began = time.process_time()
            try:
                return part(*given)
            finally:
                spent.append(time.process_time() - began)

        return run

    for name, part in kept.items():
        setattr(reading, name, timed(part))
    try:
        yield spent
    finally:
        for name, part in kept.items():
            setattr(reading, name, part)


def looked(module, repeats):
    """Return the seconds by which a digest is longer when it looks at the numbers."""
    tensors, least = dict(module.named_parameters()), {}
    for _ in range(repeats):
        for finite in (None, set()):
            began = time.process_time()
            reading.digest_tensors(tensors, finite)
            took = time.process_time() - began
            least[finite is None] = min(took, least.get(finite is None, took))
    return max(0.0, least[False] - least[True])


def main():
    """Load several times and print the check's share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    location = find_weights(asked.model)
    model = load(location, cache=asked.cache, threads=1)  # converts, fills the disk's cache
    look, found = looked(model.network.causal, asked.repeats), []
    for _ in range(asked.repeats):
        with counted() as spent:
            began = time.process_time()
            load(location, cache=asked.cache, threads=1)
            whole = time.process_time() - began
        found.append(((sum(spent) + look) / whole, whole, sum(spent) + look))
    share, whole, check = min(found)
    told = {
        "model": asked.model,
        "checked_seconds": whole,
        "unchecked_seconds": whole - check,
        "ratio": whole / (whole - check),
        "share": share,
    }
    print(
        json.dumps(told)
        if asked.json
        else f"{asked.model}: {whole:.3f} s with the check, {whole - check:.3f} s without: "
        f"{told['ratio'] - 1:+.1%}"
    )


if __name__ == "__main__":
    main()
