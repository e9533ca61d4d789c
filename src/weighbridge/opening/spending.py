"""What a benchmark would cost at an endpoint, estimated before anything is asked."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from weighbridge.documents.intentions import Spending
from weighbridge.evaluation.task import Task
from weighbridge.models.endpoint import (
    EndpointAddress,
    find_price,
)
from weighbridge.models.protocol import Prompt
from weighbridge.records import Price

CHARACTERS_A_TOKEN = 4  # of English, as OpenAI's own rule of thumb says


JUDGE_PROMPT_TOKENS = 400  # MT-Bench's longest judge prompt without what is put in


def estimate_spending(
    model: EndpointAddress | None,
    judge: EndpointAddress | None,
    task: Task,
    judge_repeats: int = 1,
) -> tuple[Spending, ...]:
    """Estimate what a task costs, from its items as they would be asked.

    Args:
        model: Who is asked; None for open weights.
        judge: Who judges, where an endpoint does.
        task: The benchmark.
        judge_repeats: Judgements of each answer.
    """
    settings, asking = replace(task.settings, chat_template=True), task.benchmark.asking
    method = task.benchmark.judge_for(settings)
    asked = judged = asked_tokens = judged_tokens = written = 0
    for sample in task.items(settings):
        most = asking.sampling_for(settings, sample).max_tokens
        for number, turn in enumerate(asking.turns_of(sample)):
            question = _tokens(asking.prompt(turn, settings))
            asked += settings.repeats
            asked_tokens += settings.repeats * (question + number * most)
            written += settings.repeats * most
            judged += settings.repeats * judge_repeats
            judged_tokens += (
                settings.repeats * judge_repeats * (JUDGE_PROMPT_TOKENS + question + most)
            )
    found = [_spending("model", model, asked, asked_tokens, written)] if model else []
    if judge and method:
        orders = 2 if method.needs_baseline else 1
        longest = orders * judged * method.sampling.max_tokens
        found.append(_spending("judge", judge, orders * judged, orders * judged_tokens, longest))
    return tuple(found)


ASSUMPTIONS = (
    f"a token is {CHARACTERS_A_TOKEN} characters of a prompt",
    "every answer is as long as its limit allows",
    "nothing is cached by the server, and nothing is asked twice",
)


def _spending(
    who: str, address: EndpointAddress, requests: int, input_tokens: int, output_tokens: int
) -> Spending:
    price = find_price(address, datetime.now(UTC))
    usd = _usd(price, requests, input_tokens, output_tokens) if price else None
    source = price.source if price else "no price known"
    return Spending(
        who=who, requests=requests, input_tokens=input_tokens,
        output_tokens_at_most=output_tokens, usd=usd, price=source,
    )  # fmt: skip


def _usd(price: Price, requests: int, input_tokens: int, output_tokens: int) -> float:
    # Thresholds are for one prompt's length, so the mean prompt decides.
    rate = price.rate(input_tokens // max(requests, 1))
    return rate.usd(input_tokens, 0, output_tokens)


def _tokens(prompt: Prompt) -> int:
    texts = [prompt.text] if prompt.text is not None else [m.content for m in prompt.messages]
    return -(-sum(map(len, texts)) // CHARACTERS_A_TOKEN) + 4 * len(texts)


def told(spending: Sequence[Spending]) -> list[str]:
    """Return estimates as lines for a person."""
    return [
        f"  {s.who}: {s.requests} requests, {s.input_tokens:,} tokens in, at most "
        f"{s.output_tokens_at_most:,} out: "
        + (f"about {s.usd:.4f} USD" if s.usd is not None else "cost unknown")
        + f"\n    ({s.price})"
        for s in spending
    ]
