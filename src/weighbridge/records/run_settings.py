"""How a run was asked, as its evidence states it, by names that a type checker knows.

Evidence keeps settings as plain JSON, because they are part of a run's identity: what stands there
is digested as it stands, and other harnesses' runs bring keys of their own. So each record here
holds the whole statement and gives the same JSON back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from weighbridge.errors import EvidenceError
from weighbridge.records.sample import Json

_RULE = ("reference", "reference_samples", "margin", "until", "largest_cluster")


@dataclass(frozen=True)
class JudgeSettings:
    """Whose judgement a run's values are, and how often it was asked.

    Attributes:
        stated: As it stands in the evidence.
    """

    stated: Json

    @classmethod
    def from_json(cls, stated: Json) -> "JudgeSettings":
        """Read what stands under `judge`; whatever stands there says that a model judged."""
        return cls(stated)

    def as_json(self) -> Json:
        """Return what was read."""
        return self.stated

    @property
    def model_name(self) -> str | None:
        """The judge's name in a file of judgements; None where the judge was asked here."""
        found = self._of("model")
        return found.removeprefix("judgments:") if isinstance(found, str) else None

    @property
    def model_identity(self) -> Mapping[str, Json]:
        """`ModelRef.identity` of a judge that was asked here; else empty."""
        found = self._of("model")
        return found if isinstance(found, dict) else {}

    @property
    def repeats(self) -> int | None:
        """Judgements of each answer; None where that is not stated."""
        found = self._of("repeats")
        return found if isinstance(found, int) else None

    def _of(self, key: str) -> Json:
        return self.stated.get(key) if isinstance(self.stated, dict) else None


@dataclass(frozen=True)
class StopSettings:
    """The rule by which a run was to end once it was decided; see `evaluation.stopping`.

    Attributes:
        reference: Id of the run that it was decided against.
        reference_samples: That run's samples digest.
        margin: How much worse may still count as no worse, in the benchmark's units.
        until: Verdicts that end the run.
        largest_cluster: Items in the largest cluster.
        rest: What is stated under other keys.
    """

    reference: str
    reference_samples: str
    margin: float
    until: tuple[str, ...]
    largest_cluster: int
    rest: Mapping[str, Json] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stated: Mapping[str, Json]) -> "StopSettings":
        """Read what stands under `stop`.

        Raises:
            EvidenceError: It is no rule that was ever written.
        """
        until = stated.get("until")
        if not isinstance(until, (list, tuple)):
            raise _no_rule("until", until, "a list of verdicts")
        return cls(
            _text(stated, "reference"),
            _text(stated, "reference_samples"),
            _number(stated, "margin"),
            tuple(str(verdict) for verdict in until),
            int(_number(stated, "largest_cluster")),
            {key: value for key, value in stated.items() if key not in _RULE},
        )

    def as_json(self) -> dict[str, Json]:
        """Return what a run's settings and identity state."""
        return {
            "reference": self.reference,
            "reference_samples": self.reference_samples,
            "margin": self.margin,
            "until": list(self.until),
            "largest_cluster": self.largest_cluster,
            **self.rest,
        }


@dataclass(frozen=True)
class RunSettings:
    """A run's settings.

    What is not stated is None. A value is as it stands: an imported run's harness may use one of
    these names for a value of another type.

    Attributes:
        stated: As they stand in the evidence, keys that are not known here among them.
    """

    stated: Mapping[str, Json]

    @classmethod
    def from_json(cls, stated: Mapping[str, Json]) -> "RunSettings":
        """Read `settings` of a run's document."""
        return cls(stated)

    def as_json(self) -> dict[str, Json]:
        """Return what was read."""
        return dict(self.stated)

    @property
    def shots(self) -> Json:
        """Worked examples before each question."""
        return self.stated.get("shots")

    @property
    def limit(self) -> Json:
        """Items taken from the beginning of each subset; None for all."""
        return self.stated.get("limit")

    @property
    def temperature(self) -> Json:
        """At which text was drawn; None where the benchmark's own was taken."""
        return self.stated.get("temperature")

    @property
    def seed(self) -> int:
        """For sampling and shuffling.

        Raises:
            EvidenceError: None is stated.
        """
        return int(_number(self.stated, "seed", "settings"))

    @property
    def judge(self) -> JudgeSettings | None:
        """Whose judgement the values are; None where no model judged."""
        return JudgeSettings.from_json(self.stated["judge"]) if "judge" in self.stated else None

    @property
    def stop(self) -> StopSettings | None:
        """The rule by which the run was to end; None without one.

        A harness's own `stop` is a list of texts at which a generation ends.

        Raises:
            EvidenceError: It is no rule that was ever written.
        """
        found = self.stated.get("stop")
        return StopSettings.from_json(found) if isinstance(found, Mapping) else None

    def without(self, *keys: str) -> dict[str, Json]:
        """Return what is stated under all other keys."""
        return {key: value for key, value in self.stated.items() if key not in keys}


def _text(stated: Mapping[str, Json], key: str) -> str:
    found = stated.get(key)
    if not isinstance(found, str):
        raise _no_rule(key, found, "a text")
    return found


def _number(stated: Mapping[str, Json], key: str, where: str = "settings.stop") -> float:
    found = stated.get(key)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise _no_rule(key, found, "a number", where)
    return found


def _no_rule(key: str, found: Json, expected: str, where: str = "settings.stop") -> EvidenceError:
    return EvidenceError(f"{where}.{key} is {found!r:.60}", expected, "run again")
