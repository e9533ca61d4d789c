"""The three arms of a report: the base as it is, the base with worked examples, the tuned model."""

from collections.abc import Sequence
from dataclasses import replace

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.comparison.prompted import PromptedComparison, RequestCost
from weighbridge.documents.project import ArmDocument, PromptingDocument, TriedPromptDocument
from weighbridge.records import Comparison, EvalRun, PromptTried
from weighbridge.reports import Arm, ArmsSection
from weighbridge.verdict.economics import Economics, usd_per_request

Gain = tuple[float, tuple[float, float]]
"""A difference with its 95 % interval."""


def arms_of(
    weighed: Sequence[BenchmarkComparison], economics: Economics | None
) -> tuple[ArmsSection, ...]:
    """Return a section for each target on which tuning was weighed against prompting."""
    return tuple(
        _section(each, each.prompted, economics) for each in weighed if each.prompted is not None
    )


def prompting_documents(
    weighed: Sequence[BenchmarkComparison], economics: Economics | None
) -> tuple[PromptingDocument, ...]:
    """Return what `run` and `demo` print of tuning against prompting."""
    found = [each for each in weighed if each.prompted is not None]
    return tuple(
        _document(each, section)
        for each, section in zip(found, arms_of(weighed, economics), strict=True)
    )


def _document(weighed: BenchmarkComparison, section: ArmsSection) -> PromptingDocument:
    prompted = weighed.prompted
    assert prompted is not None
    base, with_examples, tuned = (
        ArmDocument(
            run=arm.run.run_id,
            mean=arm.run.estimate.known_mean,
            prompt_tokens=arm.prompt_tokens,
            output_tokens=arm.output_tokens,
            usd=arm.usd,
        )
        for arm in section.arms
    )
    gain = section.arms[1].gain
    return PromptingDocument(
        benchmark=weighed.after.title,
        shots=prompted.arm.shots,
        rows=section.rows,
        tried=tuple(
            TriedPromptDocument(**vars(one.tried), mean=one.run.estimate.known_mean)
            for one in prompted.validation
        ),
        base=base,
        prompted=with_examples,
        tuned=tuned,
        difference=gain[0] if gain else None,
        interval=gain[1] if gain else None,
    )


def sections_of(weighed: Sequence[BenchmarkComparison]) -> list[BenchmarkComparison]:
    """Return what the report shows of each benchmark in full.

    Where tuning was weighed against prompting, that is the tuned model against the prompted base.
    """
    return [_over_prompt(each) or each for each in weighed]


def _over_prompt(weighed: BenchmarkComparison) -> BenchmarkComparison | None:
    found, prompted = weighed.over_prompt, weighed.prompted
    if found is None or prompted is None:
        return None
    model = found.before.model
    named = replace(model, name=f"{model.name}, {_examples(prompted.arm.shots)}")
    return replace(found, before=replace(found.before, model=named))


def _section(
    weighed: BenchmarkComparison, prompted: PromptedComparison, economics: Economics | None
) -> ArmsSection:
    costs, against_base = prompted.costs, weighed.decisive
    base_gain = None if against_base is None else _gain(against_base, of_tuned=True)
    found = prompted.decisive
    prompt_gain = None if found is None else _gain(found, of_tuned=False)
    shots = prompted.arm.shots
    with_examples = f"Base with {_examples(shots)}"

    def arm(name: str, run: EvalRun, cost: RequestCost, gain: Gain | None) -> Arm:
        usd = usd_per_request(cost, economics)
        tuned = run is weighed.after
        return Arm(
            name, run, cost.prompt_tokens, cost.output_tokens, usd, gain,
            "candidate" if tuned else "reference",
        )  # fmt: skip

    return ArmsSection(
        title=weighed.after.title,
        arms=(
            arm("Base as it is", weighed.before, costs.as_it_is, base_gain),
            arm(with_examples, prompted.run, costs.prompted, prompt_gain),
            arm("Tuned, without examples", weighed.after, costs.tuned, None),
        ),
        tried=tuple((_named(one.tried), one.run) for one in prompted.validation),
        chosen=prompted.validation.index(prompted.chosen),
        rows=prompted.arm.rows,
    )


def _gain(found: Comparison, *, of_tuned: bool) -> Gain | None:
    """Return tuned minus other arm, whichever of the two the comparison has first."""
    if found.why_unknown:
        return None
    low, high = found.interval
    return (found.difference, (low, high)) if of_tuned else (-found.difference, (-high, -low))


def _named(tried: PromptTried) -> str:
    if not tried.shots:
        return "No examples"
    return _examples(tried.shots).capitalize() + (f", draw {tried.draw}" if tried.draw > 1 else "")


def _examples(shots: int) -> str:
    return f"{shots} worked example{'s' * (shots != 1)}"
