"""What makes a finished run tamper-evident: canonical JSON (RFC 8785) under SHA-256."""

import hashlib
import heapq
import math
import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.records import Json, ScoredSample, canonical_json
from weighbridge.sources.regular_files import open_regular

SCHEMA_VERSION = 1
"""Of `run.json`."""
_SEALS_WITHOUT_FILE, _SEALS_WITH_FILE = 1, 2
SORTED_AT_ONCE = 16384

_LENGTH = struct.Struct("<I")
_REPEAT_AND_DIGEST = struct.Struct("<q32s")

_Key = tuple[bytes, int, bytes]  # sample id, repeat, digest of the line


@dataclass(frozen=True)
class Tally:
    """Totals of one pass over a run's samples.

    Attributes:
        digest: Of the samples, sorted by (sample id, repeat), with timing and charges left out: an
            interrupted run and an undisturbed one, or two of different speed, have the same.
        samples: How many there are.
        distinct: How many pairs of sample id and repeat.
        input_tokens: Tokens read.
        output_tokens: Tokens written.
        cost_usd: The sum of the charges.
        judge_cost_usd: The judge's part of it.
    """

    digest: str
    samples: int
    distinct: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    judge_cost_usd: float


def tally(samples: Iterable[ScoredSample]) -> Tally:
    """Read samples once, one at a time, and keep of each its id, repeat and digest."""
    count = input_tokens = output_tokens = 0
    charges, judged = array("d"), array("d")
    keys, packed = list[_Key](), list[bytes]()
    for sample in samples:
        count += 1
        input_tokens += sample.input_tokens
        output_tokens += sample.output_tokens
        charges.extend(charge.usd for charge in sample.charges)
        judged.extend(charge.usd for charge in sample.charges if charge.by == "judge")
        keys.append(_key(sample))
        if len(keys) == SORTED_AT_ONCE:
            packed.append(_pack(sorted(keys)))
            keys.clear()
    digest, distinct, last = hashlib.sha256(), 0, None
    for sample_id, repeat, line in heapq.merge(*map(_unpack, packed), sorted(keys)):
        digest.update(line)
        distinct += (sample_id, repeat) != last
        last = (sample_id, repeat)
    named = f"sha256:{digest.hexdigest()}"
    paid = math.fsum(charges), math.fsum(judged)
    return Tally(named, count, distinct, input_tokens, output_tokens, *paid)


def samples_digest(samples: Iterable[ScoredSample]) -> str:
    """Digest samples; see `Tally.digest`."""
    return tally(samples).digest


def seal_of(run_json: bytes, samples: str, samples_file: str | None) -> dict[str, Json]:
    """Return the seal over a run's `run.json`, its samples digest and the samples' file.

    Args:
        run_json: As it is written.
        samples: `Tally.digest`.
        samples_file: SHA-256 of `samples.jsonl` as it stands, timing and charges included; None in
            evidence of the first version, whose seal was over the other two alone.
    """
    run_digest = "sha256:" + hashlib.sha256(run_json).hexdigest()
    sealed = [run_digest, samples, *([samples_file] if samples_file else [])]
    whole = hashlib.sha256(canonical_json(sealed)).hexdigest()
    return {
        "schema_version": _SEALS_WITH_FILE if samples_file else _SEALS_WITHOUT_FILE,
        "algorithm": "sha256 over RFC 8785 canonical JSON",
        "run_digest": run_digest,
        "samples_digest": samples,
        **({"samples_file_digest": samples_file} if samples_file else {}),
        "seal": f"sha256:{whole}",
    }


def file_digest(path: Path) -> str:
    """Digest a file as it stands."""
    with open_regular(path, "a run's samples", within=path.parent) as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _key(sample: ScoredSample) -> _Key:
    line = hashlib.sha256(canonical_json(_lasting(sample))).digest()
    # UTF-8 sorts as code points do, which is how Python sorts texts.
    return sample.sample_id.encode("utf-8", "surrogatepass"), sample.repeat, line


def _lasting(sample: ScoredSample) -> dict[str, Json]:
    """Return a sample without timing and charges, as it enters the samples digest."""
    lasting = vars(replace(sample, latency_seconds=0)).copy()
    lasting.pop("charges")
    return lasting


def _pack(keys: Iterable[_Key]) -> bytes:
    """Concatenate keys into one bytes object, which takes a third of the memory."""
    return b"".join(
        _LENGTH.pack(len(sample_id)) + sample_id + _REPEAT_AND_DIGEST.pack(repeat, line)
        for sample_id, repeat, line in keys
    )


def _unpack(packed: bytes) -> Iterator[_Key]:
    at = 0
    while at < len(packed):
        (length,) = _LENGTH.unpack_from(packed, at)
        begin, end = at + _LENGTH.size, at + _LENGTH.size + length
        repeat, line = _REPEAT_AND_DIGEST.unpack_from(packed, end)
        yield packed[begin:end], repeat, line
        at = end + _REPEAT_AND_DIGEST.size
