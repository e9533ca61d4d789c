"""Every item of a comparison in one HTML file: won, lost, both, neither, and why.

The page lists all items, not only those that differ, and stays quick with tens of thousands: items
are data in the page, and only the rows in view are elements. It says what became of each answer
(right, wrong, refused, unparsed, truncated, infrastructure), so that a difference in ability can be
told from one in manners. Texts that must not be published are not in it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from weighbridge.records import (
    OUTCOMES,
    AcrossProtocols,
    Comparison,
    EvalRun,
    Flip,
    Graded,
    Json,
    Score,
    ScoredSample,
    outcome,
)
from weighbridge.records.scale import Scale, advantage, is_share
from weighbridge.reports import palette, wording
from weighbridge.reports.document import asset, data_block, environment, script_digest
from weighbridge.statistics.aggregates import part
from weighbridge.statistics.columns import score_value

RESULTS = ("lost", "won", "both right", "neither right", "even", "not paired")
"""What an item says of the two; `even` where the scale knows no right and wrong."""
ABSENT = "not asked"
FIGURED = ("partly", "graded")
"""Outcomes that say little without the value."""
CUTS = (6000, 3000, 1500, 700, 300)
"""Lengths at which texts are cut, the longest first that keeps the page below `MOST_TEXT`."""
MOST_TEXT = 24_000_000
"""Characters; what a browser still opens at once."""


@dataclass(frozen=True)
class ShownAnswer:
    """One model's answer to an item, the one that shows the difference where there are several.

    Attributes:
        outcome: One of `OUTCOMES`, or `ABSENT`.
        value: Mean over the item's answers; None where all were lost, or none was asked.
        text: As written.
        why: The score's reason.
        count: Answers to the item.
    """

    outcome: str
    value: float | None
    text: str
    why: str
    count: int


@dataclass(frozen=True)
class Item:
    """An item with both models' answers."""

    sample_id: str
    cluster: str | None
    question: str | None
    target: str | None
    a: ShownAnswer
    b: ShownAnswer
    result: str

    @property
    def difference(self) -> float:
        """A's mean minus B's; 0 where either has none."""
        return 0.0 if self.a.value is None or self.b.value is None else self.a.value - self.b.value


@dataclass(frozen=True)
class ClusterRow:
    """A cluster's paired items by result, and their mean difference."""

    name: str
    number: int
    lost: int
    won: int
    items: int
    difference: float


def render_explorer(
    run_a: EvalRun,
    run_b: EvalRun,
    comparison: Comparison,
    across: AcrossProtocols | None = None,
) -> str:
    """Return the page.

    Args:
        run_a: The candidate's run, with samples.
        run_b: The reference's run, with samples.
        comparison: Of the two.
        across: Where they were asked by two protocols: the items stand as answered, `comparison`
            has what the protocols differ by taken out.
    """
    scale = comparison.scale
    items = list(paired_items(run_a, run_b, across.raw if across is not None else comparison))
    clusters = sorted({item.cluster for item in items if item.cluster is not None})
    cut = _cut_for(items)
    script = asset("explorer.js")
    style = "\n".join([palette.stylesheet(), asset("report.css"), asset("explorer.css")])
    return (
        environment()
        .get_template("explorer.html.jinja")
        .render(
            run_a=run_a,
            run_b=run_b,
            comparison=comparison,
            scale=scale,
            caveats=_caveats(run_a, run_b, comparison, across, items),
            results=Counter(item.result for item in items),
            result_names=RESULTS,
            outcomes=_outcomes(items),
            rows=_outcome_rows(items, run_a.model.name, run_b.model.name),
            clusters=_cluster_rows(items, clusters),
            count=len(items),
            cut=cut,
            data=data_block(_data(items, clusters, cut)),
            palette=palette.LIGHT,
            dark=palette.DARK,
            style=Markup(style),
            script=Markup(script),
            script_digest=script_digest(script),
        )
    )


def _caveats(
    run_a: EvalRun,
    run_b: EvalRun,
    comparison: Comparison,
    across: AcrossProtocols | None,
    items: Sequence[Item],
) -> list[str]:
    """What a reader must know of the difference and of the items, in sentences."""
    said = []
    if across is not None:
        said += _protocols(run_a, run_b, across)
    if comparison.anytime:
        said.append(
            "The interval holds at any moment of stopping: a run ended once it was decided."
        )
    if comparison.lost:
        low, high = (wording.points(end, comparison.scale) for end in comparison.bounds)
        were = "answer was" if comparison.lost == 1 else "answers were"
        said.append(
            f"{wording.count(comparison.lost)} {were} lost to infrastructure: the difference lies "
            f"between {low} and {high}, whatever was lost, and the verdict takes that in."
        )
    judge = run_a.provenance.judge
    if judge is not None:
        within = ", its own disagreement is in the interval" if comparison.judge_stderr else ""
        said.append(f"The answers were judged by {judge}{within}.")
    for run in (run_a, run_b):
        if run.provenance.origin is not None:
            by = run.provenance.origin.harness
            said.append(f"{run.model.name} was not measured here but imported from {by}.")
    if any(item.question is None for item in items):
        said.append(
            "Some questions must not be published: of those only ids and outcomes stand here."
        )
    return said


def _protocols(run_a: EvalRun, run_b: EvalRun, across: AcrossProtocols) -> list[str]:
    raw, offset = across.raw, across.offset
    gap = wording.difference(raw.difference, raw.interval, raw.scale)
    asked = f"The two were asked by different protocols, {run_a.protocol} and {run_b.protocol}"
    if offset is None:
        return [f"{asked}: how much of the difference is the protocol's was not measured."]
    worth = wording.difference(offset.offset, offset.interval, offset.scale)
    said = (
        f"{asked}. What that is worth, {worth} as measured on {offset.model}, is taken out of the "
        f"difference; the items below stand as they were answered, {gap}."
    )
    if across.carried:
        said += f" This takes for granted that it is worth to both what it is to {offset.model}."
    return [said]


def paired_items(run_a: EvalRun, run_b: EvalRun, comparison: Comparison) -> Iterator[Item]:
    """Yield every item of either run: those that A lost, then those that it won, the most first."""
    answers_a, answers_b = _by_item(run_a), _by_item(run_b)
    telling = {flip.sample_id: flip for flip in comparison.flips}
    found = [
        _item(name, answers_a.get(name, []), answers_b.get(name, []), telling.get(name),
              comparison.metric, comparison.scale)
        for name in dict.fromkeys([*answers_a, *answers_b])
    ]  # fmt: skip
    yield from sorted(found, key=lambda item: (RESULTS.index(item.result), -abs(item.difference)))


def _by_item(run: EvalRun) -> dict[str, list[ScoredSample]]:
    found: dict[str, list[ScoredSample]] = defaultdict(list)
    for sample in run.samples:
        found[sample.sample_id].append(sample)
    return found


def _item(
    name: str,
    answers_a: Sequence[ScoredSample],
    answers_b: Sequence[ScoredSample],
    flip: Flip | None,
    metric: str,
    scale: Scale,
) -> Item:
    shown = (*answers_a, *answers_b)[0]
    a = _answer(answers_a, (flip.output_a, flip.score_a) if flip else None, metric, scale)
    b = _answer(answers_b, (flip.output_b, flip.score_b) if flip else None, metric, scale)
    result = _result(a, b, flip, scale)
    return Item(
        sample_id=name,
        cluster=shown.cluster,
        question=shown.question,
        target=None if shown.target is None else wording.as_text(shown.target),
        a=a,
        b=b,
        result=result,
    )


def _result(a: ShownAnswer, b: ShownAnswer, flip: Flip | None, scale: Scale) -> str:
    if a.value is None or b.value is None:
        return "not paired"
    if flip is not None:
        return "won" if advantage(flip.difference, scale) > 0 else "lost"
    if not is_share(scale):
        return "even"
    return "both right" if a.value >= scale[1] else "neither right"


def _answer(
    answers: Sequence[ScoredSample],
    telling: tuple[str, Score] | None,
    metric: str,
    scale: Scale,
) -> ShownAnswer:
    if not answers:
        return ShownAnswer(ABSENT, None, "", "", 0)
    text, score = telling or (answers[0].output, answers[0].score)
    read = [score_value(s, scale[0]) if metric == "value" else part(s, metric) for s in answers]
    values = [value for value in read if value is not None]
    # Of a part, right and wrong are the part's own.
    judged = _of_part(score, metric) if metric != "value" else score
    why = "" if answers[0].question is None else score.why
    return ShownAnswer(
        outcome(judged, scale), fmean(values) if values else None, text, why, len(answers)
    )


def _of_part(score: Score, name: str) -> Score:
    return Graded(score.parts.get(name, 0.0), "") if isinstance(score, Graded) else score


def _outcomes(items: Sequence[Item]) -> list[str]:
    """The outcomes that occur, in their own order."""
    seen = {answer.outcome for item in items for answer in (item.a, item.b)}
    return [name for name in (*OUTCOMES, ABSENT) if name in seen]


def _outcome_rows(
    items: Sequence[Item], name_a: str, name_b: str
) -> list[tuple[str, Counter[str]]]:
    """What became of the answers: of all, and of those that made the difference."""
    lost = [item for item in items if item.result == "lost"]
    won = [item for item in items if item.result == "won"]
    return [
        (f"{name_a}, all items", Counter(item.a.outcome for item in items)),
        (f"{name_b}, all items", Counter(item.b.outcome for item in items)),
        (f"{name_a}, where it lost", Counter(item.a.outcome for item in lost)),
        (f"{name_b}, where {name_a} won", Counter(item.b.outcome for item in won)),
    ]


def _cluster_rows(items: Sequence[Item], clusters: Sequence[str]) -> list[ClusterRow]:
    """Clusters, those where the candidate lost most first."""
    paired: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.cluster is not None and item.result != "not paired":
            paired[item.cluster].append(item)
    rows = []
    for number, name in enumerate(clusters):
        counts = Counter(item.result for item in paired[name])
        mean = fmean(item.difference for item in paired[name]) if paired[name] else 0.0
        rows.append(ClusterRow(name, number, counts["lost"], counts["won"], counts.total(), mean))
    return sorted(rows, key=lambda row: (row.difference, row.name))


def _data(items: Sequence[Item], clusters: Sequence[str], cut: int) -> Json:
    """Items as rows of a table: names of columns once, names of outcomes as numbers."""
    names = [*OUTCOMES, ABSENT]
    number = {name: index for index, name in enumerate(clusters)}
    rows = [
        [
            wording.plain(item.sample_id),
            number.get(item.cluster or "", -1),
            RESULTS.index(item.result),
            None if item.question is None else _short(item.question, cut),
            None if item.target is None else _short(item.target, cut),
            *(
                field
                for answer in (item.a, item.b)
                for field in (
                    names.index(answer.outcome),
                    answer.value if answer.count > 1 or answer.outcome in FIGURED else None,
                    None if item.question is None else _short(answer.text, cut),
                    _short(answer.why, cut),
                    answer.count,
                )
            ),
        ]
        for item in items
    ]
    return {
        "clusters": [wording.plain(name) for name in clusters],
        "outcomes": names,
        "results": list(RESULTS),
        "items": rows,
    }


def _texts(item: Item) -> tuple[str, ...]:
    return (item.question or "", item.target or "", item.a.text, item.b.text)


def _cut_for(items: Sequence[Item]) -> int:
    for cut in CUTS:
        if sum(min(len(text), cut) for item in items for text in _texts(item)) <= MOST_TEXT:
            return cut
    return CUTS[-1]


def _short(text: str, cut: int) -> str:
    shown = wording.plain(text)
    if len(shown) <= cut:
        return shown
    return f"{shown[:cut]}\n[… {wording.count(len(shown) - cut)} more characters in samples.jsonl]"
