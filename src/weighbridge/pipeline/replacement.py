"""From comparisons with the incumbent to a verdict: replace, keep, or insufficient evidence.

Three findings, each of which can be missing, and what is missing never passes: capability parity
(no benchmark worse than the incumbent beyond its margin), economic viability (what the same items
cost), and fitness to release, which only a project that releases its weights needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.pipeline.plan import Left
from weighbridge.pipeline.project import Economics, Use
from weighbridge.pipeline.verdict import Decided, Judged, decide, missing, points, undecided
from weighbridge.pipeline.weighed import Weighed
from weighbridge.records import EvalRun
from weighbridge.records.scale import margin
from weighbridge.reports import Finding

HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Viability:
    """What the same items cost at the incumbent and with the candidate.

    Attributes:
        items: Items that both answered.
        incumbent_usd_per_item: As charged.
        candidate_usd_per_item: At the stated use of the machine, or as charged.
        cost_ratio: Candidate over incumbent; below 1 the candidate is cheaper.
        break_even_utilization: Share of its paid hours that the machine must work for both to cost
            the same; None where the candidate is paid by the token.
        break_even_items_per_month: Items a month at which the incumbent costs what the machine
            does; None likewise.
        conditions: Under which this holds.
    """

    items: int
    incumbent_usd_per_item: float
    candidate_usd_per_item: float
    cost_ratio: float
    break_even_utilization: float | None
    break_even_items_per_month: float | None
    conditions: tuple[str, ...]


def judge_replacement(
    weighed: Sequence[Weighed], left: Sequence[Left], economics: Economics | None, use: Use
) -> Judged:
    """Judge whether the candidate can take the incumbent's place.

    *keep*: a benchmark is worse beyond its margin, or the candidate costs more than allowed.
    *replace*: every benchmark of the project was measured in full and is no worse, and it costs no
    more. Otherwise the evidence is insufficient.
    """
    parity = [_parity(d) for d in decide(weighed)]
    money = _economy(weighed, economics)
    fitness = _fitness(use)
    findings = (*parity, *map(missing, left), money, fitness)
    needed = [*parity, *(missing(x) for x in left if _needed(x)), money]
    needed += [fitness] if use == "release" else []
    against = next((f for f in needed if f.outcome == "no"), None)
    if against is not None:
        return Judged("keep", against.sentence, findings)
    undecided = next((f for f in needed if f.outcome == "insufficient"), None)
    if undecided is not None or not parity:
        why = undecided.sentence if undecided else "No benchmark was measured on both."
        return Judged("insufficient evidence", why, findings)
    headline = f"No benchmark is worse beyond its margin. {money.sentence}"
    return Judged("replace", headline, findings)


def viability(weighed: Sequence[Weighed], economics: Economics | None) -> Viability | None:
    """Compare what the items cost; None where either side's cost is not known.

    What a judge charged, and how long it took, is no part of either side's: neither model would
    be judged in production.
    """
    items = sum(min(w.before.estimate.n, w.after.estimate.n) for w in weighed)
    if not items or not all(w.before.provenance.model_is_priced for w in weighed):
        return None
    by_token = all(w.after.provenance.model_is_priced for w in weighed)
    if not by_token and economics is None:
        return None
    incumbent = (
        sum(_per_item(w, w.before, w.before.provenance.model_cost_usd) for w in weighed) / items
    )
    if by_token:
        own = sum(_per_item(w, w.after, w.after.provenance.model_cost_usd) for w in weighed) / items
        ratio = own / incumbent if incumbent else float("inf")
        return Viability(items, incumbent, own, ratio, None, None, _BY_TOKEN)
    assert economics is not None
    seconds = sum(_per_item(w, w.after, w.after.provenance.model_seconds) for w in weighed) / items
    busy = seconds * economics.machine_usd_per_hour / 3600
    own = busy / economics.utilization
    ratio = own / incumbent if incumbent else float("inf")
    monthly = economics.machine_usd_per_hour * HOURS_A_MONTH
    return Viability(
        items=items,
        incumbent_usd_per_item=incumbent,
        candidate_usd_per_item=own,
        cost_ratio=ratio,
        break_even_utilization=busy / incumbent if incumbent else None,
        break_even_items_per_month=monthly / incumbent if incumbent else None,
        conditions=_conditions(economics, seconds, weighed),
    )


_BY_TOKEN = ("both are paid by the token, at the prices that the runs record",)


def _conditions(
    economics: Economics, seconds: float, weighed: Sequence[Weighed]
) -> tuple[str, ...]:
    after = [w.after.provenance for w in weighed]
    judged_too = any(where.judge and where.judge_seconds is None for where in after)
    what = ", its judge's time included" if judged_too else ""
    return (
        f"the machine costs {economics.machine_usd_per_hour:g} USD an hour and works in "
        f"{economics.utilization:.0%} of the hours paid for",
        f"an item takes it {seconds:.3g} s{what}, as measured in these runs, one run at a time",
        "items are as long as these, and the incumbent's prices stay",
        "nobody's working time is counted",
    )


def _per_item(weighed: Weighed, run: EvalRun, total: float) -> float:
    """What a run's total comes to for the items that both answered."""
    shared = min(weighed.before.estimate.n, weighed.after.estimate.n)
    return shared * total / run.estimate.n if run.estimate.n else 0.0


def _parity(decided: Decided) -> Finding:
    weighed = decided.weighed
    c = weighed.comparison
    title = f"{c.benchmark}: no worse than the incumbent by {margin(c.margin, c.scale)}"
    if unasked := max(weighed.before.unasked_samples, weighed.after.unasked_samples):
        part = f"was asked in part ({unasked} samples are missing)"
        return Finding(title, "insufficient", points(decided, part))
    if decided.holds:
        return Finding(title, "yes", points(decided, "holds"))
    if decided.supports == "inferior":
        return Finding(title, "no", points(decided, "is worse"))
    return Finding(title, "insufficient", points(decided, undecided(decided)))


def _economy(weighed: Sequence[Weighed], economics: Economics | None) -> Finding:
    most = economics.max_cost_ratio if economics else 1.0
    title = f"Costs at most {most:g} times what the incumbent does"
    found = viability(weighed, economics)
    if found is None:
        why = "What the candidate costs is not known: [economics] machine_usd_per_hour states it."
        if not weighed or not all(w.before.provenance.model_is_priced for w in weighed):
            why = "What the incumbent costs is not known: [incumbent] price states it."
        return Finding(title, "insufficient", why)
    sentence = (
        f"An item costs {found.candidate_usd_per_item:.3g} USD against the incumbent's "
        f"{found.incumbent_usd_per_item:.3g}, {found.cost_ratio:.3g} times as much"
    )
    if found.break_even_utilization is not None:
        share = found.break_even_utilization
        sentence += (
            f"; both cost the same where the machine works {share:.1%} of the time"
            if share <= 1
            else "; even a machine that always works costs more"
        )
    sentence += f". This holds if {'; '.join(found.conditions)}."
    return Finding(title, "yes" if found.cost_ratio <= most else "no", sentence)


def _fitness(use: Use) -> Finding:
    title = "Fit to release"
    if use == "release":
        return Finding(title, "insufficient", "No release gate was run on the candidate.")
    why = 'Not asked: the candidate is used in house. To release its weights, set use = "release".'
    return Finding(title, "insufficient", why)


def _needed(left: Left) -> bool:
    return left.weigh.required or left.weigh.role == "target"
