"""Audits the judge of two runs, and puts the results into sentences.

The audit measures how much repeated judgements of an answer differ, whether the order of two
answers changes a judgement, whether the judge prefers models that are related to it, how well it
agrees with people, and how its noise widens the comparison's interval. It names what could not be
measured, and what would measure it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from weighbridge.errors import InputError
from weighbridge.evidence import RunStore
from weighbridge.records import (
    Agreement,
    Comparison,
    EvalRun,
    HumanLabel,
    Json,
    JudgeAudit,
    RepeatSpread,
    SelfPreference,
)
from weighbridge.records.scale import Scale, gap, margin
from weighbridge.statistics.judge_agreement import (
    FEWEST_LABELLED,
    human_agreement,
    human_corrected,
    position_consistency,
    ratings_by_item,
    self_preference,
)
from weighbridge.statistics.judge_noise import (
    Judgements,
    judgements_of,
    means_by_item,
    repeat_spread,
    with_judge_noise,
)

Who = Literal["candidate", "reference"]
OtherJudge = tuple[EvalRun, EvalRun]


@dataclass(frozen=True)
class JudgeEvidence:
    """What an audit may use beyond the two runs.

    Attributes:
        labels: People's ratings and preferences.
        other: Two runs with the same answers, judged by another judge; None where there are none.
    """

    labels: Sequence[HumanLabel] = ()
    other: OtherJudge | None = None


def is_judged(run: EvalRun) -> bool:
    """Whether a model judged a run's answers."""
    return run.asked.judge is not None


def judge_of(run: EvalRun) -> str:
    """Return the judge's name if the run states it, else "the judge"."""
    judge = run.asked.judge
    named = judge.model_name if judge is not None else None
    return run.provenance.judge or named or "the judge"


def audit_judge(
    comparison: Comparison, run_a: EvalRun, run_b: EvalRun, evidence: JudgeEvidence
) -> tuple[Comparison, JudgeAudit]:
    """Audit the judge of two runs, and widen their comparison by the judge's own noise.

    Args:
        comparison: Comparison of the runs' values.
        run_a: The candidate's run, with samples.
        run_b: The reference's run, with samples.
        evidence: People's labels and another judge's runs, as far as there are any.

    Returns:
        The widened comparison, and the audit.
    """
    judged = (_judgements(run_a), _judgements(run_b))
    spreads = (repeat_spread(judged[0]), repeat_spread(judged[1]))
    clusters = {s.sample_id: s.cluster or s.sample_id for s in (*run_a.samples, *run_b.samples)}
    values = (means_by_item(judged[0]), means_by_item(judged[1]))
    widened = with_judge_noise(comparison, spreads, len(set(clusters.values())))
    names = (run_a.model.name, run_b.model.name)
    kin = _related_models(run_a, run_b)
    agreement = corrected = None
    preferences: list[SelfPreference] = []
    if evidence.other is not None:
        preferences += _other_judge_preference(values, evidence.other, clusters)
    if evidence.labels:
        agreement = human_agreement(evidence.labels, values, names, clusters)
        people = ratings_by_item(evidence.labels, names)
        found = self_preference(values, people, clusters, "people")
        preferences += [found] if found is not None else []
        gaps, seen = _gaps(values), _gaps(people)
        corrected = human_corrected(gaps, seen, clusters, comparison.margin)
    audit = JudgeAudit(
        judge=judge_of(run_a),
        repeats=spreads,
        position=(position_consistency(run_a.samples), position_consistency(run_b.samples)),
        interval_without=comparison.interval,
        kin=kin,
        self_preference=tuple(preferences),
        agreement=agreement,
        corrected=corrected,
        unknown=_unknown(spreads, bool(kin), preferences, evidence),
    )
    return widened, audit


def _judgements(run: EvalRun) -> Judgements:
    judge = run.asked.judge
    return judgements_of(run.samples, judge.repeats if judge is not None else None)


def _gaps(values: tuple[Mapping[str, float], Mapping[str, float]]) -> dict[str, float]:
    first, second = values
    return {item: first[item] - second[item] for item in first if item in second}


def _other_judge_preference(
    values: tuple[Mapping[str, float], Mapping[str, float]],
    other: OtherJudge,
    clusters: Mapping[str, str],
) -> list[SelfPreference]:
    read = (means_by_item(_judgements(other[0])), means_by_item(_judgements(other[1])))
    found = self_preference(values, read, clusters, judge_of(other[0]))
    return [found] if found is not None else []


def check_other_judge(run_a: EvalRun, run_b: EvalRun, other: OtherJudge) -> OtherJudge:
    """Check that another judge read the same answers of the same two models.

    Raises:
        InputError: The other runs are of other models, of the same judge, of another benchmark or
            scale, or hold other answers.
    """
    for run, again in ((run_a, other[0]), (run_b, other[1])):
        if again.model.name != run.model.name and again.model.identity != run.model.identity:
            raise InputError(
                f"{again.run_id} is of {again.model.name}", f"{run.model.name}, as {run.run_id} is",
                "give them in the order compared: --other-judge RUN_A,RUN_B",
            )  # fmt: skip
        if not is_judged(again) or again.asked.judge == run.asked.judge:
            raise InputError(f"{again.run_id} was judged by the same judge", "another")
        if again.estimate.scale != run.estimate.scale or again.benchmark != run.benchmark:
            raise InputError(f"{again.run_id} ran {again.title}", f"{run.title}, on one scale")
        said = {s.sample_id: s.output for s in run.samples if s.stop != "judged"}
        differing = [
            s.sample_id for s in again.samples
            if s.stop != "judged" and said.get(s.sample_id, s.output) != s.output
        ]  # fmt: skip
        if differing:
            raise InputError(
                f"{again.run_id} holds another answer to {differing[0]} than {run.run_id}",
                "the same answers, read by two judges",
                "judge the first run's answers again: weighbridge score --judge OTHER",
            )
    return other


def find_other_judge(store: RunStore, run_a: EvalRun, run_b: EvalRun) -> OtherJudge | None:
    """Find the newest sealed runs of the same two models by one other judge; None without any.

    Args:
        store: The store to search.
        run_a: The candidate's run, with samples.
        run_b: The reference's run, with samples.
    """
    found: dict[str, dict[int, EvalRun]] = {}
    for summary in store.summaries():
        if summary.mean is None:
            continue
        again = store.read(summary.run_id, samples=False)
        if not is_judged(again) or again.asked.judge == run_a.asked.judge:
            continue
        for place, run in enumerate((run_a, run_b)):
            if _same_task(again, run) and again.model.identity == run.model.identity:
                key = str(again.asked.judge)
                found.setdefault(key, {}).setdefault(place, again)
    for pair in found.values():
        if len(pair) == 2:
            other = (store.read(pair[0].run_id), store.read(pair[1].run_id))
            try:
                return check_other_judge(run_a, run_b, other)
            except InputError:  # they hold other answers, so they don't compare the judges
                continue
    return None


def _same_task(run: EvalRun, other: EvalRun) -> bool:
    return (run.benchmark, run.benchmark_version, run.subset, run.protocol) == (
        other.benchmark, other.benchmark_version, other.subset, other.protocol,
    )  # fmt: skip


def family(name: str) -> str:
    """Return the family name with which a model's name begins.

    >>> family("org/Qwen2.5-7B-Instruct"), family("gpt-4"), family("405b")
    ('qwen', 'gpt', '')
    """
    found = re.match(r"[a-z]+", name.rstrip("/").rpartition("/")[2].lower())
    return found[0] if found else ""


def _related_models(run_a: EvalRun, run_b: EvalRun) -> tuple[tuple[Who, str], ...]:
    """Return which of the two models the judge is related to, and how: by weights, else by name."""
    asked = run_a.asked.judge
    identity = asked.model_identity if asked is not None else {}
    judge = judge_of(run_a)
    found: list[tuple[Who, str]] = []
    sides: tuple[tuple[Who, EvalRun], ...] = (("candidate", run_a), ("reference", run_b))
    for who, run in sides:
        weights = identity.get("weights_digest")
        if weights is not None and run.model.weights_digest == weights:
            found.append((who, f"has the judge's own weights{_difference_clause(identity, run)}"))
        elif family(judge) and family(run.model.name) == family(judge):
            found.append((who, f"shares the judge's family by name ({family(judge)})"))
    return tuple(found)


def _difference_clause(judge: Mapping[str, Json], run: EvalRun) -> str:
    """Return a clause on how a model differs from a judge with the same weights, or ""."""
    own = run.model
    if "adapter_digest" in judge and judge["adapter_digest"] != own.adapter_digest:
        return ", one of the two with another adapter"
    settings = judge.get("settings_digest")
    if settings and own.settings_digest and settings != own.settings_digest:
        return ", under other settings (such as rotary base, windows or end tokens)"
    return ""


def _unknown(
    spreads: tuple[RepeatSpread | None, RepeatSpread | None],
    kin: bool,
    preferences: Sequence[SelfPreference],
    evidence: JudgeEvidence,
) -> tuple[str, ...]:
    said = []
    if None in spreads:
        said.append(
            "How much the judge would differ if asked again is unknown: judge with "
            "--judge-repeats 2 or more."
        )
    if kin and not preferences:
        said.append(
            "Whether the judge prefers its kin is unknown: judge the same answers with an "
            "unrelated judge (--other-judge), or give people's ratings of both models (--human)."
        )
    if not evidence.labels:
        said.append("Whether people would judge alike is unknown: give their labels with --human.")
    return tuple(said)


LabelledSentences = tuple[tuple[str, str], ...]
"""Pairs of a label and a sentence."""


def audit_sentences(audit: JudgeAudit, comparison: Comparison) -> LabelledSentences:
    """Describe an audit in sentences, each with a label of one or two words."""
    scale = comparison.scale
    lines: list[tuple[str, str]] = []
    for who, spread in zip(("candidate", "reference"), audit.repeats, strict=True):
        if spread is not None:
            lines.append((f"Repeats, {who}", _repeats(spread)))
    if comparison.judge_stderr:
        lines.append(("On the interval", _effect(audit, comparison)))
    elif all(audit.repeats):
        lines.append((
            "On the interval",
            "The judge's passes differ by no more than single judgements do, whose noise the "
            "interval holds already.",
        ))  # fmt: skip
    for who, found in zip(("candidate", "reference"), audit.position, strict=True):
        if found is not None:
            low, high = found.interval
            lines.append((
                f"Position, {who}",
                f"Both orders agree on {found.consistent:.1%} of {found.pairs} pairs "
                f"[{low:.1%}, {high:.1%}]; {found.first} went to whichever answer came first, "
                f"{found.second} to the second, {found.mixed} had a tie in one order alone.",
            ))  # fmt: skip
    lines += [("Kinship", f"The {who} {how}.") for who, how in audit.kin]
    lines += [("Self-preference", _preference(audit, p, scale)) for p in audit.self_preference]
    lines += _people(audit, comparison)
    lines += [("Not known", sentence) for sentence in audit.unknown]
    return tuple(lines)


def _repeats(spread: RepeatSpread) -> str:
    means = ", ".join(f"{mean:.3f}" for mean in spread.pass_means)
    passes = f"; means of the passes {means}" if means else ""
    return (
        f"Judgements of one answer differ by a standard deviation of {spread.within_sd:.3f}, "
        f"{spread.share:.1%} of all variance ({spread.answers} answers){passes}."
    )


def _effect(audit: JudgeAudit, comparison: Comparison) -> str:
    scale, (low, high) = comparison.scale, comparison.interval
    without = audit.interval_without
    return (
        f"What the judge's passes share (standard error {comparison.judge_stderr:.3f}) widens the "
        f"interval from [{gap(without[0], scale)}, {gap(without[1], scale)}] to "
        f"[{gap(low, scale)}, {gap(high, scale)}]; the verdict is the wider one's."
    )


def _preference(audit: JudgeAudit, found: SelfPreference, scale: Scale) -> str:
    low, high = found.interval
    whom = "the candidate" if found.excess >= 0 else "the reference"
    more = f"{audit.judge} favours {whom} by {gap(abs(found.excess), scale).lstrip('+')} more than"
    reader = "people do" if found.reader == "people" else f"{found.reader} does"
    sure = "" if low > 0 or high < 0 else ", which may be chance"
    own = any((found.excess >= 0) == (who == "candidate") for who, _ in audit.kin)
    mine = " That is its own kin." if own and not sure else ""
    doubt = "" if found.reader == "people" else " It can't tell which of the two judges is right."
    return (
        f"{more} {reader} (candidate minus reference {gap(found.excess, scale)} "
        f"[{gap(low, scale)}, {gap(high, scale)}], {found.n} items){sure}.{mine}{doubt}"
    )


def _people(audit: JudgeAudit, comparison: Comparison) -> Iterable[tuple[str, str]]:
    found, scale = audit.agreement, comparison.scale
    if found is None:
        return
    left = f"; {found.unmatched} labels of other items or models" if found.unmatched else ""
    yield "People", f"{found.labels} labels of {found.items} items{left}."
    if found.preferences is not None:
        decided = found.decided
        firm = f"; where neither says tie, {_rate(decided)}" if decided is not None else ""
        kappa = f"; Cohen's kappa {_number(found.kappa)}" if found.kappa is not None else ""
        yield "Preferences", f"Judge and people agree on {_rate(found.preferences)}{firm}{kappa}."
    if found.spearman is not None:
        yield "Ratings", f"Rank correlation (Spearman) {_number(found.spearman)}."
    if found.bias is not None:
        low, high = found.bias.interval
        yield (
            "Bias",
            f"The judge's ratings minus people's: {gap(found.bias.rate, scale)} "
            f"[{gap(low, scale)}, {gap(high, scale)}].",
        )
    if audit.corrected is not None:
        c = audit.corrected
        yield (
            "As people see it",
            f"Corrected by ratings of {c.labelled} items, the difference is "
            f"{gap(c.difference, scale)} [{gap(c.interval[0], scale)}, "
            f"{gap(c.interval[1], scale)}]: {c.verdict.replace('_', '-')} at a margin of "
            f"{margin(comparison.margin, scale)}.",
        )
    elif found.bias is not None:
        yield (
            "As people see it",
            f"Fewer than {FEWEST_LABELLED} items have ratings of both answers, so the difference "
            "is not corrected.",
        )


def _rate(found: Agreement) -> str:
    low, high = found.interval
    return f"{found.rate:.1%} of {found.n} [{low:.1%}, {high:.1%}]"


def _number(found: Agreement) -> str:
    low, high = found.interval
    return f"{found.rate:.2f} [{low:.2f}, {high:.2f}]"


def readings(audit: JudgeAudit, comparison: Comparison) -> tuple[tuple[str, Comparison], ...]:
    """Return other readings of the difference, each with a label, for the chart."""
    found = []
    if comparison.judge_stderr:
        found.append(
            ("Without the judge's noise", replace(comparison, interval=audit.interval_without))
        )
    if audit.corrected is not None:
        c = audit.corrected
        found.append(
            ("As people see it", replace(comparison, difference=c.difference, interval=c.interval))
        )
    return tuple(found)
