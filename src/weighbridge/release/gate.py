"""What a gate is; the folder `gates/` is the registry, one `GATE` a file.

A gate is a pure function: it gets everything that is known of a model as one `Case`, reads no file
and no clock, and answers pass, fail or insufficient. Missing evidence never passes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weighbridge.errors import UnknownName
from weighbridge.folder_registry import defined_in, names_in

if TYPE_CHECKING:
    from weighbridge.release.case import Case

Outcome = Literal["pass", "fail", "insufficient"]
_FOLDER = Path(__file__).parent / "gates"


@dataclass(frozen=True)
class Finding:
    """A gate's answer.

    Attributes:
        outcome: Pass, fail or insufficient.
        why: What it rests on, in a sentence.
        turns: What would turn it; "" where it passes.
        evidence: Digests of the evidence that it rests on: of runs' samples, of files.
    """

    outcome: Outcome
    why: str
    turns: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        name: The file's stem.
        asks: The question that it answers.
        decide: Answers it.
    """

    name: str
    asks: str
    decide: Callable[["Case"], Finding]


def gate_names() -> tuple[str, ...]:
    """Names of all gates."""
    return names_in(_FOLDER)


def find_gate(name: str) -> Gate:
    """Import exactly one gate.

    Raises:
        UnknownName: There is none of that name.
    """
    if name not in gate_names():
        raise UnknownName("gate", name, gate_names())
    return defined_in(f"weighbridge.release.gates.{name}", "GATE", Gate)


def passed(why: str, *evidence: str) -> Finding:
    """Return a pass."""
    return Finding("pass", why, "", evidence)


def failed(why: str, turns: str, *evidence: str) -> Finding:
    """Return a fail, with what would turn it."""
    return Finding("fail", why, turns, evidence)


def insufficient(why: str, turns: str, *evidence: str) -> Finding:
    """Return that the evidence does not decide, with what would."""
    return Finding("insufficient", why, turns, evidence)


def every(findings: Iterable[Finding]) -> Finding:
    """Join parts that must all pass: a fail decides, then what is insufficient."""
    return _joined(list(findings), ("fail", "insufficient", "pass"))


def over_runs(findings: Iterable[Finding]) -> Finding:
    """Join what several runs say of the same question: a fail decides, then a pass.

    So no further run turns a fail into a pass, and leaving out a run never makes a pass of evidence
    that did not suffice.
    """
    return _joined(list(findings), ("fail", "pass", "insufficient"))


def _joined(found: list[Finding], order: tuple[Outcome, ...]) -> Finding:
    for outcome in order:
        those = [one for one in found if one.outcome == outcome]
        if those:
            return Finding(
                outcome,
                "; ".join(dict.fromkeys(one.why for one in those)),
                "; ".join(dict.fromkeys(one.turns for one in those if one.turns)),
                tuple(dict.fromkeys(digest for one in found for digest in one.evidence)),
            )
    raise ValueError("no findings")
