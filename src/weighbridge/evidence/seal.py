"""What makes a finished run tamper-evident: canonical JSON (RFC 8785) under SHA-256."""

import hashlib
import heapq
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.evidence.payload import FIRST_VERSION, UNNAMED, Count, Payload, Sample
from weighbridge.records import Json, canonical_json
from weighbridge.sources.regular_files import open_regular

SEAL_VERSION = 2
"""Newest version of `seal.json`."""
_SEALS_WITHOUT_FILE, _SEALS_WITH_FILE = 1, SEAL_VERSION
SORTED_AT_ONCE = 16384

_LENGTH = struct.Struct("<I")
_REPEAT_AND_DIGEST = struct.Struct("<q32s")

_Key = tuple[bytes, int, bytes]  # sample id, repeat, digest of the line


@dataclass(frozen=True)
class Tally:
    """Result of one pass over a run's samples.

    Attributes:
        digest: Digest of the samples, sorted by id and repeat, without timing, so that an
            interrupted run and an undisturbed one, or a slow and a fast one, have the same.
        samples: Number of samples.
        distinct: Number of different pairs of id and repeat.
    """

    digest: str
    samples: int
    distinct: int


def tally(
    samples: Iterable[Sample], payload: Payload[Sample, Any], count: Count[Sample] | None = None
) -> Tally:
    """Read samples once, one at a time, and keep of each its id, repeat and digest.

    Args:
        samples: The samples, in any order.
        payload: The kind of evidence, at the version whose fields are digested.
        count: The payload's own totals, to which each sample is added.
    """
    number, keys, packed = 0, list[_Key](), list[bytes]()
    for sample in samples:
        number += 1
        if count is not None:
            count.add(sample)
        keys.append(_key(sample, payload))
        if len(keys) == SORTED_AT_ONCE:
            packed.append(_pack(sorted(keys)))
            keys.clear()
    digest, distinct, last = hashlib.sha256(_beginning(payload)), 0, None
    for sample_id, repeat, line in heapq.merge(*map(_unpack, packed), sorted(keys)):
        digest.update(line)
        distinct += (sample_id, repeat) != last
        last = (sample_id, repeat)
    return Tally(f"sha256:{digest.hexdigest()}", number, distinct)


def samples_digest(samples: Iterable[Sample], payload: Payload[Sample, Any]) -> str:
    """Digest samples; see `Tally.digest`."""
    return tally(samples, payload).digest


def _beginning(payload: Payload[Any, Any]) -> bytes:
    """Return what a samples digest begins with: the kind and version of the samples.

    The first version of the first kind is older than this, and begins with nothing.
    """
    if (payload.name, payload.version) == (UNNAMED, FIRST_VERSION):
        return b""
    return canonical_json({"payload": payload.name, "schema_version": payload.version})


def seal_of(run_json: bytes, samples: str, samples_file: str | None) -> dict[str, Json]:
    """Return the seal over a run's `run.json`, its samples digest and the samples' file.

    Args:
        run_json: The bytes of `run.json`.
        samples: `Tally.digest`.
        samples_file: SHA-256 of `samples.jsonl` as it stands, everything included; None in
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


def _key(sample: Sample, payload: Payload[Sample, Any]) -> _Key:
    sample_id, repeat = payload.place(sample)
    line = hashlib.sha256(canonical_json(payload.lasting(sample))).digest()
    # UTF-8 sorts as code points do, which is how Python sorts texts.
    return sample_id.encode("utf-8", "surrogatepass"), repeat, line


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
