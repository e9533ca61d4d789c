"""Where a run happens, and how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass

from weighbridge.evidence import RunStore


@dataclass(frozen=True)
class Progressed:
    """How far a run has come; `done` samples, the parts of a unit in work included."""

    done: float
    total: int
    computed_tokens: int


@dataclass(frozen=True)
class RunContext:
    """Where a run happens: what its provenance records, and where its evidence goes.

    Attributes:
        store: Evidence.
        threads: For arithmetic.
        started: ISO 8601, UTC.
        graders: Answers judged at a time, where judging runs code.
        sandbox_level: The level at which model-written code runs; None where none does.
        weaker_sandbox: Whether that is a level at which verdicts can be faked, as a person allowed.
        weaker_allowed: Whether a person allowed such a level where an item's test needs it.
        already_paid: Told what answers cost (USD) that earlier attempts of a run paid for.
    """

    store: RunStore
    threads: int
    started: str
    graders: int = 2
    sandbox_level: str | None = None
    weaker_sandbox: bool = False
    weaker_allowed: bool = False
    already_paid: Callable[[float], None] = lambda usd: None


OnProgress = Callable[[Progressed], None]
