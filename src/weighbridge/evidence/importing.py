"""Imports other harnesses' results as sealed runs, and records what their files do not tell.

    read a harness's files -> `HarnessRun` runs in our records -> journal -> estimate -> seal

The folder `imports/` is the list of harnesses; each file defines one `IMPORTER`. An imported run is
evidence like any other from its samples on: `verify` recomputes it, `compare` pairs it. What came
before the samples (weights, prompts, machine) is only as reliable as the files, so every imported
run names its harness, its files by digest, and what the files do not tell.
"""

import importlib
import importlib.metadata
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from weighbridge.errors import (
    InputError,
    StorageError,
    UnknownName,
    WeighbridgeError,
    boundary,
    in_one_line,
)
from weighbridge.evidence.evaluations import RunStore
from weighbridge.evidence.payloads.evaluation import Evaluated, RunHeader
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.records import (
    EvalRun,
    Graded,
    Json,
    ModelRef,
    Origin,
    Provenance,
    Sample,
    Score,
    ScoredSample,
    canonical_digest,
)
from weighbridge.sources.digests import file_digest, text_digest
from weighbridge.statistics import estimate

_FOLDER = Path(__file__).parent / "imports"
UNKNOWN = "unknown"
STATED_TOLERANCE = 1e-6
"""Largest difference, due to rounding, between a harness's figure and that of its samples."""
FOREIGN_SHAPES = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
"""Exceptions raised by reading a file that does not have its harness's form."""
UNREADABLE = (*FOREIGN_SHAPES, OSError, RecursionError, WeighbridgeError)
"""Exceptions raised by reading one member of a folder that can't be read."""
_REASONS = 3  # shown where nothing could be read
_LARGEST_WHOLE = 2**53  # RFC 8785 represents no larger whole number exactly
_LETTERS = 3  # an answer so short can't quote a question


@dataclass(frozen=True)
class ImportRequest:
    """What the user asked to import.

    Attributes:
        path: File or folder.
        gold: Reads the items with their right answers, where the files hold none.
        benchmark: Name of the benchmark whose items `gold` reads.
        metric: The harness's name of the metric that becomes the value; "" takes the importer's
            default.
        cluster: The harness's name of the field whose value is shared by the items of one cluster;
            "" for none.
        scale: Lowest and highest value.
        withhold: Whether evidence must not contain the benchmark's texts.
    """

    path: Path
    gold: Callable[[], Iterable[Sample]] | None = None
    benchmark: str = ""
    metric: str = ""
    cluster: str = ""
    scale: tuple[float, float] = (0.0, 1.0)
    withhold: bool = False

    def shows(self, benchmark: str) -> bool:
        """Whether evidence may contain a benchmark's texts; GPQA's authors ask that it doesn't."""
        return not self.withhold and "gpqa" not in benchmark.lower()


@dataclass(frozen=True)
class HarnessRun:
    """One model's answers to one benchmark, as another harness left them.

    Attributes:
        model: The harness's name of the model.
        benchmark: The harness's name of the benchmark.
        benchmark_version: Harness, version of the task, and metric, so that `compare` pairs neither
            runs of different metrics nor an imported run with one of ours, which had other prompts.
        protocol: How answers were obtained.
        samples: The scored samples.
        files: The files that the run was read from.
        unknown: What the files don't tell, one clause each.
        version: The harness's version; None where the files don't tell it.
        settings: What the files tell of how the harness was run.
        stated: Figures that the harness states, by name.
        headline: Name of the stated figure that our mean should equal; None where there is none.
        notes: What a reader must know.
        revision: The model's revision; None where the files don't tell it.
        dtype: Data type that the model was computed in.
        packages: Versions of packages, as far as the files tell them.
        device: Device that the model ran on.
        started: ISO 8601, UTC; "" where not told.
        seconds: Wall time; 0 where not told.
        judge: The model that judged the answers; None where none did. It belongs in
            `benchmark_version`, too, because figures by two judges must not be compared.
    """

    model: str
    benchmark: str
    benchmark_version: str
    protocol: str
    samples: tuple[ScoredSample, ...]
    files: tuple[Path, ...]
    unknown: tuple[str, ...]
    version: str | None = None
    settings: dict[str, Json] = field(default_factory=dict)
    stated: dict[str, float] = field(default_factory=dict)
    headline: str | None = None
    notes: tuple[str, ...] = ()
    revision: str | None = None
    dtype: str = UNKNOWN
    packages: dict[str, str] = field(default_factory=dict)
    device: str = UNKNOWN
    started: str = ""
    seconds: float = 0.0
    judge: str | None = None


@dataclass(frozen=True)
class HarnessRuns:
    """What an importer read: runs, and what it left out, each with the reason."""

    runs: tuple[HarnessRun, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Importer:
    """One harness.

    Attributes:
        name: The file's stem, with a hyphen for an underscore.
        reads: What the importer reads, as it is shown to users.
        read: Reads what a request names.
    """

    name: str
    reads: str
    read: Callable[[ImportRequest], HarnessRuns]


def each_member(
    members: Sequence[Path], read: Callable[[Path], HarnessRun], *, alone: bool
) -> HarnessRuns:
    """Read each member of a folder as a run; one that can't be read becomes a line of `left_out`.

    Args:
        members: Files or folders in the folder.
        read: Reads one member.
        alone: Whether the user named this one member: what reading it raises is then raised.

    Raises:
        InputError: `alone`, and the member can't be read. Any other of `UNREADABLE` likewise.
    """
    runs, left_out = list[HarnessRun](), list[str]()
    for member in members:
        try:
            runs.append(read(member))
        except UNREADABLE as error:
            if alone:
                raise
            left_out.append(f"{member.name}: {why_unread(error)}")
    return HarnessRuns(tuple(runs), tuple(left_out))


def why_unread(error: BaseException) -> str:
    """Return in one line why something of another harness could not be read."""
    if isinstance(error, WeighbridgeError):
        return str(error)
    return f"it has another form than its harness writes ({in_one_line(error)})"


def importer_names() -> tuple[str, ...]:
    """Names of all harnesses that can be read."""
    return tuple(sorted(stem.replace("_", "-") for stem in names_in(_FOLDER)))


def find_importer(name: str) -> Importer:
    """Import exactly one importer.

    Raises:
        UnknownName: No such harness.
    """
    if name not in importer_names():
        do = "a report of garak's is read by: weighbridge redteam import REPORT"
        raise UnknownName("harness", name, importer_names(), do)
    module = f"{__package__}.imports.{name.replace('-', '_')}"
    return defined_in(module, "IMPORTER", Importer)


def read_harness_runs(name: str, request: ImportRequest) -> HarnessRuns:
    """Read a harness's files, sealing nothing yet.

    Raises:
        InputError: Nothing there can be read.
        LibraryError: An archive is damaged, or the library that reads it fails.
    """
    importer = find_importer(name)
    if not request.path.exists():
        raise InputError(f"nothing at {request.path}", importer.reads, "check the path")
    with boundary(f"reading {request.path} as {name} writes it", foreign=True):
        try:
            found = importer.read(request)
        except FOREIGN_SHAPES as error:
            kind = type(error).__name__
            raise InputError(
                f"{request.path} has another form than {name}'s files ({kind}: {error})"[:300],
                importer.reads,
                f"if {name} wrote it, please report it with the file",
            ) from error
    if not found.runs:
        raise _nothing(request.path, importer.reads, found.left_out)
    return found


def import_runs(
    name: str, request: ImportRequest, store: RunStore, imported: str
) -> tuple[list[EvalRun], tuple[str, ...]]:
    """Read a harness's files and seal what they hold.

    Args:
        name: The harness.
        request: What to read.
        store: Where evidence goes.
        imported: Time of the import, ISO 8601, UTC.

    Returns:
        The sealed runs without their samples, and what was left out.

    Raises:
        InputError: Nothing there can be read, or a value is off the scale.
    """
    found = read_harness_runs(name, request)
    sealed, left_out = list[EvalRun](), list(found.left_out)
    for run in found.runs:
        try:
            _check_values(run, request)
            sealed.append(_seal(run, name, request, store, imported))
        except StorageError:
            raise  # a fault of the disk concerns every run
        except UNREADABLE as error:
            if len(found.runs) == 1:
                raise _as_weighbridge_error(error, request.path, name) from error
            left_out.append(f"{run.model} on {run.benchmark}: {why_unread(error)}")
    if not sealed:
        raise _nothing(request.path, find_importer(name).reads, left_out)
    return sealed, tuple(left_out)


def _nothing(path: Path, reads: str, why: Sequence[str]) -> InputError:
    more = f" (and {len(why) - _REASONS} more)" if len(why) > _REASONS else ""
    reasons = f": {' | '.join(why[:_REASONS])}{more}" if why else ""
    return InputError(f"no run in {path} can be imported{reasons}", reads)


def _as_weighbridge_error(error: BaseException, path: Path, name: str) -> WeighbridgeError:
    if isinstance(error, WeighbridgeError):
        return error
    saw = f"{path} has another form than {name}'s files ({in_one_line(error)})"
    return InputError(saw, find_importer(name).reads)


def imported_sample(
    *,
    shown: bool,
    sample_id: str,
    item: Json,
    prompt: str | None,
    question: str,
    target: Json,
    output: str,
    score: Score,
    cluster: str | None = None,
    repeat: int = 0,
    logprobs: tuple[float, ...] = (),
    stop: str = UNKNOWN,
    input_tokens: int = 0,
    output_tokens: int = 0,
    seconds: float = 0.0,
) -> ScoredSample:
    """Return one line of evidence from what a harness wrote; texts only where they may be shown.

    Args:
        shown: Whether texts may stand in evidence.
        sample_id: The item's id.
        item: Plain JSON that is equal for two items exactly where they were asked alike; its digest
            identifies the item.
        prompt: The prompt as the model saw it; None where not known.
        question: The question as it is shown to people.
        target: The right answer.
        output: What the model wrote.
        score: The score of `output`.
        cluster: The item's cluster; None for none.
        repeat: Which of several answers to the item this is, counted from 0.
        logprobs: Log-probabilities; all are dropped where one is not finite.
        stop: Why the answer ended.
        input_tokens: Number of tokens read.
        output_tokens: Number of tokens written.
        seconds: Time taken.

    Raises:
        ValueError: A count or a time is below 0, too large or not a number.
    """
    for what, count in (
        ("repeat", repeat), ("input tokens", input_tokens), ("output tokens", output_tokens),
        ("seconds", seconds),
    ):  # fmt: skip
        if not 0 <= count <= _LARGEST_WHOLE:
            raise ValueError(f"{count:.6g} {what}")
    if not shown:
        score = _without_texts(score)
        output = score.answer if isinstance(score, Graded) else ""
    return ScoredSample(
        sample_id=clean(sample_id),
        repeat=repeat,
        cluster=clean(cluster) if cluster is not None else None,
        sample_digest=canonical_digest(clean_json(item)),
        prompt_digest=text_digest(prompt) if prompt is not None else UNKNOWN,
        question=clean(question) if shown else None,
        target=clean_json(target) if shown else None,
        output=clean(output),
        logprobs=logprobs if all(map(math.isfinite, logprobs)) else (),
        stop=stop,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        seed=0,
        score=score,
        latency_seconds=seconds,
    )


def named_field(fields: Mapping[str, Json], name: str, where: str) -> str:
    """Return the value of the field that groups items into clusters.

    Raises:
        InputError: The item has no such field.
    """
    if name not in fields:
        raise InputError(
            f"{where} has no field {name}",
            f"one of {', '.join(map(str, fields)) or 'none'}",
            "correct --cluster",
        )
    return str(fields[name])


def clean(text: str) -> str:
    """Return text that UTF-8 can hold: a lone surrogate becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def clean_json(value: Json) -> Json:
    """Return JSON that evidence can hold: NaN, Infinity and huge numbers become texts."""
    if isinstance(value, dict):
        return clean_fields(value)
    if isinstance(value, (list, tuple)):
        return [clean_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:
        return str(value)
    return clean(value) if isinstance(value, str) else value


def clean_fields(fields: Mapping[str, Json]) -> dict[str, Json]:
    """Return an object that evidence can hold, as `clean_json` does."""
    return {clean(str(key)): clean_json(each) for key, each in fields.items()}


def number(value: Json) -> float | None:
    """Return a harness's figure as a number; None where it is not a finite number."""
    if isinstance(value, (bool, int, float)) and abs(value) < math.inf:
        return float(value)
    return None


def _without_texts(score: Score) -> Score:
    if not isinstance(score, Graded):
        return type(score)(score.reason)
    return Graded(score.value, score.answer if len(score.answer) <= _LETTERS else "")


def _check_values(run: HarnessRun, request: ImportRequest) -> None:
    low, high = request.scale
    for sample in run.samples:
        score = sample.score
        if isinstance(score, Graded) and not low <= score.value <= high:
            raise InputError(
                f"{run.benchmark}, item {sample.sample_id} has the value {score.value:g}",
                f"{low:g} to {high:g}",
                "say the scale: --scale LOW:HIGH",
            )


def _seal(
    run: HarnessRun, harness: str, request: ImportRequest, store: RunStore, imported: str
) -> EvalRun:
    files = {path.name: file_digest(path) for path in run.files}
    # The weights are unknown. The digest of the files takes the place of theirs, so that other
    # files give another run.
    model = ModelRef(
        name=run.model,
        source=f"imported:{harness}",
        weights_digest=f"{canonical_digest(files)}#{run.model}",
        revision=run.revision,
        dtype=run.dtype,
    )
    settings: dict[str, Json] = clean_fields(run.settings) | {"imported": harness}
    if request.metric:
        settings["metric"] = request.metric
    fields: dict[str, Json] = {
        "model": dict(model.identity),
        "benchmark": run.benchmark,
        "benchmark_version": run.benchmark_version,
        "items": [[s.sample_id, s.repeat, s.sample_digest] for s in run.samples],
        "settings": settings,
        "scale": list(request.scale),
        "withheld": not request.shows(run.benchmark),
    }
    header = RunHeader(
        model=model,
        benchmark=run.benchmark,
        benchmark_version=run.benchmark_version,
        subset=None,
        protocol=run.protocol,
        settings=settings,
        aggregate="mean",
        planned_samples=len(run.samples),
        planned_units=1,
        started=run.started or imported,
    )
    figures = estimate(run.samples, "mean", request.scale)  # refuses what contradicts itself
    with store.open(fields, header) as opened:
        if opened.finished is not None:
            return opened.finished
        if not opened.journal.finished_units():
            opened.journal.append_unit(0, run.samples)
        origin = Origin(harness, run.version, files, run.unknown, run.stated, run.headline)
        notes = (*_notes(origin, run, figures.mean), *run.notes)
        return opened.seal(Evaluated(figures, _provenance(run, origin, notes, imported)))


def agrees(origin: Origin, mean: float) -> bool:
    """Whether a run's mean is the figure that its harness states, or none is stated."""
    stated = origin.stated_mean
    return stated is None or abs(stated - mean) <= STATED_TOLERANCE


def _notes(origin: Origin, run: HarnessRun, mean: float) -> list[str]:
    count = f"{len(origin.files)} file" + ("s" if len(origin.files) != 1 else "")
    by = f"{origin.harness} {origin.version or '(version not stated)'}"
    notes = [f"Imported from {by}, {count}; not measured here."]
    if run.judge is not None:
        notes.append(f"Judged by {run.judge}, whose own disagreement is in no interval.")
    if origin.unknown:
        notes.append(f"Not known: {', '.join(origin.unknown)}.")
    if not agrees(origin, mean):
        stated = origin.stated_mean
        notes.append(
            f"{origin.harness} states {run.headline} {stated:.6g}; its samples give {mean:.6g}."
        )
    return notes


def _provenance(
    run: HarnessRun, origin: Origin, notes: tuple[str, ...], imported: str
) -> Provenance:
    return Provenance(
        packages=run.packages | {"weighbridge": importlib.metadata.version("weighbridge")},
        python=UNKNOWN,
        platform=UNKNOWN,
        device=run.device,
        threads=0,
        started=run.started or imported,
        wall_seconds=run.seconds,
        notes=notes,
        origin=origin,
        judge=run.judge,
    )
