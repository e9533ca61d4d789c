"""The request as it is: the baseline of every attack, and the whole test of over-refusal."""

from weighbridge.redteam.attack import Ask, Attack, Means, Talk, user
from weighbridge.redteam.behaviour import Behaviour


def _talk(behaviour: Behaviour, means: Means) -> Talk:
    yield Ask((user(behaviour.text),))
    return None


ATTACK = Attack(
    name="direct",
    version="1",
    summary="asks for it",
    source="HarmBench's DirectRequest (Mazeika et al. 2024, arXiv:2402.04249)",
    talk=_talk,
    kinds=frozenset({"harmful", "benign"}),
)
