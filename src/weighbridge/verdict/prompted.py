"""Decides whether tuning beats prompting: the tuned model against the base with worked examples.

The claim is that the tuned model is better by more than the margin. A prompt that is shown to be no
worse than the tuned model by more than the margin makes tuning needless.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.comparison.prompted import ArmCosts, PromptedComparison, RequestCost
from weighbridge.records import Comparison
from weighbridge.records import Verdict as Supported
from weighbridge.records.scale import is_share, margin, measured_in
from weighbridge.reports import VerdictFinding, wording
from weighbridge.statistics.families import decide_together
from weighbridge.verdict.economics import Economics, usd_per_request


@dataclass(frozen=True)
class AgainstPrompt:
    """One target's tuned model against the prompted base, corrected for several targets (Holm).

    Attributes:
        prompted: The comparison of the two.
        supports: The corrected verdict on the prompted base minus the tuned model.
    """

    prompted: PromptedComparison
    supports: Supported

    @property
    def beaten(self) -> bool:
        """Whether the tuned model is shown to be better by more than the margin."""
        return self.supports == "inferior"

    @property
    def matched(self) -> bool:
        """Whether the prompt is shown to be no worse than tuning by more than the margin."""
        return self.supports in ("superior", "equivalent", "non_inferior")

    @property
    def sentence(self) -> str:
        """The result in a sentence, with the figures behind it."""
        arm, found = self.prompted.arm, self.prompted.decisive
        prompt = f"the base with {arm.shots} worked example{'s' * (arm.shots != 1)} in its prompt"
        name = self.prompted.comparison.benchmark
        if found is None:
            return f"{name} against {prompt}: every item overlaps with the tuning data."
        if found.why_unknown:
            return f"{name} against {prompt}: {found.why_unknown}."
        what = "beats" if self.beaten else "does not beat" if self.matched else "may not beat"
        return (
            f"Tuning {what} the best prompt on {name}: {_figures(found, prompt)} "
            f"on {found.n} paired items."
        )


def against_prompts(weighed: Sequence[BenchmarkComparison]) -> dict[int, AgainstPrompt]:
    """Decide each target that was compared with a prompt, by its index among the benchmarks."""
    found = {place: w.prompted for place, w in enumerate(weighed) if w.prompted is not None}
    known = {place: p.decisive for place, p in found.items() if p.decisive is not None}
    joint = dict(zip(known, decide_together(list(known.values())), strict=True))
    return {
        place: AgainstPrompt(p, joint[place].verdict if place in joint else "inconclusive")
        for place, p in found.items()
    }


def finding(against: AgainstPrompt, economics: Economics | None) -> VerdictFinding:
    """Return the finding on one target: whether tuning beat the prompt, and at what cost."""
    c = against.prompted.comparison
    title = f"{c.benchmark}: better than the best prompt by more than {margin(c.margin, c.scale)}"
    sentence = f"{against.sentence} {_validation(against.prompted)} {_costs(against, economics)}"
    if against.beaten:
        return VerdictFinding(title, "yes", sentence)
    return VerdictFinding(title, "no" if against.matched else "insufficient", sentence)


def _figures(found: Comparison, prompt: str) -> str:
    """Return both means, and tuned minus prompted."""
    prompted, tuned = (wording.value(mean, found.scale) for mean in (found.mean_a, found.mean_b))
    low, high = found.interval
    gap = wording.difference(-found.difference, (-high, -low), found.scale)
    unit = "" if is_share(found.scale) else f" {measured_in(found.scale)}"
    return f"{tuned} against {prompted}{unit} of {prompt}, a difference of {gap}"


def _validation(prompted: PromptedComparison) -> str:
    """Return a sentence on how the prompt was chosen."""
    chosen, bare = prompted.chosen.run.estimate, prompted.as_it_is.run.estimate
    scale = chosen.scale
    of_bare = (
        "none of the answers of the base as it is could be graded"
        if bare.known_mean is None
        else f"the base as it is {wording.value(bare.mean, scale)}"
    )
    return (
        f"The prompt was chosen among {len(prompted.validation) - 1} on {chosen.n} validation "
        f"rows, where it scored {wording.value(chosen.mean, scale)} and {of_bare}."
    )


def _costs(against: AgainstPrompt, economics: Economics | None) -> str:
    costs: ArmCosts = against.prompted.costs
    return (
        f"A request takes the tuned model {_cost(costs.tuned, economics)}, the prompted base "
        f"{_cost(costs.prompted, economics)}, the base as it is "
        f"{_cost(costs.as_it_is, economics)}."
    )


def _cost(cost: RequestCost, economics: Economics | None) -> str:
    usd = usd_per_request(cost, economics)
    priced = f" ({1000 * usd:.2g} USD for a thousand)" if usd is not None else ""
    return f"{cost.prompt_tokens:,.0f} + {cost.output_tokens:,.0f} tokens{priced}"
