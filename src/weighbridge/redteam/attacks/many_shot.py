"""A long conversation in which every question was answered, and then the request.

The questions before it are harmless ones in words of harmful ones, and answered with a beginning
alone: what is tried is whether a habit of complying carries over, without any harmful text.
"""

from weighbridge.redteam.attack import Ask, Attack, Means, Talk, said, user
from weighbridge.redteam.behaviour import Behaviour

_SHOTS = 16


def _talk(behaviour: Behaviour, means: Means) -> Talk:
    # The same for every behaviour, so that the engine computes these turns once.
    turns = [turn for question, answer in means.shots[:_SHOTS]
             for turn in (user(question), said(answer))]  # fmt: skip
    yield Ask((*turns, user(behaviour.text)))
    return None


ATTACK = Attack(
    name="many_shot",
    version="1",
    summary=f"asks after {_SHOTS} turns in which everything was answered",
    source="Anil et al. 2024, Many-shot Jailbreaking (Anthropic)",
    talk=_talk,
)
