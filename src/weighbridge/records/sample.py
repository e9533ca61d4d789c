"""One question, what a model said to it, and what that was worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from weighbridge.errors import InputError
from weighbridge.records.charge import Charge
from weighbridge.records.digest import canonical_digest
from weighbridge.records.score import Score

if TYPE_CHECKING:
    # Plain JSON data. Read-only, so that a `dict[str, str]` is JSON, too; `isinstance` narrows it.
    Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
else:
    # Pydantic resolves annotations at run time: JSON passes through it unchanged.
    Json = Any

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class Sample:
    """One item of a benchmark.

    Attributes:
        id: Unique within the benchmark, stable between versions of the code.
        messages: The item itself as turns, without few-shot examples or instructions.
        target: The right answer as plain JSON (a letter, an object, a test program).
        cluster: What it shares with its neighbours (a subject, a source document); standard errors
            are clustered by it. None where items are independent.
        choices: The options of a multiple-choice item, in the order shown; else empty.
        metadata: What only this benchmark's own functions read, as plain JSON.
    """

    id: str
    messages: tuple[Message, ...]
    target: Json
    cluster: str | None = None
    choices: tuple[str, ...] = ()
    metadata: dict[str, Json] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """The text of the last user turn: what a person is shown."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that defines the item."""
        return canonical_digest(self)

    @property
    def target_text(self) -> str:
        """The right answer, where it is a text.

        Raises:
            InputError: It is something else.
        """
        if isinstance(self.target, str):
            return self.target
        self._refuse(self.target, "a text as its target")

    @property
    def target_object(self) -> Mapping[str, Json]:
        """The right answer, where it is an object.

        Raises:
            InputError: It is something else.
        """
        if isinstance(self.target, dict):
            return self.target
        self._refuse(self.target, "an object as its target")

    def text(self, key: str) -> str:
        """Return a text of the metadata.

        Raises:
            InputError: There is no text of that name.
        """
        value = self.metadata.get(key)
        if isinstance(value, str):
            return value
        self._refuse(value, f"a text named {key} in its metadata")

    def listed(self, key: str) -> Sequence[Json]:
        """Return a list of the metadata.

        Raises:
            InputError: There is no list of that name.
        """
        value = self.metadata.get(key)
        if isinstance(value, (list, tuple)):
            return value
        self._refuse(value, f"a list named {key} in its metadata")

    def _refuse(self, value: Json, expected: str) -> NoReturn:
        saw = "nothing" if value is None else f"{value!r:.60}"
        raise InputError(
            f"item {self.id} has {saw}", expected, "correct the benchmark that made it"
        )


@dataclass(frozen=True)
class Generation:
    """What a model wrote for one sample.

    Attributes:
        sample_id: The sample's id.
        repeat: 0-based index where a sample is answered several times.
        text: The answer, without the prompt and without the stop string.
        stop: Why it ended: an end-of-turn token, a stop string, the token limit, a failure, a
            refusal that the server marks as one, or a prompt beyond the model's context.
        input_tokens: Length of the prompt.
        output_tokens: Tokens generated, the end token included.
        seed: Seed of the sampler for this sample and repeat.
        latency_seconds: Wall time until the last token.
        charge: What an endpoint charged; None for open weights.
        why: What went wrong, where there is no answer.
    """

    sample_id: str
    repeat: int
    text: str
    stop: Literal["end", "stop_string", "length", "error", "refused", "overlong"]
    input_tokens: int
    output_tokens: int
    seed: int
    latency_seconds: float = 0.0
    charge: Charge | None = None
    why: str = ""


@dataclass(frozen=True)
class ScoredSample:
    """One line of `samples.jsonl`: everything that a figure in a report is recomputed from.

    Attributes:
        sample_id: The sample's id.
        repeat: 0-based index where a sample is answered several times.
        cluster: The sample's cluster.
        sample_digest: Digest of the sample as it was asked.
        prompt_digest: Digest of the prompt's text as the model saw it.
        question: What a person is shown; None for benchmarks whose questions must not be published.
        target: The right answer as shown to a person; None where it must not be published.
        output: The model's text, or the chosen option.
        logprobs: Choice by choice, natural log-probabilities; empty unless scored by likelihood.
        stop: As in `Generation`; "scored" for likelihoods.
        input_tokens: Tokens read.
        output_tokens: Tokens written; 0 for likelihoods.
        seed: The sampler's seed.
        score: Graded or Ungraded.
        latency_seconds: Timing, left out of the samples digest.
        charges: What endpoints charged for the answer and its judgement; left out of the samples
            digest as timing is, because what a server has at hand is not the model's doing.
    """

    sample_id: str
    repeat: int
    cluster: str | None
    sample_digest: str
    prompt_digest: str
    question: str | None
    target: Json
    output: str
    logprobs: tuple[float, ...]
    stop: str
    input_tokens: int
    output_tokens: int
    seed: int
    score: Score
    latency_seconds: float = 0.0
    charges: tuple[Charge, ...] = ()
