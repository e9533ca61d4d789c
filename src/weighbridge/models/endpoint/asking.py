"""Sends one request until it has an answer, within the limits, with retries where they can help."""

import asyncio
import contextlib
import heapq
import itertools
import random
import time
from typing import Any

from weighbridge.errors import CapReached, EndpointUnusable, WeighbridgeError
from weighbridge.models.endpoint.address import EndpointAddress
from weighbridge.models.endpoint.answers import Answers, Request
from weighbridge.models.endpoint.pacing import Concurrency, Patience
from weighbridge.models.endpoint.replies import (
    Again,
    Hopeless,
    NoAnswer,
    Reply,
    RequestRefused,
    ServerAnswer,
    TooMuch,
)
from weighbridge.models.endpoint.sending import send
from weighbridge.models.endpoint.shortening import Less, cut_by_server, shorter
from weighbridge.models.endpoint.spending import SpendingBudget
from weighbridge.models.endpoint.text import one_line
from weighbridge.models.endpoint.usage import believed
from weighbridge.models.endpoint.wording import Asked, Wording
from weighbridge.models.protocol import Sampling
from weighbridge.records import Json, Message, Price

GREETING = Asked((Message("user", "Answer with one letter: A."),), Sampling(max_tokens=16), True)
TRIES_TO_REACH = 3  # before its first answer, a server that is away is the wrong address
UNUSABLE_AT_FIRST = 20  # replies without one that can be used: the others would cost for nothing
BUSY_TRIES = 10  # times `Patience.attempts`, where a server is too busy again and again
TOKENS_A_MESSAGE = 32  # what a chat template may put around a turn, generously


class Asker:
    """Sends requests to one endpoint; lives in one event loop.

    Attributes:
        lost: Requests that ended without an answer.
        uncounted: Answers without token counts.
        disbelieved: Answers with impossible token counts.
        said: Names that the server gave for the answering models.
    """

    def __init__(
        self,
        client: Any,
        address: EndpointAddress,
        secret: str,
        answers: Answers,
        budget: SpendingBudget,
        price: Price | None,
        patience: Patience,
        concurrency: Concurrency,
    ) -> None:
        self._client, self._address, self._secret = client, address, secret
        self._answers, self._budget, self._price = answers, budget, price
        self._patience, self._concurrency = patience, concurrency
        self.wording = Wording()
        self.lost = self.uncounted = self.disbelieved = 0
        self.said: dict[str, None] = {}
        self.stopped: WeighbridgeError | None = None
        self._rng = random.Random(time.time_ns())
        self._changed = asyncio.Condition()
        self._places = itertools.count(1)
        self._waiting: list[int] = []  # places of those that wait for their turn, a heap
        self._succeeded = time.monotonic()
        self._extra_tokens = 64
        self._seen: set[str] = set()  # requests whose earlier cost is counted
        # Replies so far that can't be used; None once one can.
        self._unusable: int | None = 0

    def input_tokens_at_most(self, asked: Asked) -> int:
        """Bound a prompt's length: no token is shorter than a byte."""
        texts = sum(len(m.content.encode("utf-8", "replace")) for m in asked.messages)
        return texts + TOKENS_A_MESSAGE * len(asked.messages) + self._extra_tokens

    def usd_at_most(self, asked: Asked) -> float:
        """Return the most that a request can cost; 0 if no price is known."""
        if self._price is None:
            return 0.0
        return self._price.usd_at_most(self.input_tokens_at_most(asked), asked.sampling.max_tokens)

    def usd(self, answer: ServerAnswer) -> float:
        """Return what an answer cost; 0 if no price is known."""
        if self._price is None:
            return 0.0
        rate = self._price.rate(answer.input_tokens)
        return rate.usd(answer.input_tokens, answer.cached_input_tokens, answer.output_tokens)

    async def ask(self, request: Request, asked: Asked) -> ServerAnswer | NoAnswer:
        """Return the answer, from disk if it was given before.

        Raises:
            CapReached: It could cost more than may still be spent.
            EndpointUnusable: No request can get an answer, or none got one for long.
        """
        known = self._answers.find(request)
        self._count_earlier(request, known)
        if known is not None:
            self._unusable = None
            return _told(known)
        place, began = next(self._places), time.monotonic()
        tries = failures = 0
        less = Less(asked, "")
        while True:
            held = await self._turn(less.asked, place)
            tries += 1
            sent, tokens = time.monotonic(), self.wording.tokens(less.asked)
            reply = await self._attempt(request, asked, less, held)
            await self._free(reply, sent)
            match reply:
                case ServerAnswer() | NoAnswer():
                    return self._usable(asked, reply)
                case TooMuch():
                    tries -= 1
                    shorter = self._shorter(request, less, tokens, reply)
                    if isinstance(shorter, NoAnswer):
                        return self._usable(asked, shorter)
                    less = shorter
                case Hopeless(saw, expected, do):
                    raise self._stop(EndpointUnusable(f"{self._address.host} {saw}", expected, do))
                case RequestRefused():
                    tries -= 1  # learnt from: the next one is another request
                case Again():
                    failures += reply.charged or not reply.too_much
                    if await self._gives_up(reply, tries, failures, began):
                        lost = NoAnswer(f"{tries} tries; the last: {reply.why}")
                        return self._usable(asked, lost)
                    await asyncio.sleep(self._patience.wait_seconds(tries, self._rng))

    async def greet(self, request: Request) -> ServerAnswer:
        """Ask for one letter, to check key and model and to learn the server's capabilities.

        Raises:
            EndpointUnusable: The key, the model or the address is wrong: no answer came.
        """
        answer = await self.ask(request, GREETING)
        if isinstance(answer, NoAnswer):
            do = "check the address and the model"
            raise self._stop(
                EndpointUnusable(f"{self._address.host}: {answer.why}", "a letter", do)
            )
        if answer.counted:
            self._extra_tokens = max(self._extra_tokens, answer.input_tokens)
        return answer

    def _usable(self, asked: Asked, reply: ServerAnswer | NoAnswer) -> ServerAnswer | NoAnswer:
        """Return a reply; stop if none of the first replies can be used.

        Raises:
            EndpointUnusable: It is the last of them.
        """
        if asked is GREETING or self._unusable is None:
            return reply
        if reply.stop != "error":
            self._unusable = None
            return reply
        self._unusable += 1
        if self._unusable >= UNUSABLE_AT_FIRST:
            saw = f"none of the first {self._unusable} replies of {self._address.host} can be used"
            do = "correct that and run again: it goes on from there"
            raise self._stop(EndpointUnusable(f"{saw}; the last: {reply.why}", "answers", do))
        return reply

    def _shorter(
        self, request: Request, less: Less, tokens: int, reply: TooMuch
    ) -> Less | NoAnswer:
        """Return what to ask for after a request exceeded a limit; see `shorter`."""
        if reply.limit.kind == "output" and (fits := reply.limit.fits(tokens)):
            # The model's own limit: it holds for every request, and cuts nobody's answer but its.
            self.wording.most_tokens = min(fits, self.wording.most_tokens or fits)
            return less
        found = shorter(less, tokens, reply)
        if isinstance(found, NoAnswer) and found.stop == "overlong":
            self._answers.answered(request, ServerAnswer(found.why, found.stop))
        return found

    def _stop(self, error: WeighbridgeError) -> WeighbridgeError:
        """Send nothing more; requests in flight are waited for."""
        self.stopped = self.stopped or error
        return self.stopped

    async def _turn(self, asked: Asked, place: int) -> float:
        """Wait until one more request may be sent, and set aside the most that it can cost.

        Earlier requests go first, even when they are sent again, so that the answered requests are
        the first ones when the cap is reached.
        """
        heapq.heappush(self._waiting, place)
        try:
            async with self._changed:
                while True:
                    if self.stopped is not None:
                        raise self.stopped
                    if self._waiting[0] == place and (usd := self._room_for(asked)) is not None:
                        return usd
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._pause()):
                            await self._changed.wait()
        finally:
            self._waiting.remove(place)
            heapq.heapify(self._waiting)
            async with self._changed:
                self._changed.notify_all()

    def _room_for(self, asked: Asked) -> float | None:
        """Set aside the most that a request can cost, if it may be sent now."""
        usd = self.usd_at_most(asked)
        if not self._budget.could_fit(usd):
            raise self._stop(self._budget.reached(usd))
        waits = self._concurrency.not_before > time.monotonic()
        if waits or not self._concurrency.free or not self._budget.fits(usd):
            return None
        self._budget.hold(usd)
        self._concurrency.in_flight += 1
        return usd

    def _pause(self) -> float:
        """Seconds until the server accepts requests again; else until something changes."""
        left = self._concurrency.not_before - time.monotonic()
        return max(left, 0.01) if left > 0 else 1.0

    async def _free(self, reply: Reply, sent: float) -> None:
        """Release a slot, and adapt the number of slots to the reply."""
        concurrency = self._concurrency
        concurrency.in_flight -= 1
        if isinstance(reply, ServerAnswer):
            self._succeeded = time.monotonic()
            concurrency.answered()
        elif isinstance(reply, Again) and reply.too_much:
            wait = reply.wait_seconds or 0.0
            concurrency.too_much(sent, time.monotonic(), wait)
        async with self._changed:
            self._changed.notify_all()

    async def _attempt(self, request: Request, wanted: Asked, less: Less, held: float) -> Reply:
        """Send once, and settle what it cost.

        Args:
            request: The request.
            wanted: What was asked for at first.
            less: What is asked for now.
            held: The most that it can cost, in USD.
        """
        asked = less.asked
        body = self.wording.body(self._address.model, asked)
        if held:
            self._answers.sent(request, held)
        try:
            reply = await self._send(body, asked)
        except asyncio.CancelledError:
            self._concurrency.in_flight -= 1
            self._budget.lose(held)
            raise
        if isinstance(reply, ServerAnswer):
            if not asked.letters:
                reply = cut_by_server(reply, self.wording.tokens(asked))
            reply = less.marked(self._counted(reply, asked), wanted)
            if reply.stop != "error":  # an unusable reply may be better next time
                self._answers.answered(request, reply)
            self._budget.settle(held, self.usd(reply))
            self._seen.add(request.name)
            self.said[reply.says] = None
        elif isinstance(reply, Again | NoAnswer) and reply.charged:
            self._budget.lose(held)
        else:
            self._answers.not_charged(request)
            self._budget.settle(held, 0.0)
        if isinstance(reply, RequestRefused) and not self._reworded(body, asked, reply):
            return NoAnswer(one_line(reply.why))
        if isinstance(reply, NoAnswer) and reply.stop != "error":
            # A refusal is the model's own, and would be the same again. Its stop tells it apart: it
            # was not charged.
            self._answers.answered(request, ServerAnswer(reply.why, reply.stop))
        return reply

    async def _send(self, body: dict[str, Json], asked: Asked) -> Reply:
        seconds = self._patience.request_seconds
        return await send(self._client, body, seconds, letters=asked.letters, secret=self._secret)

    def _reworded(self, body: dict[str, Json], asked: Asked, reply: RequestRefused) -> bool:
        """Whether the request's wording has changed, by this refusal or by an earlier one."""
        if self.wording.body(self._address.model, asked) != body:
            return True
        return self.wording.learn(body, reply.why, reply.parameter)

    async def _gives_up(self, reply: Again, tries: int, failures: int, began: float) -> bool:
        """Whether to give up on a request. A server that answers nobody is waited for instead.

        A busy server doesn't count against a request, unless it is always busy.

        Raises:
            EndpointUnusable: The server has answered nobody for too long.
        """
        patience = self._patience
        if (reply.wait_seconds or 0.0) > patience.give_up_seconds:
            do = "run again then, or with a lower --max-tokens or a higher limit of the account"
            saw = f"{self._address.host} asks to wait {reply.wait_seconds:,.0f} s ({reply.why})"
            raise self._stop(EndpointUnusable(saw, f"at most {patience.give_up_seconds:g}", do))
        if reply.away and not self.said and tries >= TRIES_TO_REACH:
            do = "start the server, or check the address"
            raise self._stop(EndpointUnusable(f"{self._address.host}: {reply.why}", "a server", do))
        often = failures >= patience.attempts or tries >= BUSY_TRIES * patience.attempts
        if often and (self._succeeded > began or await self._alive()):
            self.lost += 1
            return True
        away = time.monotonic() - max(self._succeeded, began)
        if away > patience.give_up_seconds:
            raise self._stop(
                EndpointUnusable(
                    f"no answer from {self._address.host} for {away:.0f} s; the last: {reply.why}",
                    "",
                    "run again later: it goes on from there, and no answer is asked for twice",
                )
            )
        return False

    async def _alive(self) -> bool:
        """Whether the server answers other requests, so that the fault lies in this one."""
        try:
            held = await self._turn(GREETING, 0)
        except CapReached:
            return True
        sent = time.monotonic()
        body = self.wording.body(self._address.model, GREETING)
        reply = await self._send(body, GREETING)
        await self._free(reply, sent)
        if isinstance(reply, ServerAnswer):
            reply = believed(
                reply, self.input_tokens_at_most(GREETING), GREETING.sampling.max_tokens
            )
        if isinstance(reply, Again | NoAnswer) and reply.charged:
            self._budget.lose(held)
        else:
            self._budget.settle(held, self.usd(reply) if isinstance(reply, ServerAnswer) else 0.0)
        return isinstance(reply, ServerAnswer)

    def _counted(self, answer: ServerAnswer, asked: Asked) -> ServerAnswer:
        """Return an answer with token counts; the upper bound if the server sent none."""
        found = believed(answer, self.input_tokens_at_most(asked), asked.sampling.max_tokens)
        self._note_counts(found)
        return found

    def _note_counts(self, answer: ServerAnswer) -> None:
        self.disbelieved += bool(answer.usage)
        self.uncounted += not (answer.counted or answer.usage)

    def _count_earlier(self, request: Request, known: ServerAnswer | None) -> None:
        """Count what earlier attempts of the same run paid for a request, or may have paid."""
        if request.name in self._seen:
            return
        self._seen.add(request.name)
        self._budget.uncertain_usd += self._answers.lost_usd(request)
        if known is not None:
            self._budget.already_paid(self.usd(known))
            self._note_counts(known)
            self.said[known.says] = None


def _told(known: ServerAnswer) -> ServerAnswer | NoAnswer:
    """Return the result of a kept answer, which may stand for a prompt that was too long."""
    return NoAnswer(known.text, known.stop) if known.stop == "overlong" else known
