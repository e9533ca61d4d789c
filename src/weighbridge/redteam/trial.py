"""What a campaign tries: every attack on all behaviours that it is of use for, in a fixed order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from weighbridge.errors import InputError
from weighbridge.evaluation.grading import sample_seed
from weighbridge.evaluation.requests import SHIPPED as SHIPPED_FOLDER
from weighbridge.records import canonical_digest
from weighbridge.records.attack import BehaviourKind
from weighbridge.redteam.attack import Attack, find_attack
from weighbridge.redteam.behaviour import Behaviour, read_behaviours
from weighbridge.redteam.campaign import SHIPPED, BehavioursWanted, Campaign, SystemTurn
from weighbridge.sources.documents import read_json

UNIT_SIZE = 16
_SHIPPED_FILES: dict[BehaviourKind, str] = {
    "harmful": "harmful_requests.jsonl",
    "benign": "look_alikes.jsonl",
}
"""Files of `SHIPPED`, by kind."""
_SHOT_ANSWER = "Sure. Here is how you do that, step by step:"


@dataclass(frozen=True)
class Trial:
    """One attempt to come.

    Attributes:
        attack: By what.
        behaviour: At what.
        system: Under which system turn.
        attempt: 0-based.
    """

    attack: Attack
    behaviour: Behaviour
    system: SystemTurn
    attempt: int

    @property
    def id(self) -> str:
        """Its name, but for the attempt."""
        return f"{self.attack.name}/{self.system}/{self.behaviour.id}"

    def seed(self, of_campaign: int, ask: int = 0) -> int:
        """Return the seed of a turn, which depends on nothing that ran before."""
        return sample_seed(of_campaign, f"{self.id}#{ask}", self.attempt)


@dataclass(frozen=True)
class Unit:
    """Trials of one attack that are redone together if they were interrupted."""

    number: int
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Material:
    """What a campaign reads from files before it begins.

    Attributes:
        behaviours: Of all files, each once.
        attacks: In the campaign's order.
        templates: By attack.
    """

    behaviours: tuple[Behaviour, ...]
    attacks: tuple[Attack, ...]
    templates: dict[str, tuple[str, ...]]

    @property
    def digest(self) -> str:
        """SHA-256 of all that is asked for, and of the templates."""
        asked = [[one.text, one.kind, one.category, one.answer] for one in self.behaviours]
        return canonical_digest([asked, {k: list(v) for k, v in self.templates.items()}])


def read_material(campaign: Campaign) -> Material:
    """Read behaviours and templates, and see that every attack has something to try.

    Raises:
        InputError: A file can't be read or holds nothing; or an attack is of no use here. No
            message holds a text of a file's.
    """
    found: dict[str, Behaviour] = {}
    for wanted in campaign.behaviours:
        for one in _wanted(campaign, wanted):
            found.setdefault(one.text, one)
    attacks = tuple(find_attack(one.name) for one in campaign.attack)
    kinds = {one.kind for one in found.values()}
    for attack in attacks:
        if not attack.kinds & kinds:
            raise InputError(
                f"attack {attack.name} and no {' or '.join(sorted(attack.kinds))} behaviours",
                "behaviours that it is of use for",
                "add a file of them, or leave the attack out",
            )
    templates = {
        one.name: _templates(campaign, one.templates) for one in campaign.attack if one.templates
    }
    return Material(tuple(found.values()), attacks, templates)


def _wanted(campaign: Campaign, wanted: BehavioursWanted) -> Iterator[Behaviour]:
    """Yield the behaviours of one `[[behaviours]]`."""
    if wanted.data == SHIPPED:
        files = [(SHIPPED_FOLDER / name, kind) for kind, name in _SHIPPED_FILES.items()]
        read = [one for path, kind in files for one in read_behaviours(path, kind)]
        read = [one for one in read if wanted.kind in (None, one.kind)]
    else:
        read = list(read_behaviours(campaign.path_of(wanted.data), wanted.kind))
    if wanted.categories:
        there = {one.category for one in read}
        for name in wanted.categories:
            if name not in there:
                raise InputError(
                    f"category {name!r} in {wanted.data}",
                    f"one of its own: {', '.join(sorted(there))}"[:300],
                )
        read = [one for one in read if one.category in wanted.categories]
    if wanted.ids:
        left = set(wanted.ids) - {one.id for one in read}
        if left:
            raise InputError(
                f"no behaviour {min(left)!r} in {wanted.data}",
                "the file that the finding is from, unchanged",
                "name a behaviour as runs show RUN --samples does",
            )
        read = [one for one in read if one.id in wanted.ids]
    taken: dict[str, int] = {}
    for one in read:
        taken[one.kind] = taken.get(one.kind, 0) + 1
        if wanted.limit is None or taken[one.kind] <= wanted.limit:
            yield one


def _templates(campaign: Campaign, name: str) -> tuple[str, ...]:
    path = campaign.path_of(name)
    found = read_json(path, "a JSON list of templates")
    if not isinstance(found, list) or not found or not all(
        isinstance(text, str) and text.strip() for text in found
    ):  # fmt: skip
        raise InputError(f"{path} is no list of templates", "a JSON list of at least one text")
    return tuple(found)


def shots() -> tuple[tuple[str, str], ...]:
    """Return harmless questions, each with the beginning of an answer."""
    path = SHIPPED_FOLDER / _SHIPPED_FILES["benign"]
    return tuple((one.text, _SHOT_ANSWER) for one in read_behaviours(path, "benign"))


def trials_of(material: Material, campaign: Campaign, system: Sequence[SystemTurn]) -> list[Trial]:
    """Return all trials, those of an attack beside each other."""
    return [
        Trial(attack, behaviour, turn, attempt)
        for attack in material.attacks
        for turn in system
        for behaviour in material.behaviours
        if behaviour.kind in attack.kinds
        for attempt in range(campaign.attempts)
    ]


def units_of(trials: Sequence[Trial]) -> list[Unit]:
    """Cut trials into units; none holds two attacks."""
    units: list[Unit] = []
    for _, of_attack in groupby(trials, lambda trial: trial.attack.name):
        held = list(of_attack)
        for begin in range(0, len(held), UNIT_SIZE):
            units.append(Unit(len(units), tuple(held[begin : begin + UNIT_SIZE])))
    return units
