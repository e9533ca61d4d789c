"""Checks a sealed run: digests, identity, and every figure recomputed from the samples."""

import json
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from weighbridge.errors import WeighbridgeError
from weighbridge.evidence.journal import read_samples
from weighbridge.evidence.seal import Tally, seal_of, tally
from weighbridge.evidence.stopped import stopping_checks
from weighbridge.evidence.store import read_run, run_identity
from weighbridge.records import Estimate, EvalRun, Json
from weighbridge.statistics import estimate

TOLERANCE = 1e-12  # floating-point sums in another order; nothing else


@dataclass(frozen=True)
class Check:
    """One thing that was checked, and what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Verification:
    """All checks of one run."""

    run_id: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)


def verify(folder: Path) -> Verification:
    """Check a run; whatever is wrong with its files becomes a failed check."""
    try:
        data = (folder / "run.json").read_bytes()
        document = json.loads(data)
        seal = json.loads((folder / "seal.json").read_bytes())
        run = read_run(folder, samples=False)
        samples = folder / "samples.jsonl"
        read = tally(read_samples(samples))
        again = estimate(
            read_samples(samples), run.estimate.aggregate, run.estimate.scale, run.slicing
        )
        checks = [
            *_digests(data, document, seal, run, read),
            _items(document, read),
            *_totals(document["provenance"], read),
            *_figures(run.estimate, again, document["estimate"].keys()),
            *_origin(run),
        ]
        if run.stopped is not None:
            found = stopping_checks(folder, document["identity_fields"])
            checks += [Check(name, _close(a, b), _shown(a, b)) for name, a, b in found]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, WeighbridgeError) as error:
        checks = [Check("readable", False, str(error) or type(error).__name__)]
    return Verification(folder.name, tuple(checks))


def _digests(
    data: bytes, document: dict[str, Json], seal: dict[str, Json], run: EvalRun, read: Tally
) -> list[Check]:
    checks = [
        _equal("samples digest", run.samples_digest, read.digest),
        _equal("identity", run.identity, run_identity(document["identity_fields"])),
    ]
    expected = seal_of(data, read.digest)
    checks += [_equal(f"seal: {key}", seal.get(key), value) for key, value in expected.items()]
    model = document["identity_fields"].get("model")
    if isinstance(model, dict):
        checks.append(_equal("model", dict(run.model.identity), model))
    return checks


def _origin(run: EvalRun) -> list[Check]:
    """Say where the trust begins: what came before the samples is as good as the files."""
    origin = run.provenance.origin
    if origin is None:
        return []
    by = f"{origin.harness} {origin.version or '(version not stated)'}"
    return [Check("origin", True, f"imported from {by}: checked from its samples on")]


def _items(document: dict[str, Json], read: Tally) -> Check:
    planned = document["planned_samples"]
    whole = read.distinct == read.samples == planned
    return Check("items", whole, f"{read.distinct} distinct of {read.samples}, planned {planned}")


def _totals(stated: dict[str, Json], read: Tally) -> list[Check]:
    """Add up again what the samples read, wrote and cost; each charge is tokens times a rate.

    Runs sealed by older versions don't tell the judge's part apart.
    """
    again = asdict(read)
    return [
        Check(f"total {name}", _close(stated[name], again[name]), _shown(stated[name], again[name]))
        for name in ("input_tokens", "output_tokens", "cost_usd", "judge_cost_usd")
        if name in stated
    ]


def _figures(run: Estimate, recomputed: Estimate, named: Collection[str]) -> list[Check]:
    """Recompute what a run states; runs sealed by older versions state fewer figures."""
    stated, again = asdict(run), asdict(recomputed)
    return [
        Check(
            f"figure {name}", _close(stated[name], again[name]), _shown(stated[name], again[name])
        )
        for name in again
        if name in named
    ]


def _close(a: Json, b: Json) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, float):  # JSON writes 3.0 as 3
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_close(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_close, a, b))
    return bool(a == b)


def _shown(stated: Json, again: Json) -> str:
    if _close(stated, again):
        text = str(stated)
        return text if len(text) < 60 else f"{text[:57]}…"
    return f"stated {stated}, recomputed {again}"


def _equal(name: str, stated: Json, recomputed: Json) -> Check:
    if stated == recomputed:
        return Check(name, True, str(stated)[:60])
    return Check(name, False, f"stated {stated}, recomputed {recomputed}")
