"""What would run, and what it would cost: what `--dry-run` and `--show-prompt` print."""

from dataclasses import dataclass

from weighbridge.documents.form import ABSENT, OrAbsent, Printed


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What one benchmark would cost at an endpoint.

    Attributes:
        who: "model" or "judge".
        requests: Answers asked for.
        input_tokens: Likely.
        output_tokens_at_most: If every answer were as long as allowed.
        usd: Of both; null where no price is known.
        price: Where the price comes from.
    """

    who: str
    requests: int
    input_tokens: int
    output_tokens_at_most: int
    usd: float | None
    price: str


@dataclass(frozen=True, kw_only=True)
class IntendedRun:
    """One run that would be started.

    Attributes:
        model: As it was named.
        benchmark: NAME or NAME:SUBSET.
        n: Answers that would be asked for.
        protocol: How they would be obtained.
        spending: What that would cost: an entry each for the model and the judge that is an
            endpoint.
    """

    model: str
    benchmark: str
    n: int
    protocol: str
    spending: OrAbsent[tuple[Spending, ...]] = ABSENT


@dataclass(frozen=True, kw_only=True)
class IntendedEvaluation:
    """What `evaluate` would run.

    Attributes:
        would_run: One a benchmark.
        notes: What must be known of the prompts.
        assumptions: What the costs rest on, where an endpoint is asked.
    """

    would_run: tuple[IntendedRun, ...]
    notes: tuple[str, ...]
    assumptions: OrAbsent[tuple[str, ...]] = ABSENT


@dataclass(frozen=True, kw_only=True)
class MissingBenchmark:
    """A benchmark of the project that would be skipped.

    Attributes:
        benchmark: NAME or NAME:SUBSET.
        get_it: The command that makes it run.
    """

    benchmark: str
    get_it: str


@dataclass(frozen=True, kw_only=True)
class IntendedProject:
    """What a project would run.

    Attributes:
        stages: What each stage would do, a sentence each.
        would_run: One a benchmark; each runs before and after, where two models are compared.
        skipped: Benchmarks whose data is not here.
        notes: What must be known of the prompts.
    """

    stages: tuple[str, ...]
    would_run: tuple[IntendedRun, ...]
    skipped: tuple[MissingBenchmark, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FirstPrompt:
    """A benchmark's first prompt as the model would read it.

    Attributes:
        benchmark: NAME or NAME:SUBSET.
        notes: What must be known of it.
        prompt: Its text; ⟦ ⟧ marks control tokens that are text.
    """

    benchmark: str
    notes: tuple[str, ...]
    prompt: str


@dataclass(frozen=True, kw_only=True)
class FirstPrompts:
    """The first prompt of each benchmark.

    Attributes:
        prompts: One a benchmark.
    """

    prompts: tuple[FirstPrompt, ...]


PRINTED = (
    Printed("evaluate --dry-run", IntendedEvaluation),
    Printed("evaluate --show-prompt", FirstPrompts),
    Printed("run --dry-run", IntendedProject),
    Printed("demo --dry-run", IntendedProject),
)
