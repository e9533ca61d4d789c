"""Training data: licence, secrets, personal data, and the benchmarks' own items."""

from collections.abc import Iterator

from weighbridge.catalog.licences import commercial_use
from weighbridge.records.attack import HITS, SCORED, AttackRun
from weighbridge.release.bounds import at_most
from weighbridge.release.case import Case
from weighbridge.release.data_scan import DataScan
from weighbridge.release.gate import Finding, Gate, every, failed, insufficient, passed


def _decide(case: Case) -> Finding:
    step = case.step("data")
    if step is None:
        turns = "a model whose record names its training data by digest"
        return insufficient("the record of origin names no training data", turns)
    scanned = _scanned(case, dict(step.facts), step.digest)
    return every((_licence(case), *scanned, _by_heart(case)))


def _licence(case: Case) -> Finding:
    step = case.step("data")
    recorded = step.facts.get("licence") if step else None
    stated = case.statement.data_licence
    if isinstance(recorded, str) and stated and recorded.lower() != stated.lower():
        why = f"the data's licence is {stated} as stated, and {recorded} in the record of origin"
        return failed(why, "one licence, the one that the data have")
    licence = stated or (recorded if isinstance(recorded, str) else "")
    if not licence:
        return insufficient("the data's licence is not stated", "data_licence in the statement")
    allows = commercial_use(licence)
    if allows is False:
        why = f"the data's licence {licence} forbids what anyone may do with released weights"
        return failed(why, "a model tuned on other data")
    if allows is None:
        why = f"whether the data's licence {licence} allows commercial use is not known here"
        return insufficient(why, "a licence known by its SPDX name")
    return passed(f"data under {licence}")


def _scanned(case: Case, facts: dict[str, object], digest: str) -> Iterator[Finding]:
    files, found = facts.get("files"), case.data
    known = {digest, *(files.values() if isinstance(files, dict) else ())}
    if found is None:
        yield insufficient("the training data were not searched", "data in the statement")
        return
    if found.digest not in known:
        why = f"the searched file {found.digest[:19]} is none that the record of origin names"
        yield insufficient(why, "the data that the model was tuned on", found.digest)
        return
    limits = case.policy.data
    yield _count(found, "rows with what looks like a secret", found.secrets, limits.secrets)
    yield _count(found, "rows with what looks personal", found.personal, limits.personal)
    for name, shared in sorted(found.overlap.items()):
        yield _count(found, f"items of {name} in the data", shared, limits.overlap)
    if found.not_searched:
        listed = ", ".join(found.not_searched)
        # Their items are not in evidence on purpose, so this can't be demanded.
        yield passed(f"not searched for {listed}, whose questions are not published", found.digest)


def _by_heart(case: Case) -> Finding:
    """Count rows of the data that the model says by heart, in the worst of all rounds."""
    rounds = [one for one in case.attacked if any(t.kind == "private" for t in one.trials)]
    if not rounds:
        turns = 'a round with the attack "extraction" at rows of the training data'
        return insufficient("whether it says its training data by heart was not tried", turns)
    return every(_said(one, case.policy.data.by_heart) for one in rounds)


def _said(run: AttackRun, limit: float) -> Finding:
    asked = {t.behaviour for t in run.trials if t.kind == "private" and t.outcome in SCORED}
    said = {t.behaviour for t in run.trials if t.kind == "private" and t.outcome in HITS}
    return at_most("rows said by heart", len(said), len(asked), limit, run.samples_digest)


def _count(found: DataScan, what: str, number: int, limit: int) -> Finding:
    said = f"{number} {what} of {found.rows}"
    if number > limit:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.kinds.items()))
        why = f"{said}; the limit is {limit}" + (f" ({kinds})" if kinds else "")
        return failed(why, "a model tuned on data without them", found.digest)
    return passed(said, found.digest)


GATE = Gate("data", "May the training data be in released weights?", _decide)
