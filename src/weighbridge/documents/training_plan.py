"""What a compute budget buys: what `plan train` prints."""

from collections.abc import Mapping
from dataclasses import dataclass

from weighbridge.documents.form import ABSENT, OrAbsent, Printed

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ServingPlan:
    """The split that is cheapest over a model's lifetime, at the same loss.

    Attributes:
        lifetime_tokens: Tokens that it will serve.
        parameters: Its size.
        parameters_interval: 95 % interval of it; null where the law comes without draws.
        tokens: Tokens that it is trained on.
        training_flops: FLOPs of training it.
        serving_flops: FLOPs of serving those tokens.
        saved: Share of training and serving FLOPs saved against the split best for training.
    """

    lifetime_tokens: float
    parameters: float
    parameters_interval: Interval | None
    tokens: float
    training_flops: float
    serving_flops: float
    saved: float


@dataclass(frozen=True, kw_only=True)
class RepeatedDataPlan:
    """The split where tokens run out, so that some are seen again.

    Attributes:
        unique_tokens: Tokens that there are.
        parameters: The model's size.
        tokens: Tokens that it is trained on, repeats counted.
        epochs: How often each token is seen.
        loss: Nats per token.
        loss_if_unique: If no token had to be repeated.
    """

    unique_tokens: float
    parameters: float
    tokens: float
    epochs: float
    loss: float
    loss_if_unique: float


@dataclass(frozen=True, kw_only=True)
class TrainingPlanDocument:
    """A compute budget split into parameters and tokens by a scaling law.

    Attributes:
        flops: The budget.
        law: Its name, or the file's.
        parameters: The best size.
        tokens: The tokens that go with it.
        tokens_per_parameter: Their ratio.
        loss: Nats per token; null where the law says none.
        intervals: 95 % interval of `parameters`, `tokens`, `tokens_per_parameter` and `loss`; null
            where the law comes without draws.
        regret: Nats that are lost at worst because the best size is not known exactly; null
            likewise.
        beyond: The budget over the largest of the law's data; null where that is not recorded.
        accelerator: Where it is trained.
        utilization: Share of its peak that training is taken to reach.
        accelerator_hours: How long that takes.
        usd: What that costs; null without a price.
        warnings: What must not be overlooked.
        uncertainty: What is uncertain, in a sentence.
        source: Of the law.
        serving: With `--lifetime-tokens`.
        repeated: With `--unique-tokens`.
    """

    flops: float
    law: str
    parameters: float
    tokens: float
    tokens_per_parameter: float
    loss: float | None
    intervals: Mapping[str, Interval | None]
    regret: float | None
    beyond: float | None
    accelerator: str
    utilization: float
    accelerator_hours: float
    usd: float | None
    warnings: tuple[str, ...]
    uncertainty: str
    source: str
    serving: OrAbsent[ServingPlan] = ABSENT
    repeated: OrAbsent[RepeatedDataPlan] = ABSENT


PRINTED = (Printed("plan train", TrainingPlanDocument),)
