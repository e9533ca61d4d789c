"""A report of a flaw, as somebody files it in TOML or JSON.

Where the open-source AI Flaw Report form asks for the same, a field has its name, and its labels
("Flaw Description") are read, too; FLARE-AI (arXiv 2606.31567) may name fields otherwise. What that
form does not have is ours: the digests, the sampling, the counts, the class of harm, the prompt.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from weighbridge.disclosure.harm_classes import HARM_CLASSES, NO_CONTENT, HarmClass
from weighbridge.errors import InputError, UnknownName
from weighbridge.records import Json, canonical_digest, canonical_json
from weighbridge.sources.documents import read_json, read_toml

ANONYMOUS = "anonymous"
FORMAT = 1
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CLOSED = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Count = Annotated[int, Field(ge=0, le=10**9)]
LABELS = {
    "Reporter ID": "reporter_id",
    "Systems": "systems",
    "Flaw Timestamp Start": "flaw_timestamp_start",
    "Flaw Description": "flaw_description",
    "Policy Violation": "policy_violation",
    "Severity": "severity",
    "Prevalence": "prevalence",
    "Impacts": "impacts",
    "Impacted Stakeholder(s)": "impacted_stakeholders",
    "Context Info": "context_info",
    "Proof-of-Concept Exploit": "proof_of_concept",
    "Disclosure Intent": "disclosure_intent",
    "Embargo Request": "embargo_request",
}
"""Labels of the AI Flaw Report form, and the fields that its code calls by these names."""

FORM = """\
# A report of a flaw in released weights. Only the digest, the class, the description and the
# counts are needed. Nothing that you write below is printed or published: an advisory holds the
# class, the counts and digests, and words that whoever publishes it writes.
format = 1
weights_digest = "sha256:"          # `weighbridge runs show RUN` prints it
adapter_digest = ""
harm_class = ""                     # {classes}
trials = 0                          # how often you tried
reproduced = 0                      # how often the flaw showed
flaw_description = ""
prompt = ""                         # the request that brings it out; becomes a regression test
reporter_id = "anonymous"           # a name or address, to be credited or asked
exploited = false                   # whether it is being used to do harm
systems = []
policy_violation = ""
severity = ""
prevalence = ""
impacts = []
impacted_stakeholders = []
context_info = ""
disclosure_intent = ""
embargo_request = ""

[sampling]
temperature = 0.0
top_p = 1.0
max_tokens = 256
system = "shipped"                  # the system turn: shipped, empty, or own

[[transcript]]
role = "user"
content = ""
""".replace("{classes}", ", ".join(HARM_CLASSES[:3]) + ", … (see the how-to)")


@checked(frozen=True, config=_CLOSED)
class Sampling:
    """How the model was asked.

    Attributes:
        temperature: Of sampling.
        top_p: Of sampling.
        max_tokens: Of an answer.
        seed: Of sampling; None where it is not known.
        system: Whether the system turn was as shipped, empty, or the reporter's own.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: Count = 0
    seed: Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1)] | None = None
    system: str = "shipped"


@checked(frozen=True, config=_CLOSED)
class Turn:
    """One turn of the conversation in which the flaw showed.

    Attributes:
        role: Who wrote it.
        content: What.
    """

    role: str
    content: str


@checked(frozen=True, config=_CLOSED)
class Report:
    """What somebody reports.

    Attributes:
        weights_digest: Of the weights that have the flaw: as a run names it, or of a file.
        harm_class: What kind of harm.
        flaw_description: What is wrong.
        trials: How often it was tried.
        reproduced: In how many of these it showed.
        format: Version of the form.
        adapter_digest: Of the adapter on these weights; "" without one.
        prompt: The request that brings it out; "" takes the transcript's last turn of the user.
        transcript: The conversation.
        sampling: How the model was asked.
        exploited: Whether the flaw is being used to do harm.
        reporter_id: Who reports.
        systems: What they call the model.
        policy_violation: Which clause of which policy is violated.
        severity: What they think of it; triage makes up its own mind.
        prevalence: How widespread they think it is.
        impacts: What it leads to.
        impacted_stakeholders: Whom it harms.
        context_info: All else.
        proof_of_concept: How to show it.
        flaw_timestamp_start: When they saw it first.
        disclosure_intent: Whether they mean to publish.
        embargo_request: What they ask for.
    """

    weights_digest: str
    harm_class: HarmClass
    flaw_description: str
    trials: Count
    reproduced: Count
    format: int = FORMAT
    adapter_digest: str = ""
    prompt: str = ""
    transcript: tuple[Turn, ...] = ()
    sampling: Sampling = Sampling()
    exploited: bool = False
    reporter_id: str = ANONYMOUS
    systems: tuple[str, ...] = ()
    policy_violation: str = ""
    severity: str = ""
    prevalence: str = ""
    impacts: tuple[str, ...] = ()
    impacted_stakeholders: tuple[str, ...] = ()
    context_info: str = ""
    proof_of_concept: str = ""
    flaw_timestamp_start: str = ""
    disclosure_intent: str = ""
    embargo_request: str = ""

    @property
    def plain(self) -> dict[str, Json]:
        """All of it as plain JSON."""
        found: dict[str, Json] = _REPORT.dump_python(self, mode="json")
        return found

    @property
    def digest(self) -> str:
        """SHA-256 over all that was reported."""
        return canonical_digest(self.plain)

    @property
    def transcript_digest(self) -> str:
        """SHA-256 over the conversation; "" without one."""
        turns = [[turn.role, turn.content] for turn in self.transcript]
        return canonical_digest(turns) if turns else ""

    @property
    def request(self) -> str:
        """The request that brings the flaw out; "" where none is told."""
        asked = [turn.content for turn in self.transcript if turn.role == "user"]
        return (self.prompt or (asked[-1] if asked else "")).strip()


_REPORT = TypeAdapter(Report)


def read_report(path: Path) -> Report:
    """Read a report's file.

    Raises:
        InputError: It is none. No message holds a text of the report's.
    """
    if not path.is_file():
        raise InputError(f"no file {path}", "a report (.toml or .json)", "check the path")
    toml = path.suffix == ".toml"
    stated = (read_toml if toml else read_json)(path, "a report of a flaw")
    if not isinstance(stated, dict):
        raise InputError(f"{path} holds no table of fields", "a report of a flaw")
    values = {LABELS.get(key, key): value for key, value in stated.items()}
    for key in values:
        if key not in _FIELDS:
            raise UnknownName(f"field of a report in {path}", key[:60], _FIELDS)
    _require_digest(path, values)
    try:
        found = _REPORT.validate_json(_as_text(values))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: {where}: {first['msg']}", "a report of a flaw", "`release report --form`"
        ) from None  # the error holds what was written
    _check(path, found)
    return found


def report_of(plain: Mapping[str, Json]) -> Report:
    """Return the report that `Report.plain` gave."""
    return _REPORT.validate_json(canonical_json(dict(plain)))


_FIELDS = tuple(Report.__dataclass_fields__)


def _as_text(values: Mapping[str, Any]) -> str:
    import json

    return json.dumps(values, default=str)  # TOML has dates


def _require_digest(path: Path, values: Mapping[str, Any]) -> None:
    """Refuse a report that doesn't say which weights it is about."""
    for field, needed in (("weights_digest", True), ("adapter_digest", False)):
        digest = values.get(field) or ""
        if not needed and not digest:
            continue
        if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
            saw = f"{field} = {digest!r:.90}" if digest else f"no {field}"
            raise InputError(
                f"{path}: {saw}",
                "sha256: and 64 hexadecimal digits, since a name says nothing of the weights",
                "`weighbridge runs show RUN` prints it; sha256sum of the weights' file will do",
            )


def _check(path: Path, report: Report) -> None:
    if report.format != FORMAT:
        raise InputError(f"{path} has format {report.format}", f"format {FORMAT}")
    if not report.flaw_description.strip():
        raise InputError(f"{path}: no flaw_description", "what is wrong, in a sentence")
    if report.trials < 1 or not 0 <= report.reproduced <= report.trials:
        raise InputError(
            f"{path}: reproduced {report.reproduced} of {report.trials} trials",
            "at least one trial, and no more successes than trials",
            "try it again and count: severity rests on it",
        )
    if report.harm_class in NO_CONTENT and (
        report.prompt or report.transcript or report.proof_of_concept
    ):
        raise InputError(
            f"{path}: content of the class {report.harm_class}",
            "digests and counts alone: nobody may hold such content",
            "take prompt, transcript and proof_of_concept out, and report to the authorities",
        )
