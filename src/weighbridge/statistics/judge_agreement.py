"""Computes the figures of a judge's audit from scored samples and the values of other raters."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy import stats

from weighbridge.records import (
    Agreement,
    Graded,
    HumanAgreement,
    HumanCorrected,
    HumanLabel,
    PositionConsistency,
    ScoredSample,
    SelfPreference,
)
from weighbridge.statistics.agreement import agreement_rate, cohen_kappa, rank_correlation
from weighbridge.statistics.inference import verdict
from weighbridge.statistics.intervals import (
    clustered_standard_error,
    groups_of,
    mean_interval,
    spread_of,
)

PART = "position_consistent"
_BOTH = {"win, swapped loss": "first", "loss, swapped win": "second"}

Values = Mapping[str, float]
"""Values by item."""


def position_consistency(samples: Iterable[ScoredSample]) -> PositionConsistency | None:
    """Count how often both orders of a pair agree; None where answers were not judged in pairs.

    A judge with a position bias says "A" in both orders, or "B" in both (Zheng et al. 2023,
    table 2); a tie in one order alone shows no preferred position.
    """
    same: list[float] = []
    clusters: list[str] = []
    preferred_position = {"first": 0, "second": 0}
    unreadable = 0
    for sample in samples:
        score = sample.score
        if isinstance(score, Graded) and PART in score.parts:
            same.append(score.parts[PART])
            clusters.append(sample.cluster or sample.sample_id)
            if score.answer in _BOTH:
                preferred_position[_BOTH[score.answer]] += 1
        elif not isinstance(score, Graded) and score.reason == "unparsed":
            unreadable += 1
    if not same:
        return None
    mixed = len(same) - int(sum(same)) - sum(preferred_position.values())
    return PositionConsistency(
        pairs=len(same),
        consistent=math.fsum(same) / len(same),
        interval=mean_interval(same, clusters),
        first=preferred_position["first"],
        second=preferred_position["second"],
        mixed=mixed,
        unreadable=unreadable,
    )


def self_preference(
    judge: tuple[Values, Values],
    reader: tuple[Values, Values],
    clusters: Mapping[str, str],
    name: str,
) -> SelfPreference | None:
    """Compare a judge's gap between two models with another rater's, item by item.

    This is how Zheng et al. 2023 (section 3.3) look for self-enhancement: against other raters of
    the same answers. An excess shows that the two raters favour different models. It does not show
    which of the two is right, unless the other raters are people.

    Args:
        judge: The judge's values of the candidate's and of the reference's answers.
        reader: The other rater's values of the same answers.
        clusters: Cluster of each item.
        name: Name of the other rater.

    Returns:
        None where fewer than two items have all four values.
    """
    both = [*judge, *reader]
    items = sorted(set.intersection(*(set(values) for values in both)))
    if len(items) < 2:
        return None
    a, b, other_a, other_b = (np.array([values[i] for i in items]) for values in both)
    excess = (a - b) - (other_a - other_b)
    groups = [clusters[i] for i in items]
    half = _half_width(excess, groups)
    mean = float(excess.mean())
    return SelfPreference(name, mean, (mean - half, mean + half), len(items))


def human_agreement(
    labels: Sequence[HumanLabel],
    judge: tuple[Values, Values],
    names: tuple[str, str],
    clusters: Mapping[str, str],
) -> HumanAgreement:
    """Compare people's labels with a judge's values.

    Ratings of both answers to an item imply a preference, for people as for the judge; preferences
    are compared as MT-Bench does, with ties (its setup S1) and without (S2).

    Args:
        labels: People's ratings and preferences.
        judge: The judge's values of the candidate's and of the reference's answers.
        names: Names of the two models.
        clusters: Cluster of each item.
    """
    rated = _ratings(labels, judge, names)
    chosen = _preferences(labels, judge, names)
    matched = len(rated) + sum(label.preferred is not None for label, _ in chosen)
    people = [said for label, said in chosen]
    machine = [
        _preference_of(judge[0][label.sample_id], judge[1][label.sample_id]) for label, _ in chosen
    ]
    groups = [clusters[label.sample_id] for label, _ in chosen]
    firm = [i for i, pair in enumerate(zip(people, machine, strict=True)) if "tie" not in pair]

    def of(values: Sequence[str], places: Sequence[int]) -> list[str]:
        return [values[i] for i in places]

    where = [clusters[label.sample_id] for label, _ in rated]
    said, judged = [r for (_, (r, _)) in rated], [j for (_, (_, j)) in rated]
    return HumanAgreement(
        labels=matched,
        items=len({label.sample_id for label, _ in [*rated, *chosen]}),
        unmatched=len(labels) - matched,
        preferences=agreement_rate(people, machine, groups) if people else None,
        decided=agreement_rate(of(people, firm), of(machine, firm), of(groups, firm))
        if firm
        else None,
        kappa=cohen_kappa(people, machine, groups) if people else None,
        spearman=rank_correlation(said, judged, where) if rated else None,
        bias=_mean_gap(judged, said, where) if rated else None,
    )


def ratings_by_item(
    labels: Iterable[HumanLabel], names: tuple[str, str], sole: bool = False
) -> tuple[Values, Values]:
    """Return people's mean rating of the candidate's and of the reference's answer to each item.

    Args:
        labels: People's ratings and preferences; preferences are passed over.
        names: Names of the two models.
        sole: Whether a rating that names no model is the candidate's.
    """
    found: tuple[dict[str, list[float]], dict[str, list[float]]] = ({}, {})
    for label in labels:
        if label.rating is not None:
            place = _place(label.model, names) if label.model or not sole else 0
            if place is not None:
                found[place].setdefault(label.sample_id, []).append(label.rating)
    first, second = ({i: math.fsum(v) / len(v) for i, v in one.items()} for one in found)
    return first, second


def human_corrected(
    judge: Values, people: Values, clusters: Mapping[str, str], margin: float
) -> HumanCorrected | None:
    """Estimate the difference that people would see on all items, from the few that they rated.

    Prediction-powered inference with a tuned weight (Angelopoulos, Duchi & Zrnic 2023,
    arXiv:2311.01453): θ = mean_labelled(h - w·d) + w·mean_rest(d), with the judge's differences d,
    people's h, and w between 0 and 1 chosen so that the variance
    var(h - w·d)/n + w²·var(d)/N is least, for n labelled and N other items. With w = 0 only people
    count. The t interval has n - 1 degrees of freedom, or one less than the number of clusters of
    labelled items.

    Args:
        judge: The judge's difference on every item.
        people: People's difference on the items that they rated.
        clusters: Cluster of each item.
        margin: Margin of the verdict.

    Returns:
        None with fewer than ten labelled items, or fewer than two others.
    """
    labelled = sorted(set(judge) & set(people))
    rest = sorted(set(judge) - set(people))
    if len(labelled) < FEWEST_LABELLED or len(rest) < 2:
        return None
    d, h = (np.array([values[i] for i in labelled]) for values in (judge, people))
    others = np.array([judge[i] for i in rest])
    every = np.concatenate([d, others])
    n, more = len(labelled), len(rest)
    spread = float(every.var(ddof=1))
    weight = 0.0
    if spread > 0:
        weight = float(np.cov(h, d)[0, 1]) / (spread * (1 + n / more))
    weight = min(1.0, max(0.0, weight))
    groups, other_groups = [clusters[i] for i in labelled], [clusters[i] for i in rest]
    difference = float((h - weight * d).mean() + weight * others.mean())
    stderr = math.hypot(
        clustered_standard_error(h - weight * d, groups),
        weight * clustered_standard_error(others, other_groups),
    )
    numbered = groups_of(groups, n)
    freedom = (n if numbered is None else int(numbered.max()) + 1) - 1
    half = float(stats.t.ppf(0.975, freedom)) * stderr
    interval = (difference - half, difference + half)
    return HumanCorrected(difference, interval, weight, n, verdict(interval, margin))


FEWEST_LABELLED = 10
"""With fewer items rated by people, the judge's bias is too uncertain to correct for."""


def _half_width(values: np.ndarray, clusters: Sequence[str]) -> float:
    spread = spread_of(values, clusters)
    reach = float(values.max() - values.min())
    return spread.quantile * spread.guarded_stderr(reach)


def _mean_gap(
    first: Sequence[float], second: Sequence[float], groups: Sequence[str]
) -> Agreement | None:
    if len(first) < 2:  # the spread of a single gap is unknown
        return None
    gaps = np.array(first) - np.array(second)
    mean = float(gaps.mean())
    half = _half_width(gaps, groups)
    return Agreement(mean, (mean - half, mean + half), len(gaps))


def _ratings(
    labels: Sequence[HumanLabel], judge: tuple[Values, Values], names: tuple[str, str]
) -> list[tuple[HumanLabel, tuple[float, float]]]:
    """Return labels of answers that the judge rated, each with (person's, judge's) rating."""
    found = []
    for label in labels:
        place = _place(label.model, names)
        if label.rating is not None and place is not None and label.sample_id in judge[place]:
            found.append((label, (label.rating, judge[place][label.sample_id])))
    return found


def _preferences(
    labels: Sequence[HumanLabel], judge: tuple[Values, Values], names: tuple[str, str]
) -> list[tuple[HumanLabel, str]]:
    """Return people's preferences, stated or implied by ratings, where the judge rated both."""
    both = set(judge[0]) & set(judge[1])
    found = [
        (label, said)
        for label in labels
        if label.preferred is not None
        and label.sample_id in both
        and set(label.models or names) == set(names)
        and (said := _preferred(label.preferred, names)) is not None
    ]
    first, second = ratings_by_item(labels, names)
    rated = [item for item in first if item in second and item in both]
    found += [(HumanLabel(item), _preference_of(first[item], second[item])) for item in rated]
    return found


def _place(model: str | None, names: tuple[str, str]) -> int | None:
    winners = {"A": 0, "B": 1, names[1]: 1, names[0]: 0}
    return winners.get(model or "")


def _preferred(said: str, names: tuple[str, str]) -> str | None:
    if said == "tie":
        return said
    place = _place(said, names)
    return None if place is None else "AB"[place]


def _preference_of(first: float, second: float) -> str:
    return "tie" if first == second else "A" if first > second else "B"
