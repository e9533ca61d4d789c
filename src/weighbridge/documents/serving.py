"""What can be served, and how fast: what `plan serve` prints."""

from dataclasses import dataclass

from weighbridge.documents.form import ABSENT, Inlined, OrAbsent, Printed


@dataclass(frozen=True, kw_only=True)
class ServingSpeed:
    """A rate under one condition.

    Attributes:
        output_tokens_per_second: Of all GPUs.
        tokens_per_second: The same.
        interval: 95 % interval of it.
        tokens_per_second_per_gpu: Of one GPU.
        batch: Mean sequences at once in each copy of the model.
        ttft_seconds: To the first token, on the average; null where the batch is larger than any
            that it was measured at.
        tpot_seconds: For each later token, on the average.
        usd_per_million_output_tokens: At full load; null without a price.
        at_roofline: Whether the hardware's ceiling cut the rate.
    """

    output_tokens_per_second: float
    tokens_per_second: float
    interval: tuple[float, float]
    tokens_per_second_per_gpu: float
    batch: float
    ttft_seconds: float | None
    tpot_seconds: float
    usd_per_million_output_tokens: float | None
    at_roofline: bool


@dataclass(frozen=True, kw_only=True)
class ServingLimit:
    """Latencies that are kept to.

    Attributes:
        ttft_seconds: To the first token; null for no limit.
        tpot_seconds: For each later token; null for no limit.
    """

    ttft_seconds: float | None
    tpot_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class WithinGoal:
    """The largest batch that keeps to the goal.

    Attributes:
        layout: How the model is spread.
        largest_batch: Sequences at once in each copy of the model.
        at_batch_output_tokens_per_second: At that batch, of all GPUs.
        at_batch_tokens_per_second: The same.
        at_batch_interval: 95 % interval of it.
        at_batch_tokens_per_second_per_gpu: Of one GPU.
        at_batch_batch: The batch.
        at_batch_ttft_seconds: To the first token, on the average; null where not known.
        at_batch_tpot_seconds: For each later token, on the average.
        at_batch_usd_per_million_output_tokens: At full load; null without a price.
        at_batch_at_roofline: Whether the hardware's ceiling cut the rate.
        share_of_requests_met: Share of requests that meet the goal.
        good_output_tokens_per_second: Output of requests that met the goal.
        usd_per_million_good_output_tokens: For those; null without a price.
        offered_share_of_capacity: The log's own output over the capacity; null without times.
        requests: In the log; null without one.
    """

    layout: str
    largest_batch: float
    at_batch_output_tokens_per_second: float
    at_batch_tokens_per_second: float
    at_batch_interval: tuple[float, float]
    at_batch_tokens_per_second_per_gpu: float
    at_batch_batch: float
    at_batch_ttft_seconds: float | None
    at_batch_tpot_seconds: float
    at_batch_usd_per_million_output_tokens: float | None
    at_batch_at_roofline: bool
    share_of_requests_met: float
    good_output_tokens_per_second: float
    usd_per_million_good_output_tokens: float | None
    offered_share_of_capacity: float | None
    requests: int | None


@dataclass(frozen=True, kw_only=True)
class ServingGoal:
    """The latencies asked for, and what keeps to them.

    Attributes:
        limit: The goal.
        met: Whether any batch keeps to it; the exit code is 1 where none does.
        within: Where one does.
    """

    limit: Inlined[ServingLimit]
    met: bool
    within: Inlined[OrAbsent[WithinGoal]] = ABSENT


@dataclass(frozen=True, kw_only=True)
class ServingCalibration:
    """What the forecast's interval rests on.

    Attributes:
        support: calibrated, neighbouring or outside.
        calibrated: Whether it is the first.
        cell: What was measured nearest; null where nothing was on this accelerator.
        measurements: How many.
        newest: The newest of them, ISO 8601.
        age_days: Its age on the day of `as_of`.
        made: When the constants were fitted, ISO 8601.
        sentence: The same in words.
    """

    support: str
    calibrated: bool
    cell: str | None
    measurements: int
    newest: str
    age_days: int
    made: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class ServingPrice:
    """What one GPU costs.

    Attributes:
        usd_per_hour: Dollars.
        note: What that price is.
    """

    usd_per_hour: float
    note: str


@dataclass(frozen=True, kw_only=True)
class ServingPlanDocument:
    """What fits on the accelerators and how fast it is served.

    Attributes:
        model: Its name in the catalog, or its architecture.
        accelerator: Its name.
        gpus: How many.
        precision: Of the weights.
        layout: How the model is spread.
        input_tokens: Of a prompt, on the average.
        output_tokens: Of an answer, on the average.
        fits: True; what does not fit is an error.
        weight_bytes: Of the model.
        weight_bytes_per_gpu: Of its weights on one GPU.
        kv_cache_bytes: Of one sequence at its mean length.
        free_bytes_per_gpu: Left for the cache.
        max_batch: Sequences held at once, in all copies of the model.
        speed: Of `offline`.
        offline: With requests always at hand.
        server: With requests that arrive by chance, under `server_limit`.
        server_limit: What the server keeps to.
        roofline_tokens_per_second: The hardware's ceiling for `offline`.
        calibration: What the intervals rest on.
        conditions: Under which this holds.
        as_of: The day it is asked, ISO 8601.
        accelerator_source: Where its figures come from.
        sources: Of the measurements.
        notes: On the architecture.
        price: Where one is known.
        goal: With `--ttft` or `--tpot`.
    """

    model: str
    accelerator: str
    gpus: int
    precision: str
    layout: str
    input_tokens: float
    output_tokens: float
    fits: bool
    weight_bytes: float
    weight_bytes_per_gpu: float
    kv_cache_bytes: float
    free_bytes_per_gpu: float
    max_batch: float
    speed: Inlined[ServingSpeed]
    offline: ServingSpeed
    server: ServingSpeed
    server_limit: ServingLimit
    roofline_tokens_per_second: float
    calibration: ServingCalibration
    conditions: tuple[str, ...]
    as_of: str
    accelerator_source: str
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    price: OrAbsent[ServingPrice] = ABSENT
    goal: OrAbsent[ServingGoal] = ABSENT


PRINTED = (Printed("plan serve", ServingPlanDocument),)
