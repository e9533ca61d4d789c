"""An acceptable-use policy as a campaign: each clause is probed by behaviours of its categories.

All clauses are probed by one campaign, whose evidence is sealed as any other; a clause's rate is
that of the trials on its behaviours. Clauses about the same hazard share trials.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.catalog.use_policies import Clause, UsePolicy, policy_from, read_policy
from weighbridge.errors import InputError
from weighbridge.records.attack import HITS, SCORED, AttackTrial, JudgeCard, Rate95
from weighbridge.redteam.attack import find_attack
from weighbridge.redteam.behaviour import Behaviour
from weighbridge.redteam.campaign import SHIPPED, AttackWanted, BehavioursWanted, Campaign
from weighbridge.redteam.trial import read_material
from weighbridge.sources.documents import read_json
from weighbridge.statistics.hit_rates import Tries, hit_at_1, true_at_1
from weighbridge.statistics.judge_error import JudgeError


@dataclass(frozen=True)
class Probe:
    """What probes a clause.

    Attributes:
        clause: The clause.
        attacks: By which it is probed.
        behaviours: At which; their number.
        why_not: Why nothing probes it; "" where something does.
    """

    clause: Clause
    attacks: tuple[str, ...]
    behaviours: int
    why_not: str = ""

    def covers(self, trial: AttackTrial) -> bool:
        """Whether a trial tells something of the clause."""
        about = trial.category in self.clause.categories and trial.attack in self.attacks
        return about and trial.kind == "harmful"


@dataclass(frozen=True)
class ClauseRate:
    """How often a model does what a clause forbids when it is asked to.

    Attributes:
        outcomes: Number of trials by outcome.
        by_attack: Hits and scored trials by attack.
        counted: The chance that an attempt gets through, as the judge counted it, with an interval
            over behaviours; None where nothing was scored.
        rate: The same freed of the judge's error; None where the judge is too weak to tell.
    """

    outcomes: dict[str, int]
    by_attack: dict[str, tuple[int, int]]
    counted: Rate95 | None
    rate: Rate95 | None


def find_policy(name: str) -> UsePolicy:
    """Return a policy by its name; a name that ends in `.json` is a path.

    Raises:
        InputError: There is no such file, or it holds no policy; UnknownName for a name in it, or
            of a policy, with near misses.
    """
    if not name.endswith(".json"):
        return read_policy(name)
    path = Path(name)
    if not path.is_file():
        raise InputError(f"no file {path}", "a use policy (.json)", "check the path")
    return policy_from(path, read_json(path, "a use policy"))


def plan_probes(
    policy: UsePolicy,
    clauses: Sequence[Clause],
    name: str,
    files: Sequence[Path] = (),
    attacks: Sequence[str] = (),
    limit: int | None = None,
) -> tuple[Campaign, tuple[Probe, ...]]:
    """Return the campaign that probes clauses, and what of it probes which.

    Args:
        policy: Theirs.
        clauses: At least one.
        name: What the policy is called.
        files: Of behaviours; empty for those that come with Weighbridge.
        attacks: In place of the policy's; empty for those.
        limit: The first so many behaviours of each category; None for all.

    Raises:
        InputError: A file can't be read or has no category of these clauses; an attack needs more
            than its name; UnknownName for an attack.
    """
    wanted = {clause.id: tuple(attacks) or policy.attacks_on(clause) for clause in clauses}
    tried = tuple(dict.fromkeys(name for names in wanted.values() for name in names))
    for one in map(find_attack, tried):
        if one.needs or one.exact or "harmful" not in one.kinds:
            raise InputError(
                f"attack {one.name} as a probe of a policy",
                "one that needs no file and no other model, and whose answers are judged",
                "put it into a campaign: weighbridge redteam MODEL --campaign FILE",
            )
    behaviours: dict[str, Behaviour] = {}
    parts: list[BehavioursWanted] = []
    for file in [str(path) for path in files] or [SHIPPED]:
        for part, found in _parts(file, clauses, limit):
            parts.append(part)
            behaviours.update((one.text, one) for one in found)
    harmful = Counter(one.category for one in behaviours.values() if one.kind == "harmful")
    campaign = Campaign(
        name=f"policy-{name}",
        behaviours=tuple(parts),
        attack=tuple(map(AttackWanted, tried)),
        scope=f"Does the model keep to the policy: {policy.title}, {policy.version}?",
    )
    probes = tuple(_probe(clause, wanted[clause.id], harmful) for clause in clauses)
    return campaign, probes


def _parts(
    file: str, clauses: Sequence[Clause], limit: int | None
) -> list[tuple[BehavioursWanted, list[Behaviour]]]:
    """Return a file's part for each category of the clauses, with the behaviours in it."""
    whole = read_material(_direct((BehavioursWanted(file),))).behaviours
    categories = list(dict.fromkeys(name for clause in clauses for name in clause.categories))
    there = [name for name in categories if any(one.category == name for one in whole)]
    if not there:
        said = ", ".join(categories) or "none"
        raise InputError(
            f"{file} has no behaviour in a category of these clauses",
            f"one of the categories that probe them: {said}"[:300],
            "name another file with --behaviours, or other clauses with --clause",
        )
    parts = [BehavioursWanted(file, categories=(name,), limit=limit) for name in there]
    return [(part, list(read_material(_direct((part,))).behaviours)) for part in parts]


def _direct(parts: tuple[BehavioursWanted, ...]) -> Campaign:
    return Campaign("policy", parts, (AttackWanted("direct"),))


def _probe(clause: Clause, attacks: tuple[str, ...], harmful: Counter[str]) -> Probe:
    number = sum(harmful[name] for name in clause.categories)
    why = ""
    if not clause.categories:
        why = clause.about.why_unprobed
    elif not number:
        why = "no behaviour that was given has a category of theirs"
    return Probe(clause, attacks if number else (), number, why)


def clause_rate(probe: Probe, trials: Iterable[AttackTrial], card: JudgeCard) -> ClauseRate:
    """Return how often a model does what a clause forbids.

    Args:
        probe: What probes the clause.
        trials: Of the whole campaign.
        card: Of the judge that judged them.
    """
    outcomes: Counter[str] = Counter()
    tries: dict[str, list[int]] = {}
    by_attack: dict[str, list[int]] = {}
    for trial in trials:
        if not probe.covers(trial):
            continue
        outcomes[trial.outcome] += 1
        for counts in (
            tries.setdefault(trial.behaviour, [0, 0]),
            by_attack.setdefault(trial.attack, [0, 0]),
        ):
            counts[0] += trial.outcome in HITS
            counts[1] += trial.outcome in SCORED
    every = [Tries(*counts) for _, counts in sorted(tries.items())]
    found, agreed = hit_at_1(every), card.counts("harmful")
    judge = JudgeError(agreed.found, agreed.unwanted, agreed.passed, agreed.wanted)
    return ClauseRate(
        outcomes=dict(sorted(outcomes.items())),
        by_attack={name: (hits, scored) for name, (hits, scored) in sorted(by_attack.items())},
        counted=None if found is None else found[0],
        rate=true_at_1(every, judge),
    )
