"""One protocol for every model, importable without torch."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from weighbridge.models.thoughts import MARKERS, Markers, separate_reasoning
from weighbridge.records import Charge, Generation, Message, ModelRef, Role, Ungraded

LETTERS = "2"  # of reading a server's letters; raise it when the same reply could be read otherwise
Shape = tuple[Role, ...]  # the roles of a prompt's turns; empty for plain text


class Capability(StrEnum):
    """What a backend can do.

    LETTER_LOGPROBS is `score` for continuations of one token each, the first of a reply, which is
    all that most endpoints report. ONLY_CHAT means that it takes conversations and no raw text.
    """

    SCORE = "score"
    GENERATE = "generate"
    LETTER_LOGPROBS = "letter_logprobs"
    CHAT = "chat"
    ONLY_CHAT = "only_chat"


@dataclass(frozen=True)
class Prompt:
    """What a model reads: either raw text, or turns that the chat template renders.

    Exactly one of the two is set. Raw text gets no special tokens beyond those that the model's
    tokenizer adds by itself.
    """

    text: str | None = None
    messages: tuple[Message, ...] = ()

    def __post_init__(self) -> None:
        if (self.text is None) == (not self.messages):
            raise ValueError("a prompt is either raw text or messages, never both or neither")

    @property
    def shape(self) -> Shape:
        """The roles of its turns; empty for raw text."""
        return tuple(message.role for message in self.messages)


@dataclass(frozen=True)
class ScoreRequest:
    """Ask for log p(continuation | prompt), for each of several continuations of one prompt."""

    sample_id: str
    prompt: Prompt
    continuations: tuple[str, ...]


@dataclass(frozen=True)
class ScoreResult:
    """Answer to a `ScoreRequest`.

    Attributes:
        sample_id: As asked.
        logprobs: Summed natural log-probability of each continuation.
        greedy: Whether each continuation is what greedy decoding would have produced.
        prompt_text: The prompt as rendered.
        input_tokens: Tokens of prompt and longest continuation.
        near_tie: The two best continuations differ by less than the noise of the batch's shape.
        ungraded: Why there are no log-probabilities, where there are none.
        charge: What an endpoint charged; None for open weights.
    """

    sample_id: str
    logprobs: tuple[float, ...]
    greedy: tuple[bool, ...]
    prompt_text: str
    input_tokens: int
    near_tie: bool = False
    ungraded: Ungraded | None = None
    charge: Charge | None = None


@dataclass(frozen=True)
class Sampling:
    """How text is drawn. Temperature 0 is greedy; otherwise `seed` decides, sample by sample."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class GenerateRequest:
    """Ask for one answer. `repeat` tells apart several answers to one sample."""

    sample_id: str
    prompt: Prompt
    sampling: Sampling = field(default_factory=Sampling)
    repeat: int = 0


@dataclass(frozen=True)
class Generated:
    """Answer to a `GenerateRequest`.

    Attributes:
        generation: The text and how it came to be.
        prompt_text: The prompt as the model saw it.
        markers: What the model may put before and after a thought.
    """

    generation: Generation
    prompt_text: str
    markers: tuple[Markers, ...] = MARKERS

    @property
    def answer(self) -> str | None:
        """What the model answered, without its thought; None where that never ends."""
        return separate_reasoning(self.generation.text, self.prompt_text, self.markers).answer


@dataclass(frozen=True)
class PromptFinding:
    """A finding on how a model's prompts are made, such as a system turn that was moved.

    Attributes:
        name: Of its kind, in one word.
        sentence: For a reader of a run.
        changes_prompt: Whether texts stand elsewhere than the benchmark put them, which makes
            another run of it.
    """

    name: str
    sentence: str
    changes_prompt: bool = False


OnDone = Callable[[float], None]


class Model(Protocol):
    """What a benchmark needs of a model. Results come in the order of the requests.

    Attributes:
        on_done: Told, while `score` or `generate` works, how many of that call's requests are done;
            parts of requests count.
    """

    on_done: OnDone

    @property
    def ref(self) -> ModelRef:
        """Which model this is."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""

    @property
    def device(self) -> str:
        """What it computes on."""

    @property
    def computed_tokens(self) -> int:
        """Tokens put through the model so far."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a reader of its runs must know."""

    def check_prompts(self, shapes: Collection[Shape]) -> tuple[PromptFinding, ...]:
        """Say what is peculiar about prompts of these shapes; computes nothing.

        Raises:
            InputError: The model can't be asked so.
        """

    def score(self, requests: Iterable[ScoreRequest]) -> Iterator[ScoreResult]:
        """Yield log-probabilities, in the order of the requests, which may be a long stream."""

    def generate(self, requests: Iterable[GenerateRequest]) -> Iterator[Generated]:
        """Yield answers, in the order of the requests, which may be a long stream."""

    def close(self) -> None:
        """Release memory and connections."""
