"""What a report can't tell: sentences drawn from the records, not boilerplate."""

from weighbridge.records import EvalRun, Json
from weighbridge.reports import wording
from weighbridge.reports.content import BenchmarkSection, Report

_FEW_ITEMS = 100


def limits(report: Report) -> tuple[str, ...]:
    """Return what a careful reader must not conclude, the weightiest first."""
    sentences = [sentence for section in report.sections for sentence in _of_section(section)]
    sentences += [
        f"{item.what} was skipped, so this report says nothing about it." for item in report.skipped
    ]
    if not any(section.role == "guard" for section in report.sections):
        sentences.append(
            "No guard benchmark was run on both models: whether anything else got worse is unknown."
        )
    if report.training:
        sentences.append(
            "One tuning run with one seed was measured. The intervals cover the choice of items, "
            "not how much another seed or another order of the training rows would change."
        )
    if len(report.sections) > 1:
        sentences.append(
            f"Each interval is at 95 % by itself; with {len(report.sections)} benchmarks, the "
            "chance that at least one misses is larger than 5 %. The findings are corrected for "
            "that (Holm), the intervals and the parts are not."
        )
    sentences.append(
        "A benchmark stands for the work only as far as its items resemble what will be asked."
    )
    return tuple(dict.fromkeys(sentences))


def _of_section(section: BenchmarkSection) -> list[str]:
    comparison, title = section.shown, section.title
    sentences = []
    reach = (comparison.interval[1] - comparison.interval[0]) / 2
    told = f"{title}: {wording.count(comparison.n)} paired items resolve about ±"
    size = wording.points(reach, comparison.scale).lstrip("+")
    told += f"{size}; a smaller difference would not be seen"
    if comparison.why_unknown:
        sentences = [f"{title}: {comparison.why_unknown}, so the two can't be compared."]
    elif comparison.verdict == "inconclusive":
        sentences.append(f"{told}, and this one can't be told at the margin asked for.")
    elif comparison.n < _FEW_ITEMS or (section.role == "guard" and reach > comparison.margin):
        sentences.append(f"{told}.")
    sentences += _overlap(section)
    comparison = section.comparison
    if comparison.lost or (comparison.unpaired and not section.candidate.stopped):
        low, high = comparison.bounds
        sentences.append(
            f"{title}: {comparison.unpaired} items could not be paired (answered by one model, or "
            f"lost to the machine). Had they all gone against the candidate, or all for it, the "
            f"difference would lie between {wording.points(low, comparison.scale)} and "
            f"{wording.points(high, comparison.scale)}."
        )
    for run in (section.candidate, section.reference):
        sentences += [f"{title}, {run.model.name}: {note}" for note in run.provenance.notes]
    limit = section.candidate.asked.limit
    if limit is not None:
        sentences.append(
            f"{title}: only the first {limit} items of each subset were asked; the figure is not "
            "the whole benchmark's."
        )
    if _by_examples_alone(section):
        sentences.append(
            f"{title}: the reference was asked with worked examples and the candidate without, on "
            "purpose. Another prompt may do better than the best of those that were tried."
        )
    elif _settings(section.candidate) != _settings(section.reference):
        sentences.append(
            f"{title}: the two runs differ in their settings, so part of the difference may be due "
            "to that."
        )
    if section.candidate.protocol != section.reference.protocol:
        sentences.append(
            f"{title}: the candidate was asked by {section.candidate.protocol}, the reference by "
            f"{section.reference.protocol}; the two protocols don't give the same figures."
        )
    stored = section.reference.model.quantization
    if stored:
        sentences.append(
            f"The reference's weights were stored as {stored}, which lost bits before anything was "
            "measured; the weights as first released may score otherwise."
        )
    return sentences


def _settings(run: EvalRun) -> dict[str, Json]:
    """What was chosen for a run, but for when it may stop, which its notes tell."""
    return run.asked.without("stop")


def _by_examples_alone(section: BenchmarkSection) -> bool:
    """Whether the reference had worked examples of its own, and nothing else was different."""
    asked, like = section.candidate.asked, section.reference.asked
    differ = asked.without("stop", "shots", "examples") != like.without("stop", "shots", "examples")
    return "examples" in like.stated and "examples" not in asked.stated and not differ


def _overlap(section: BenchmarkSection) -> list[str]:
    """What the candidate scores on items that it did not learn from."""
    found, title = section.contamination, section.title
    if found is None or not found.found:
        return []
    told = (
        f"{title}: {len(found.found)} of {wording.count(found.items)} items overlap with the "
        f"tuning data ({len(found.exact)} share a long run of words, {len(found.near)} are nearly "
        "alike), so the verdict rests on the others"
    )
    if section.clean_comparison is None or not section.clean_scores:
        return [f"{told}, of which there are none."]
    candidate, clean = section.clean_scores[-1], section.clean_comparison
    scale = clean.scale
    return [
        f"{told}. The candidate's {wording.value(candidate.headline, scale)} is "
        f"{wording.value(candidate.clean_mean or 0.0, scale)} without them, a difference of "
        f"{wording.difference(candidate.difference, candidate.difference_interval, scale)}; it "
        "differs from the reference by "
        f"{wording.difference(clean.difference, clean.interval, scale)} there."
    ]
