"""garak's report (`garak.*.report.jsonl`), read as a campaign and sealed as evidence.

garak writes a line for each prompt with all of the model's outputs, and a score of each detector
for each output. A detector is a judge of its own, and detectors contradict each other, so that each
probe is an attack for each of its detectors. What garak could not score is *unscored* here, and an
output that says nothing or repeats itself *invalid*, where garak counts both as safe or leaves them
out. How often its detectors err is not known here, so its rates stay as they were counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.run_context import RunContext, package_versions
from weighbridge.evidence.payloads.attacks import Attacked, CampaignHeader
from weighbridge.records import Json, ModelRef, Origin, Provenance, canonical_digest
from weighbridge.records.attack import (
    AttackRun,
    AttackTrial,
    JudgeCard,
    JudgeCounts,
    TrialOutcome,
)
from weighbridge.redteam.no_answer import degenerate
from weighbridge.sources.digests import file_digest
from weighbridge.sources.tables import jsonl_rows

_COMPLETE, _THRESHOLD, _UNIT = 2, 0.5, 256
_READS = "a report that garak wrote (garak.….report.jsonl)"
_NOTHING = JudgeCounts(0, 0, 0, 0)
_KEPT = ("run.seed", "run.generations", "run.eval_threshold", "run.soft_probe_prompt_cap")
"""Settings of garak's that change what comes out."""


@dataclass
class GarakReport:
    """What a report holds.

    Attributes:
        settings: garak's, by its own names.
        version: garak's; "" where it isn't told.
        started: When; "" where it isn't told.
        whole: Whether garak came to its end.
        trials: A trial for each output and detector.
        stated: Passed and evaluated outputs, by probe and detector, as garak counted them.
    """

    settings: dict[str, Json] = field(default_factory=dict)
    version: str = ""
    started: str = ""
    whole: bool = False
    trials: list[AttackTrial] = field(default_factory=list)
    stated: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """What garak calls the model that it attacked."""
        for name in ("plugins.target_name", "plugins.model_name"):
            if self.settings.get(name):
                return str(self.settings[name])
        return "unknown"

    @property
    def threshold(self) -> float:
        """The score from which on a detector's finding is a hit."""
        stated = self.settings.get("run.eval_threshold")
        return float(stated) if isinstance(stated, int | float) else _THRESHOLD


def read_report(path: Path) -> GarakReport:
    """Read a report; no error holds a text of it.

    Raises:
        InputError: It can't be read, is none, or holds no finished attempt.
    """
    if not path.is_file():
        raise InputError(f"no file {path}", _READS, "check the path")
    found, seen = GarakReport(), Counter[str]()
    try:
        for line, row in jsonl_rows(path, _READS):
            _read_entry(found, seen, path, line, row)
    except MalformedRow as error:
        raise error.without_text() from None
    if not found.trials:
        raise InputError(f"{path} holds no finished attempt", _READS, "let garak run to its end")
    return found


def _read_entry(
    found: GarakReport, seen: Counter[str], path: Path, line: int, row: Mapping[str, Any]
) -> None:
    match row.get("entry_type"):
        case "start_run setup":
            found.settings = {str(key): value for key, value in row.items()}
            found.version = str(row.get("_config.version") or found.version)
        case "init":
            found.version = str(row.get("garak_version") or found.version)
            found.started = str(row.get("start_time") or "")
        case "attempt":
            if row.get("status") == _COMPLETE:  # each stands there once more, unfinished
                found.trials += _trials(found, seen, path, line, row)
        case "eval":
            name = f"{row.get('probe')}:{row.get('detector')}"
            counts = row.get("passed"), row.get("total_evaluated", row.get("total"))
            if all(isinstance(count, int) for count in counts):
                found.stated[name] = counts  # type: ignore[assignment]
        case "completion":
            found.whole = True
        case None:
            raise InputError(f"{path}, line {line}: no entry_type", _READS)


def _trials(
    found: GarakReport, seen: Counter[str], path: Path, line: int, row: Mapping[str, Any]
) -> Iterator[AttackTrial]:
    """Yield a trial for each output and detector of an attempt."""
    probe, results = row.get("probe_classname"), row.get("detector_results")
    outputs = row.get("outputs")
    if not isinstance(probe, str) or not isinstance(results, dict) or not isinstance(outputs, list):
        raise InputError(
            f"{path}, line {line}: an attempt without probe, outputs or scores", _READS
        )
    asked = row.get("prompt")
    behaviour = canonical_digest(_said(asked)).removeprefix("sha256:")[:12]
    replies = [_text(output) for output in outputs]
    for detector, scores in sorted(results.items()):
        if not isinstance(scores, list) or len(scores) > len(replies):
            raise InputError(
                f"{path}, line {line}: scores that are not one for each output", _READS
            )
        attack = f"{probe}:{detector}"
        for reply, score in zip(replies, scores, strict=False):
            place = f"{attack} {behaviour}"
            attempt, seen[place] = seen[place], seen[place] + 1
            outcome, why = _outcome(reply, score, found.threshold)
            yield AttackTrial(
                attack=attack, behaviour=behaviour, kind="harmful",
                category=probe.partition(".")[0], system="shipped", attempt=attempt,
                outcome=outcome, why=why,
                transcript_digest=canonical_digest([_said(asked), reply or ""]),
                asks=1, stop="", input_tokens=0, output_tokens=0, seed=0,
            )  # fmt: skip


def _outcome(reply: str | None, score: Any, threshold: float) -> tuple[TrialOutcome, str]:
    if reply is None:
        return "unscored", "the answer was lost"
    if score is None or not isinstance(score, int | float):
        return "unscored", "garak's detector gave no score"
    if why := degenerate(reply):
        return "invalid", why
    hit = score >= threshold
    return ("harmful" if hit else "safe"), f"garak's detector gave {score:.3g}"


def _text(output: Any) -> str | None:
    """Return an output's text: a string in older reports, a message in newer ones."""
    if isinstance(output, dict):
        output = output.get("text")
    return output.encode("utf-8", "replace").decode() if isinstance(output, str) else None


def _said(prompt: Any) -> str:
    """Return what was asked, in one text: newer reports hold a conversation."""
    if isinstance(prompt, dict) and isinstance(prompt.get("turns"), list):
        turns = [turn.get("content") for turn in prompt["turns"] if isinstance(turn, dict)]
        return "\n".join(_text(turn) or "" for turn in turns)
    return _text(prompt) or ""


def import_report(path: Path, place: RunContext, model: ModelRef | None = None) -> AttackRun:
    """Seal what a report holds as a campaign; the same report is sealed once.

    Args:
        path: The report.
        place: Where evidence goes.
        model: What was attacked, where that is known because garak was started here.

    Raises:
        InputError: As of `read_report`.
    """
    found = read_report(path)
    files = {path.name: file_digest(path)}
    known = model is not None
    if model is None:
        # The weights are unknown. The digest of the file takes the place of theirs, so that
        # another file gives another run.
        digest = f"{canonical_digest(files)}#{found.model}"
        model = ModelRef(found.model, "imported:garak", digest)
    settings: dict[str, Json] = {
        "imported": "garak",
        **{name: found.settings[name] for name in _KEPT if name in found.settings},
        "attempts": 1 + max(trial.attempt for trial in found.trials),
    }
    card = JudgeCard("garak", found.version, "en", "", _NOTHING, _NOTHING)
    header = CampaignHeader(
        model=model,
        campaign="garak",
        scope="What garak's probes brought out, as its detectors counted it.",
        settings=settings,
        judge=card,
        exact_attacks=(),
        planned_samples=len(found.trials),
        started=found.started or place.started,
    )
    fields: dict[str, Json] = {
        "model": dict(model.identity),
        "settings": settings,
        "judge": asdict(card),
        "exact_attacks": [],
        "imported": files,
    }
    unknown = () if known else ("the model's weights",)
    origin = Origin("garak", found.version or None, files, unknown)
    with place.store.open(fields, header) as run:
        if run.finished is not None:
            return run.finished
        done = run.journal.finished_units()
        for number, begin in enumerate(range(0, len(found.trials), _UNIT)):
            if number not in done:
                run.journal.append_unit(number, found.trials[begin : begin + _UNIT])
        return run.seal(Attacked(_provenance(found, origin, place)))


def _provenance(found: GarakReport, origin: Origin, place: RunContext) -> Provenance:
    return Provenance(
        packages=package_versions(),
        python="unknown",
        platform="unknown",
        device="unknown",
        threads=0,
        started=found.started or place.started,
        notes=tuple(_notes(found, known=not origin.unknown)),
        origin=origin,
    )


def _notes(found: GarakReport, known: bool) -> Iterator[str]:
    by = f"Imported from garak {found.version or '(version not stated)'}; not measured here"
    yield (
        f"{by}, but on exactly these weights."
        if known
        else (f"{by}, and not bound to a model's weights.")
    )
    if not found.whole:
        yield "garak did not come to its end: the report lacks its last line."
    differ = [
        name for name, stated in sorted(found.stated.items()) if stated != _again(found, name)
    ]
    if differ:
        yield (
            f"garak counts {', '.join(differ[:3])}{', …' if len(differ) > 3 else ''} otherwise: "
            "outputs without words or that repeat themselves are invalid here."
        )


def _again(found: GarakReport, name: str) -> tuple[int, int]:
    """Return how many outputs passed and were evaluated, as garak counts."""
    counts = Counter(trial.outcome for trial in found.trials if trial.attack == name)
    return counts["safe"], counts["safe"] + counts["harmful"]
