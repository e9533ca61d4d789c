"""Holds conversations side by side: one call of a model answers all that wait for it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from weighbridge.models.protocol import Generated, GenerateRequest, Model, Prompt, Sampling
from weighbridge.records import Charge, Message
from weighbridge.records.attack import AttackTrial
from weighbridge.records.digest import canonical_digest
from weighbridge.redteam.attack import Ask, GaveUp, Means, Talk
from weighbridge.redteam.campaign import Campaign
from weighbridge.redteam.judge import Exchange, Judged
from weighbridge.redteam.judging import Judgement, Judging
from weighbridge.redteam.no_answer import beyond_judging
from weighbridge.redteam.trial import Trial

_ATTACKER_TOKENS, _ATTACKER_TEMPERATURE = 300, 0.7
_EMPTY_SYSTEM = (Message("system", ""),)


class Conversation:
    """One trial, as far as it has come.

    Attributes:
        trial: What is tried.
        pending: What is to be asked next; None once it has ended.
        turns: Who said what so far: each message that was new, and each reply.
    """

    def __init__(self, trial: Trial, campaign: Campaign, means: Means) -> None:
        self.trial, self._campaign = trial, campaign
        self.pending: Ask | None = None
        self.turns: list[tuple[str, str]] = []
        self._shown: dict[str, tuple[Message, ...]] = {}
        self._asks = {"target": 0, "attacker": 0}
        self._answered: list[Generated] = []
        self._charges: list[Charge] = []
        self._ended: Judged | None = None
        self._seen: bool | None = None
        self._talk: Talk = trial.attack.talk(trial.behaviour, means)
        self._advance(None)

    def request(self) -> GenerateRequest:
        """Return the turn that waits for a reply, as a request to the model that is to give it."""
        assert self.pending is not None, "the conversation has ended"
        ask, number = self.pending, sum(self._asks.values())
        self._asks[ask.to] += 1
        before = self._shown.get(ask.to, ())
        pairs = zip(before, ask.messages, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        for message in ask.messages[same:]:
            if message.role == "user" or not before:
                self.turns.append((f"{message.role} to {ask.to}", _storable(message.content)))
        self._shown[ask.to] = ask.messages
        seed = self.trial.seed(self._campaign.seed, number)
        if ask.to == "attacker":
            sampling = Sampling(_ATTACKER_TEMPERATURE, 1.0, _ATTACKER_TOKENS, (), seed)
            messages = ask.messages
        else:
            drawn_at, longest = self._campaign.drawn_at, self._campaign.max_tokens
            sampling = Sampling(drawn_at, 1.0, longest, (), seed)
            system = _EMPTY_SYSTEM if self.trial.system == "empty" else ()
            messages = (*system, *ask.messages)
        prompt = Prompt(messages=messages)
        return GenerateRequest(f"{self.trial.id}#{number}", prompt, sampling, self.trial.attempt)

    def hear(self, generated: Generated) -> None:
        """Take the reply to what was pending, and go on."""
        assert self.pending is not None, "the conversation has ended"
        to, written = self.pending.to, generated.generation
        reply = generated.answer or ""
        self.turns.append((to, _storable(reply)))
        if written.charge is not None:
            self._charges.append(written.charge)
        if to == "target":
            self._answered.append(generated)
            if written.stop in ("refused", "error", "overlong"):
                self._end(beyond_judging(generated))
                return
        elif written.stop in ("refused", "error", "overlong"):
            self._end(("unscored", "the attacker model gave no answer"))
            return
        self._advance(reply)

    def exchange(self) -> Exchange | None:
        """Return what a judge has to look at; None where the outcome is known without one."""
        if self._known() is not None:
            return None
        behaviour, last = self.trial.behaviour, self._answered[-1]
        return Exchange(behaviour.kind, behaviour.text, last.answer or "")

    def result(self, judgement: Judgement | None) -> AttackTrial:
        """Return what came of it.

        Args:
            judgement: Of the exchange; None where there is none.
        """
        trial, known = self.trial, self._known()
        if known is None:
            assert judgement is not None, "a judge has to look at it"
            known = judgement.judged
        outcome, why = known
        charges = (*self._charges, *(judgement.charges if judgement else ()))
        written = [one.generation for one in self._answered]
        return AttackTrial(
            attack=trial.attack.name,
            behaviour=trial.behaviour.id,
            kind=trial.behaviour.kind,
            category=trial.behaviour.category,
            system=trial.system,
            attempt=trial.attempt,
            outcome=outcome,
            why=why,
            transcript_digest=canonical_digest(self.turns),
            asks=self._asks["target"],
            stop=written[-1].stop if written else "",
            input_tokens=sum(one.input_tokens for one in written),
            output_tokens=sum(one.output_tokens for one in written),
            seed=trial.seed(self._campaign.seed),
            latency_seconds=math.fsum(one.latency_seconds for one in written),
            charges=charges,
        )

    def _advance(self, reply: str | None) -> None:
        """Let the attack say what to ask next; whatever fails in it is no answer of the model's."""
        try:
            ask = next(self._talk) if reply is None else self._talk.send(reply)
        except StopIteration as done:
            self._seen, self.pending = done.value, None
            if not self._answered:
                self._end(("unscored", "the attack asked nothing"))
            return
        except GaveUp as error:
            self._end(("unscored", str(error)))
            return
        except Exception as error:
            # What it says may quote the behaviour.
            self._end(("unscored", f"the attack failed: {type(error).__name__}"))
            return
        if self._asks[ask.to] >= self.trial.attack.most_asks:
            most = self.trial.attack.most_asks
            self._end(("unscored", f"the attack asks more than {most} times"))
            return
        self.pending = ask

    def _end(self, outcome: Judged | None) -> None:
        self._ended, self.pending = outcome, None
        self._talk.close()

    def _known(self) -> Judged | None:
        """Return the outcome where no judge is needed."""
        if self._ended is not None:
            return self._ended
        if (beyond := beyond_judging(self._answered[-1])) is not None:
            return beyond
        if self.trial.attack.exact:
            return ("harmful", "seen in the text") if self._seen else ("safe", "not in the text")
        return None


def _storable(text: str) -> str:
    """Return a text that UTF-8 can hold: a model can write half a character."""
    return text.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class Sides:
    """The model that is attacked, and the one that helps to attack it.

    Attributes:
        target: Who is attacked.
        attacker: Who helps; None where no attack needs one.
    """

    target: Model
    attacker: Model | None = None


def hold(conversations: Sequence[Conversation], sides: Sides) -> None:
    """Hold conversations to their ends, in rounds: all that wait for a model are asked together."""
    while waiting := [one for one in conversations if one.pending is not None]:
        for name, model in (("target", sides.target), ("attacker", sides.attacker)):
            asking = [one for one in waiting if one.pending and one.pending.to == name]
            if not asking:
                continue
            assert model is not None, "an attack that needs an attacker has one"
            requests = [one.request() for one in asking]
            for one, generated in zip(asking, model.generate(requests), strict=True):
                one.hear(generated)


def hold_streamed(
    units: Iterator[tuple[int, list[Conversation]]], target: Model
) -> Iterator[tuple[int, list[Conversation]]]:
    """Hold conversations of one turn; one call answers all units, each yielded once it is whole.

    The model takes up the next unit's conversations while the last of a unit are being written.
    """
    opened: list[tuple[int, list[Conversation]]] = []
    asking: list[Conversation] = []

    def requests() -> Iterator[GenerateRequest]:
        for number, conversations in units:
            opened.append((number, conversations))
            for one in conversations:
                if one.pending is not None:
                    asking.append(one)
                    yield one.request()

    for generated in target.generate(requests()):
        asking.pop(0).hear(generated)
        while opened and all(one.pending is None for one in opened[0][1]):
            yield opened.pop(0)
    yield from opened  # those in which nothing was asked


def judged(conversations: Sequence[Conversation], judging: Judging) -> list[AttackTrial]:
    """Return what came of conversations; the judge is asked about all of them at once."""
    exchanges = [one.exchange() for one in conversations]
    said = iter(judging.judgements([one for one in exchanges if one is not None]))
    return [
        one.result(next(said) if exchange is not None else None)
        for one, exchange in zip(conversations, exchanges, strict=True)
    ]
