"""What makes a finished run tamper-evident: canonical JSON (RFC 8785) under SHA-256."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from weighbridge.records import Json, ScoredSample, canonical_json

SCHEMA_VERSION = 1


def samples_digest(samples: Iterable[ScoredSample]) -> str:
    """Digest samples, sorted by (sample id, repeat), with timing left out.

    So an interrupted run and an undisturbed one, or two runs of different speed, have the same.
    """
    lines = sorted(
        (
            s.sample_id,
            s.repeat,
            hashlib.sha256(canonical_json(replace(s, latency_seconds=0))).digest(),
        )
        for s in samples
    )
    digest = hashlib.sha256()
    for _, _, line in lines:
        digest.update(line)
    return f"sha256:{digest.hexdigest()}"


def seal_of(run_json: bytes, samples: str) -> dict[str, Json]:
    """Return the seal over a run's `run.json` and its samples digest."""
    run_digest = "sha256:" + hashlib.sha256(run_json).hexdigest()
    both = hashlib.sha256(canonical_json([run_digest, samples])).hexdigest()
    return {
        "schema_version": SCHEMA_VERSION,
        "algorithm": "sha256 over RFC 8785 canonical JSON",
        "run_digest": run_digest,
        "samples_digest": samples,
        "seal": f"sha256:{both}",
    }
