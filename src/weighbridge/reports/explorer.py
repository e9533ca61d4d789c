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
    Comparison,
    EvalRun,
    Flip,
    Graded,
    Json,
    Score,
    ScoredSample,
    outcome,
)
from weighbridge.reports import palette, wording
from weighbridge.reports.document import asset, data_block, environment, script_digest
from weighbridge.statistics.aggregates import part
from weighbridge.statistics.columns import worth

RESULTS = ("lost", "won", "both right", "neither right", "not paired")
ABSENT = "not asked"
CUTS = (6000, 3000, 1500, 700, 300)
"""Lengths at which texts are cut, the longest first that keeps the page below `MOST_TEXT`."""
MOST_TEXT = 24_000_000
"""Characters; what a browser still opens at once."""


@dataclass(frozen=True)
class Answer:
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
    a: Answer
    b: Answer
    result: str


@dataclass(frozen=True)
class ClusterRow:
    """A cluster's items by result."""

    name: str
    number: int
    lost: int
    won: int
    items: int

    @property
    def difference(self) -> float:
        """Share won minus share lost."""
        return (self.won - self.lost) / self.items if self.items else 0.0


def render_explorer(run_a: EvalRun, run_b: EvalRun, comparison: Comparison) -> str:
    """Return the page.

    Args:
        run_a: The candidate's run, with samples.
        run_b: The reference's run, with samples.
        comparison: Of the two.
    """
    items = list(paired_items(run_a, run_b, comparison))
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
            difference=_difference(run_a, comparison),
            margin=_margin(run_a, comparison),
            results=Counter(item.result for item in items),
            result_names=RESULTS,
            outcomes=_outcomes(items),
            rows=_outcome_rows(items, run_a.model.name, run_b.model.name),
            clusters=_cluster_rows(items, clusters),
            count=len(items),
            withheld=any(item.question is None for item in items),
            cut=cut,
            data=data_block(_data(items, clusters, cut)),
            palette=palette.LIGHT,
            dark=palette.DARK,
            style=Markup(style),
            script=Markup(script),
            script_digest=script_digest(script),
        )
    )


def _difference(run: EvalRun, comparison: Comparison) -> str:
    """The difference with its interval: in points where values are shares, else as they are."""
    if comparison.metric != "value" or tuple(run.estimate.scale) == (0, 1):
        return wording.difference(comparison.difference, comparison.interval)
    low, high = comparison.interval
    return f"{comparison.difference:+.3f} [{low:+.3f}, {high:+.3f}]"


def _margin(run: EvalRun, comparison: Comparison) -> str:
    if comparison.metric != "value" or tuple(run.estimate.scale) == (0, 1):
        return wording.points(comparison.margin).lstrip("+")
    return f"{comparison.margin:g}"


def paired_items(run_a: EvalRun, run_b: EvalRun, comparison: Comparison) -> Iterator[Item]:
    """Yield every item of either run, those that A lost first, then those that it won."""
    answers_a, answers_b = _by_item(run_a), _by_item(run_b)
    telling = {flip.sample_id: flip for flip in comparison.flips}
    scale = run_a.estimate.scale if comparison.metric == "value" else (0.0, 1.0)
    found = [
        _item(name, answers_a.get(name, []), answers_b.get(name, []), telling.get(name),
              comparison.metric, scale)
        for name in dict.fromkeys([*answers_a, *answers_b])
    ]  # fmt: skip
    yield from sorted(found, key=lambda item: RESULTS.index(item.result))


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
    scale: tuple[float, float],
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


def _result(a: Answer, b: Answer, flip: Flip | None, scale: tuple[float, float]) -> str:
    if a.value is None or b.value is None:
        return "not paired"
    if flip is not None:
        return "won" if flip.difference > 0 else "lost"
    return "both right" if a.value >= scale[1] else "neither right"


def _answer(
    answers: Sequence[ScoredSample],
    telling: tuple[str, Score] | None,
    metric: str,
    scale: tuple[float, float],
) -> Answer:
    if not answers:
        return Answer(ABSENT, None, "", "", 0)
    text, score = telling or (answers[0].output, answers[0].score)
    read = [worth(s, scale[0]) if metric == "value" else part(s, metric) for s in answers]
    values = [value for value in read if value is not None]
    # Of a part, right and wrong are the part's own.
    judged = _of_part(score, metric) if metric != "value" else score
    why = "" if answers[0].question is None else score.why
    return Answer(
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
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        if item.cluster is not None and item.result != "not paired":
            counts[item.cluster][item.result] += 1
    rows = [
        ClusterRow(name, number, counts[name]["lost"], counts[name]["won"], counts[name].total())
        for number, name in enumerate(clusters)
    ]
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
                    answer.value if answer.count > 1 or answer.outcome == "partly" else None,
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
