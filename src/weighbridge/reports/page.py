"""From a `Report` to one HTML file that needs nothing else.

Model output is hostile input: every text goes through Jinja's autoescaping, control characters are
made visible, each output is isolated from its neighbours' writing direction, and a content security
policy admits no network and no script but the page's own, by its digest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from weighbridge.records import Comparison, EvalRun, Flip, Graded, Score
from weighbridge.records.scale import Scale, advantage
from weighbridge.reports import charts, palette, training_charts, wording
from weighbridge.reports.content import ArmsSection, BenchmarkSection, Report, TrainingPoint
from weighbridge.reports.document import asset, environment, script_digest
from weighbridge.reports.drawing import Drawing
from weighbridge.reports.limits import limits

_FLIPS_SHOWN = 500  # of each kind and benchmark; the rest stands in samples.jsonl
_TEXT_SHOWN = 6000  # characters of one text; a model in a loop writes more than anyone reads
_STEPS_SHOWN = 24


@dataclass(frozen=True)
class Chart:
    """A chart in the page: one drawing for wide columns and paper, one for phones if it differs."""

    wide: Drawing
    narrow: Drawing | None = None

    @property
    def markup(self) -> Markup:
        """Return the element or elements to stand in the page."""
        if self.narrow is None:
            return Markup(self.wide.inline())
        # One of the two is always `display: none`, which hides it from screen readers as well.
        return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(
            Markup(self.wide.inline()), Markup(self.narrow.inline("-narrow"))
        )


@dataclass(frozen=True)
class FlipView:
    """One item on which the models differ, in words."""

    won: bool
    sample_id: str
    cluster: str | None
    excerpt: str | None
    question: str | None
    target: str | None
    candidate: str
    candidate_score: str
    reference: str
    reference_score: str


@dataclass(frozen=True)
class SectionView:
    """A benchmark with its charts and flips, as the template reads it."""

    anchor: str
    section: BenchmarkSection
    means: Chart
    difference: Chart
    parts: Chart | None
    won: int
    lost: int
    flips: tuple[FlipView, ...]
    withheld: bool

    @property
    def left_out(self) -> int:
        """Flips that the page doesn't show."""
        return self.won + self.lost - len(self.flips)


@dataclass(frozen=True)
class ArmsView:
    """The three arms of a target with their chart, as the template reads it."""

    section: ArmsSection
    chart: Chart

    @property
    def priced(self) -> bool:
        """Whether a request's price is known of some arm."""
        return any(arm.usd is not None for arm in self.section.arms)


@dataclass(frozen=True)
class Page:
    """A finished page and the charts in it."""

    html: str
    charts: tuple[Drawing, ...]


def render(report: Report) -> str:
    """Return the report as one self-contained HTML document.

    Args:
        report: What to say.
    """
    return compose(report).html


def compose(report: Report) -> Page:
    """Draw the charts and set the page; `render` and `write` are its two outlets."""
    overview = _overview(report)
    sections = tuple(_section_view(index, s) for index, s in enumerate(report.sections, start=1))
    arms = tuple(_arms_view(index, each) for index, each in enumerate(report.arms, start=1))
    beside = [
        Chart(drawn)
        for drawn in (
            training_charts.learning_rate(report.training, "learning-rate"),
            training_charts.speed(report.training, "training-speed"),
        )
        if drawn is not None
    ]
    training = _both("training", lambda name, px: charts.training(report.training, name, px))
    forecasts = _both("forecasts", lambda name, px: charts.forecasts(report.forecasts, name, px))
    script = asset("report.js")
    html = (
        environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            overview=overview,
            sections=sections,
            arms=arms,
            training=training,
            training_beside=beside,
            training_steps=_told_steps(report.training),
            forecasts=forecasts,
            limits=limits(report),
            runs=_runs(report),
            palette=palette.LIGHT,
            dark=palette.DARK,
            style=Markup(palette.stylesheet() + "\n" + asset("report.css")),
            script=Markup(script),
            script_digest=script_digest(script),
        )
    )
    drawn = [overview, *(view.chart for view in arms), training, *beside, forecasts]
    for view in sections:
        drawn += [view.means, view.difference, view.parts]
    return Page(html, tuple(chart.wide for chart in drawn if chart is not None))


def _arms_view(index: int, section: ArmsSection) -> ArmsView:
    name = f"arms-{index}"
    wide, narrow = (charts.arms(section, name, px) for px in (charts.WIDE_PX, charts.NARROW_PX))
    return ArmsView(section, Chart(wide, narrow))


def _overview(report: Report) -> Chart | None:
    """All differences below one another, where there is more than one."""
    if len(report.sections) < 2:
        return None
    wide = [(s.title + _which(s, ", {}"), s.shown) for s in report.sections]
    # A phone cuts a label at its end: there, what must not be lost stands first.
    narrow = [(_which(s, "{}: ", short=True) + s.title, s.shown) for s in report.sections]
    return Chart(
        charts.differences(wide, "overview", charts.WIDE_PX),
        charts.differences(narrow, "overview", charts.NARROW_PX),
    )


def _which(section: BenchmarkSection, form: str = "{}", short: bool = False) -> str:
    """Which items a shown comparison is over, where some were learnt."""
    if section.learnt:
        return form.format("learnt" if short else "all in the tuning data")
    if section.clean_comparison is None:
        return ""
    few, every = (wording.count(c.n) for c in (section.shown, section.comparison))
    return form.format(f"{few}/{every}" if short else f"{few} of {every} items")


def _readings(section: BenchmarkSection) -> list[tuple[str, Comparison]]:
    """The difference, as the verdict reads it first."""
    if section.clean_comparison is None:
        return [("Difference", section.comparison), *section.readings]
    every = f"All {wording.count(section.comparison.n)} items"
    return [(_which(section), section.shown), (every, section.comparison), *section.readings]


def _section_view(index: int, section: BenchmarkSection) -> SectionView:
    anchor = f"benchmark-{index}"
    flips = section.comparison.flips
    scale = section.comparison.scale
    won = [flip for flip in flips if advantage(flip.difference, scale) > 0]
    lost = [flip for flip in flips if advantage(flip.difference, scale) < 0]
    shown = (*lost[:_FLIPS_SHOWN], *won[:_FLIPS_SHOWN])
    return SectionView(
        anchor=anchor,
        section=section,
        means=Chart(charts.means(section, f"{anchor}-means")),
        difference=Chart(charts.differences(_readings(section), f"{anchor}-difference")),
        parts=_both(f"{anchor}-parts", lambda name, px: charts.parts(section, name, px)),
        won=len(won),
        lost=len(lost),
        flips=tuple(_flip_view(flip, scale) for flip in shown),
        withheld=any(flip.question is None for flip in shown),
    )


def _flip_view(flip: Flip, scale: Scale) -> FlipView:
    won = advantage(flip.difference, scale) > 0
    # Where the question must not be published, neither must any text that may quote it.
    if flip.question is None:
        return FlipView(
            won=won,
            sample_id=wording.plain(flip.sample_id),
            cluster=flip.cluster,
            excerpt=None,
            question=None,
            target=None,
            candidate="",
            candidate_score=_bare(flip.score_a),
            reference="",
            reference_score=_bare(flip.score_b),
        )
    return FlipView(
        won=won,
        sample_id=wording.plain(flip.sample_id),
        cluster=flip.cluster,
        excerpt=wording.excerpt(flip.question, 140),
        question=_cut(flip.question),
        target=None if flip.target is None else _cut(flip.target),
        candidate=_cut(flip.output_a),
        candidate_score=wording.excerpt(wording.score(flip.score_a), 400),
        reference=_cut(flip.output_b),
        reference_score=wording.excerpt(wording.score(flip.score_b), 400),
    )


def _bare(score: Score) -> str:
    return f"{score.value:g}" if isinstance(score, Graded) else f"ungraded, {score.reason}"


def _cut(text: str) -> str:
    shown = wording.plain(text)
    if len(shown) <= _TEXT_SHOWN:
        return shown
    left = wording.count(len(shown) - _TEXT_SHOWN)
    return f"{shown[:_TEXT_SHOWN]}\n[… {left} more characters in samples.jsonl]"


def _both(name: str, make: Callable[[str, int], Drawing | None]) -> Chart | None:
    wide = make(name, charts.WIDE_PX)
    return None if wide is None else Chart(wide, make(name, charts.NARROW_PX))


def _told_steps(points: Sequence[TrainingPoint]) -> tuple[TrainingPoint, ...]:
    """Steps for the table: those with a validation loss, else evenly spaced; first and last too."""
    if len(points) <= _STEPS_SHOWN:
        return tuple(points)
    inner = [p for p in points[1:-1] if p.validation_loss is not None] or list(points[1:-1])
    stride = -(-len(inner) // (_STEPS_SHOWN - 2))
    return (points[0], *inner[::stride], points[-1])


def _runs(report: Report) -> tuple[EvalRun, ...]:
    """Every run that a figure came from, once."""
    runs = [run for s in report.sections for run in (s.candidate, s.reference)]
    runs += [arm.run for each in report.arms for arm in each.arms]
    runs += [run for each in report.arms for _, run in each.tried]
    return tuple({run.run_id: run for run in runs}.values())
