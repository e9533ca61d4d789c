"""The thresholds of a release: a versioned TOML file whose digest stands in the decision."""

from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from weighbridge.errors import InputError
from weighbridge.records import Json, canonical_digest
from weighbridge.release.gate import gate_names
from weighbridge.sources.documents import read_toml

DEFAULT = Path(__file__).parent / "default_policy.toml"
_CLOSED = ConfigDict(extra="forbid")
_FORMAT = 1
"""Version of the file's form, which is part of what is digested."""


@checked(frozen=True, config=_CLOSED)
class Rate:
    """A limit of a rate.

    Attributes:
        at_most: The highest that passes.
    """

    at_most: float


@checked(frozen=True, config=_CLOSED)
class NonInferiority:
    """Benchmarks on which the model must not be worse than its base.

    Attributes:
        benchmarks: By name; each of them must have been run.
        margin: How much worse is accepted, as a share of the benchmark's scale.
    """

    benchmarks: list[str]
    margin: float


@checked(frozen=True, config=_CLOSED)
class Unwanted:
    """Limits of unwanted answers.

    Attributes:
        benchmarks: That count them; each of them must have been run.
        increase: How much more of them than the base's are accepted.
        absolute: How many are accepted at all, the judge's errors taken out.
    """

    benchmarks: list[str]
    increase: float
    absolute: float


@checked(frozen=True, config=_CLOSED)
class Attacked:
    """Limits of what attacks get out of the model.

    Attributes:
        attacks: By name; each of them must have been tried.
        system: System turns, each of which must have been tried.
        increase: How much more often than at the base they may get through.
        absolute: How often they may get through at all, the judge's errors taken out.
    """

    attacks: list[str]
    system: list[str]
    increase: float
    absolute: float


@checked(frozen=True, config=_CLOSED)
class WorstCase:
    """Limits of what others could tune the model to do.

    Attributes:
        benchmarks: Of harmful requests.
        increase: How much more of them it may answer than the base that was tuned alike.
    """

    benchmarks: list[str]
    increase: float


@checked(frozen=True, config=_CLOSED)
class JudgeLimits:
    """What is asked of the judge.

    Attributes:
        sensitivity: At least; the lower end of its interval counts.
        specificity: Likewise.
        unscored: Share of answers that could not be judged, at most.
    """

    sensitivity: float
    specificity: float
    unscored: float


@checked(frozen=True, config=_CLOSED)
class DataLimits:
    """What may be in the training data.

    Attributes:
        secrets: Rows that hold what looks like a key or a password, at most.
        personal: Rows that hold what looks like personal data, at most.
        overlap: Items of any measured benchmark that stand in the data, at most.
        by_heart: Share of rows that the model says by heart when it is asked, at most.
    """

    secrets: int
    personal: int
    overlap: int
    by_heart: float


@checked(frozen=True, config=_CLOSED)
class Humans:
    """Who must agree, and when.

    Attributes:
        approvers: How many people other than the trainer.
        cooling_off_hours: Between the last approval that is needed and the release.
    """

    approvers: int
    cooling_off_hours: float


@checked(frozen=True, config=_CLOSED)
class Policy:
    """A release policy.

    Attributes:
        format: Version of the file's form.
        name: The policy's name.
        version: Its version.
        never_waived: Gates that no waiver opens.
    """

    format: int
    name: str
    version: str
    never_waived: list[str]
    coherence: Rate
    capability: NonInferiority
    retention: NonInferiority
    harm: Unwanted
    jailbreak: Attacked
    worst_case: WorstCase
    use_policy: Rate
    over_refusal: Unwanted
    judge_quality: JudgeLimits
    data: DataLimits
    humans: Humans

    @property
    def plain(self) -> Json:
        """All of it as plain JSON, without what is as if it were not stated.

        So a limit that comes later, with a default, changes no older policy's digest.
        """
        found: Json = _POLICY.dump_python(self, mode="json", exclude_defaults=True)
        return found

    @property
    def digest(self) -> str:
        """SHA-256 over all that it says."""
        return canonical_digest(self.plain)


_POLICY = TypeAdapter(Policy)


def read_policy(path: Path | None = None) -> Policy:
    """Read a policy; None reads the one that is shipped.

    Raises:
        InputError: The file is none, or a threshold makes no sense.
    """
    path = path or DEFAULT
    return policy_of(read_toml(path, "a release policy"), path)


def policy_of(values: object, path: Path) -> Policy:
    """Return the policy that plain data state; `path` is named in errors.

    Raises:
        InputError: They are none.
    """
    try:
        found = _POLICY.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: {where}: {first['msg']}",
            f"the keys of {DEFAULT.name}",
            "start from the shipped one: weighbridge release policy",
        ) from error
    if found.format != _FORMAT:
        raise InputError(f"{path} has format {found.format}", f"format {_FORMAT}")
    unknown = sorted(set(found.never_waived) - set(gate_names()))
    if unknown:
        raise InputError(f"{path}: never_waived names {unknown[0]}", "names of gates")
    _require_shares(found, path)
    return found


def _require_shares(policy: Policy, path: Path) -> None:
    shares = {
        "coherence.at_most": policy.coherence.at_most,
        "capability.margin": policy.capability.margin,
        "retention.margin": policy.retention.margin,
        "judge_quality.unscored": policy.judge_quality.unscored,
        "worst_case.increase": policy.worst_case.increase,
        "data.by_heart": policy.data.by_heart,
        "use_policy.at_most": policy.use_policy.at_most,
    }
    for name in ("harm", "jailbreak", "over_refusal"):
        limits: Unwanted | Attacked = getattr(policy, name)
        shares |= {f"{name}.increase": limits.increase, f"{name}.absolute": limits.absolute}
    for name, value in shares.items():
        if not 0 < value <= 1:
            raise InputError(f"{path}: {name} = {value:g}", "a share above 0 and at most 1")
    if policy.humans.approvers < 1 or not 0 <= policy.humans.cooling_off_hours < 1e6:
        raise InputError(f"{path}: [humans] asks for nobody", "at least one approver, and hours")
