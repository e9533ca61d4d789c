"""An endpoint behind the model protocol: generates text and scores letters."""

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from weighbridge.errors import CapReached, InputError, MissingPiece
from weighbridge.models.endpoint.address import EndpointAddress
from weighbridge.models.endpoint.alternatives import by_text, chance, reads_as
from weighbridge.models.endpoint.answers import Answers, Request
from weighbridge.models.endpoint.asking import GREETING, Asker
from weighbridge.models.endpoint.pacing import Concurrency, Patience
from weighbridge.models.endpoint.prices import find_price
from weighbridge.models.endpoint.replies import NoAnswer, ServerAnswer
from weighbridge.models.endpoint.spending import SpendingBudget
from weighbridge.models.endpoint.wording import Asked
from weighbridge.models.protocol import (
    Capability,
    Generated,
    GenerateRequest,
    OnDone,
    Prompt,
    PromptFinding,
    Sampling,
    ScoreRequest,
    ScoreResult,
    Shape,
)
from weighbridge.models.requests import require_continuations, require_whole_characters
from weighbridge.models.stopping import cut_answer
from weighbridge.records import (
    Charge,
    Generation,
    Message,
    ModelRef,
    Price,
    Ungraded,
    canonical_json,
)

NAMES_SHOWN = 8  # of models that answered
AHEAD = 256  # requests waiting, in flight, or answered before their turn
T = TypeVar("T")


@dataclass(frozen=True)
class _Timed:
    """The result of one request, and when it came."""

    reply: ServerAnswer | NoAnswer
    seconds: float


class Endpoint:
    """One model at one server. See `open_endpoint`.

    Attributes:
        address: Where it is.
        price: What its tokens cost; None if unknown.
        computed_tokens: Tokens that the server counted.
        on_done: See `Model`.
    """

    device = "endpoint"

    def __init__(
        self,
        address: EndpointAddress,
        secret: str,
        answers: Path,
        budget: SpendingBudget,
        price: Price | None,
        patience: Patience,
        most_at_a_time: int,
        by: Literal["model", "judge"],
    ) -> None:
        self.address, self.price = address, price
        self.computed_tokens = 0
        self.on_done: OnDone = lambda requests: None
        self._by = by
        self._fallbacks = {"bounded": 0, "spaced": 0}
        self._greeting: ServerAnswer | None = None
        from weighbridge.models.endpoint.transport import connect

        self._client = connect(address, secret, patience)
        self._answers = Answers(answers)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._asker = Asker(
            self._client, address, secret, self._answers, budget, price, patience,
            Concurrency(most_at_a_time),
        )  # fmt: skip

    @property
    def ref(self) -> ModelRef:
        """The model's reference; the address takes the place of the weights' digest."""
        return ModelRef(
            name=self.address.model,
            source=f"endpoint:{self.address.host}",
            weights_digest=self.address.identity,
            revision=self._greeting.says or None if self._greeting else None,
            dtype="unknown",
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Writes in conversations; shows letters' log-probabilities where the server gives any."""
        writes = {Capability.GENERATE, Capability.CHAT, Capability.ONLY_CHAT}
        letters = {Capability.LETTER_LOGPROBS} if self._greet().alternatives else set()
        return frozenset(writes | letters)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for readers of a run about how it was answered."""
        asker, who = self._asker, self.address.model
        notes = [*asker.wording.notes(who)]
        said = [name for name in asker.said if name]
        names = sorted({name.split(" ")[0] for name in said})
        if len(said) > 1:
            shown = sorted(said)[:NAMES_SHOWN] + ["…"] * (len(said) > NAMES_SHOWN)
            notes.append(f"{who} answered as {len(said)} models: {', '.join(shown)}.")
        elif names and names[0].lower() != who.lower():
            notes.append(f"Asked for {who}, the server says that {names[0]} answered.")
        if self.price is None:
            notes.append(f"What {who} costs at {self.address.host} is not known: nothing counted.")
        if asker.uncounted:
            notes.append(f"{asker.uncounted} answers came without token counts: at most counted.")
        if asker.disbelieved:
            notes.append(
                f"{asker.disbelieved} answers came with token counts that can't be (less than "
                "nothing, more cached than read, far more than asked for): at most counted."
            )
        if self._fallbacks["bounded"]:
            notes.append(
                f"In {self._fallbacks['bounded']} items a letter was not among the likeliest "
                "tokens that the server shows; it counts as just below the last of them."
            )
        if self._fallbacks["spaced"]:
            notes.append(
                f"In {self._fallbacks['spaced']} items tokens with a space around a letter were "
                "counted as the letter."
            )
        return tuple(notes)

    def usd_at_most(self, prompt: Prompt, sampling: Sampling) -> float:
        """Return the most that a request can cost."""
        return self._asker.usd_at_most(Asked(prompt.messages, sampling))

    def check_prompts(self, shapes: Collection[Shape]) -> tuple[PromptFinding, ...]:
        """Return no findings: the server's chat template can't be seen from here."""
        return ()

    def generate(self, requests: Iterable[GenerateRequest]) -> Iterator[Generated]:
        """Yield answers in the order of the requests, of which many are sent at a time.

        Raises:
            CapReached: The next one could cost more than may still be spent.
            EndpointUnusable: The server refuses every request, or answers none.
        """
        for request, timed in self._in_order(requests, self._asked_for):
            yield self._generated(request, timed)

    def score(self, requests: Iterable[ScoreRequest]) -> Iterator[ScoreResult]:
        """Yield letters' log-probabilities as the first token of a reply.

        A letter that the server doesn't list counts as less likely than all listed tokens; if it
        lists none of the letters, there is no result.

        Raises:
            CapReached, EndpointUnusable: As `generate`.
        """
        for request, timed in self._in_order(requests, self._letters_for):
            yield self._scored(request, timed)

    def close(self) -> None:
        """Close connections and the file of answers."""
        with contextlib.suppress(Exception):
            self._wait_for(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._answers.close()

    def _greet(self) -> ServerAnswer:
        if self._greeting is None:
            request = self._request(GREETING, "greeting", 0)
            self._greeting = self._wait_for(self._asker.greet(request))
        return self._greeting

    def _asked_for(self, request: GenerateRequest) -> tuple[Request, Asked]:
        require_whole_characters(request.sample_id, request.prompt)
        asked = Asked(_turns(request.sample_id, request.prompt), request.sampling)
        return self._request(asked, "text", request.repeat), asked

    def _letters_for(self, request: ScoreRequest) -> tuple[Request, Asked]:
        require_continuations(request)
        # The distribution as the model has it: nothing sharpened, nothing cut off.
        sampling = Sampling(temperature=1.0, max_tokens=1)
        asked = Asked(_turns(request.sample_id, request.prompt), sampling, letters=True)
        return self._request(asked, "letters", 0), asked

    def _request(self, asked: Asked, kind: str, repeat: int) -> Request:
        return Request({
            "endpoint": self.address.identity,
            "kind": kind,
            "messages": [asdict(message) for message in asked.messages],
            # Stop strings are applied here, so the server's answer is the same under any.
            "sampling": asdict(asked.sampling) | {"stop": []},
            "repeat": repeat,
        })  # fmt: skip

    def _in_order(
        self, requests: Iterable[T], read: Callable[[T], tuple[Request, Asked]]
    ) -> Iterator[tuple[T, _Timed]]:
        """Keep many requests in flight, and yield their results in order."""
        self._greet()
        waiting: deque[tuple[T, Future[_Timed]]] = deque()
        source, ended = iter(requests), 0
        try:
            while True:
                while len(waiting) < AHEAD and (request := next(source, None)) is not None:
                    future = self._submit(self._timed(*read(request)))
                    waiting.append((request, future))
                if not waiting:
                    return
                request, future = waiting[0]
                timed = future.result()
                waiting.popleft()
                ended += 1
                self.on_done(ended)
                yield request, timed
        except CapReached:
            # What is in flight is paid for: it is kept for the run that goes on.
            for _, future in waiting:
                with contextlib.suppress(Exception, CancelledError):
                    future.result()
            raise
        finally:
            for _, future in waiting:
                future.cancel()

    async def _timed(self, request: Request, asked: Asked) -> _Timed:
        began = time.perf_counter()
        reply = await self._asker.ask(request, asked)
        return _Timed(reply, time.perf_counter() - began)

    def _generated(self, request: GenerateRequest, timed: _Timed) -> Generated:
        reply, sampling = timed.reply, request.sampling
        prompt_text = canonical_json(request.prompt.messages).decode()
        generation = Generation(
            request.sample_id, request.repeat, "", "error", 0, 0, sampling.seed, timed.seconds
        )
        if isinstance(reply, NoAnswer):
            generation = replace(generation, stop=reply.stop, why=reply.why)
            return Generated(generation, prompt_text)
        self.computed_tokens += reply.input_tokens + reply.output_tokens
        cut = cut_answer(reply.text, sampling.stop) if reply.stop in ("end", "length") else None
        answer = replace(
            generation,
            text=reply.text if cut is None else cut,
            stop=reply.stop if cut is None else "stop_string",
            why=reply.why,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            charge=self._charge(reply),
        )
        return Generated(answer, prompt_text)

    def _charge(self, reply: ServerAnswer) -> Charge:
        return Charge(
            by=self._by,
            input_tokens=reply.input_tokens,
            cached_input_tokens=reply.cached_input_tokens,
            output_tokens=reply.output_tokens,
            reasoning_tokens=reply.reasoning_tokens,
            rate=self.price.rate(reply.input_tokens) if self.price else None,
        )

    def _scored(self, request: ScoreRequest, timed: _Timed) -> ScoreResult:
        reply, prompt_text = timed.reply, canonical_json(request.prompt.messages).decode()
        nothing = ScoreResult(request.sample_id, (), (), prompt_text, 0)
        if isinstance(reply, NoAnswer):
            reason = {"refused": "refused", "overlong": "truncated"}.get(reply.stop)
            return replace(nothing, ungraded=Ungraded(reason or "infrastructure", reply.why))  # type: ignore[arg-type]
        self.computed_tokens += reply.input_tokens + reply.output_tokens
        nothing = replace(nothing, input_tokens=reply.input_tokens, charge=self._charge(reply))
        if reply.stop == "refused":
            return replace(nothing, ungraded=Ungraded("refused", reply.text))
        if reply.stop == "error":
            return replace(nothing, ungraded=Ungraded("infrastructure", reply.why))
        # Answers that were kept before texts were added up may hold one twice.
        shown = dict(by_text((token, logprob, None) for token, logprob in reply.alternatives))
        if not shown:
            why = "the reply came without log-probabilities"
            return replace(nothing, ungraded=Ungraded("infrastructure", why))
        chances = [chance(letter, shown) for letter in request.continuations]
        found = [logprob for logprob, _ in chances]
        self._fallbacks["spaced"] += any(spaced for _, spaced in chances)
        if all(logprob is None for logprob in found):
            why = f"none of the letters is among the {len(shown)} likeliest tokens"
            return replace(nothing, ungraded=Ungraded("unparsed", why))
        self._fallbacks["bounded"] += None in found
        below = math.nextafter(min(shown.values()), -math.inf)
        logprobs = tuple(below if logprob is None else logprob for logprob in found)
        likeliest = max(shown, key=lambda token: shown[token])
        greedy = tuple(reads_as(likeliest, letter) for letter in request.continuations)
        return replace(nothing, logprobs=logprobs, greedy=greedy)

    def _submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return self._submit(work).result()


def open_endpoint(
    address: EndpointAddress,
    *,
    key: Callable[[str], str | None],
    answers: Path,
    budget: SpendingBudget | None = None,
    patience: Patience | None = None,
    most_at_a_time: int = 64,
    by: Literal["model", "judge"] = "model",
    offline: bool = False,
) -> Endpoint:
    """Open an endpoint; nothing is sent yet.

    Args:
        address: Which model, where.
        key: Looks up an environment variable.
        answers: Folder in which answers are kept.
        budget: What may be spent, shared by all endpoints of a command.
        patience: How long to wait.
        most_at_a_time: Highest number of simultaneous requests; the server may take fewer.
        by: In whose name it is charged.
        offline: Whether only servers on this machine may be reached.

    Raises:
        InputError: It is not on this machine and may not be reached, or what it costs is not
            known although spending has a cap.
        MissingPiece: The key is not in the environment.
    """
    if offline and not address.here:
        raise InputError(
            f"{address.host} with --offline", "a server on this machine", "leave --offline out"
        )
    secret = ""
    if address.api_key_env:
        secret = (key(address.api_key_env) or "").strip()
        if not secret:
            raise MissingPiece(
                f"no key for {address.host} in {address.api_key_env}",
                "the key in that environment variable",
                f"export {address.api_key_env}=…",
            )
    budget = budget or SpendingBudget()
    price = find_price(address, datetime.now(UTC))
    if budget.cap_usd is not None and price is None:
        raise InputError(
            f"--max-usd with {address.model} at {address.host}, whose price is not known",
            "a price",
            "state it: URL?input_usd_per_million_tokens=…&output_usd_per_million_tokens=…#MODEL, "
            "or price = { … } in the project file",
        )
    path = answers / f"{address.file_stem}.jsonl"
    return Endpoint(
        address, secret, path, budget, price, patience or Patience(), most_at_a_time, by
    )


def _turns(sample_id: str, prompt: Prompt) -> tuple[Message, ...]:
    if prompt.text is not None:
        raise InputError(
            f"sample {sample_id} is raw text", "a conversation, which is all that endpoints take",
            "leave --no-chat-template out",
        )  # fmt: skip
    return prompt.messages
