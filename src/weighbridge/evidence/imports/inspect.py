"""Inspect's logs, `.eval` (a zip of JSON) and `.json`: one run a log.

The value is the log's first scorer's, unless `--metric SCORER` (or `SCORER/KEY`, where a scorer
gives several values) says otherwise; other scorers' values in [0, 1] are parts. Values become
numbers by Inspect's own rule: C and yes 1, P a half, I, N and no 0.

What Inspect did not grade is ungraded here: `N` (no answer) is refused, truncated or unparsed,
depending on the stop reason; an incorrect answer from which the scorer read nothing is unparsed; a
missing score is truncated where the token limit ended the answer; an error, a value that is not a
number (`Score.unscored()`) and any other missing score are infrastructure.

Where a model judged the answers, the benchmark's version contains its name, because figures by two
judges must not be compared.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evidence.importing import (
    HarnessRun,
    HarnessRuns,
    Importer,
    ImportRequest,
    each_member,
    imported_sample,
    named_field,
    number,
)
from weighbridge.records import (
    Graded,
    Json,
    Score,
    ScoredSample,
    Ungraded,
    UngradedReason,
    canonical_digest,
)
from weighbridge.sources.archives import Archive, is_archive, open_archive
from weighbridge.sources.documents import parse_json, read_json
from weighbridge.sources.tables import Row
from weighbridge.sources.text_files import decoded

VALUES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
NO_ANSWER = "N"
NO_GRADE: dict[str, UngradedReason] = {
    "refusal": "refused",
    "no_response": "unparsed",
    "invalid_response_format": "unparsed",
    "grader_failed": "infrastructure",
    "scoring_failed": "infrastructure",
}
"""Inspect's own reasons for a missing score; other reasons are a scorer's own words."""
STOPS = {"stop": "end", "max_tokens": "length", "model_length": "length"}
JUDGING = "model_graded"
"""Prefix of the names of Inspect's scorers that ask a model: by default the measured model."""
EXPORTED_SCORER = "weighbridge"
"""The scorer of a log that we exported."""
REASONS: tuple[str, ...] = get_args(UngradedReason)
UNKNOWN = ("the weights' digest", "the machine")
_ATTACHMENT = "attachment://"
_WHAT = "a log that Inspect wrote"


@dataclass(frozen=True)
class _Log:
    """A log's header, and its samples one by one."""

    path: Path
    header: Row
    samples: Iterable[Row]


def _read(request: ImportRequest) -> HarnessRuns:
    one = not request.path.is_dir()
    return each_member(
        _paths(request.path),
        lambda path: _run(_open(path, None if one else request.path), request),
        alone=one,
    )


def _paths(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted([*path.rglob("*.eval"), *path.rglob("*.json")])
    if not found:
        raise InputError(f"no .eval or .json in {path}", "Inspect's --log-dir")
    return found


def _open(path: Path, within: Path | None) -> _Log:
    """Open a log, zipped (`.eval`) or JSON; `within` is the folder that the user named, if any.

    Raises:
        InputError: The file is no log, or the log was never finished.
    """
    if path.suffix == ".eval" or is_archive(path, _WHAT, within=within):
        return _open_zip(path, within)
    read = read_json(path, _WHAT, nan=True, halves="replace", within=within)
    if not isinstance(read, dict) or "eval" not in read:
        raise InputError(f"{path} has no key 'eval'", "a log that Inspect wrote")
    return _Log(path, read, read.get("samples") or ())


def _open_zip(path: Path, within: Path | None) -> _Log:
    with open_archive(path, _WHAT, within=within) as archive:
        if "header.json" not in archive.names:
            raise InputError(
                f"{path} has no header: the evaluation was not finished",
                "a finished log",
                "finish it with: inspect eval-retry",
            )
        header = _member(archive, path, "header.json")
    return _Log(path, header, _zipped_samples(path))


def _zipped_samples(path: Path) -> Iterator[Row]:
    with open_archive(path, _WHAT) as archive:
        for name in sorted(archive.names):
            if name.startswith("samples/") and name.endswith(".json"):
                yield _member(archive, path, name)


def _member(archive: Archive, path: Path, name: str) -> Row:
    """Read a member of a log: an object."""
    try:
        text = decoded(path, archive.read(name))
    except RuntimeError as error:  # raised by zipfile for an encrypted member
        raise InputError(f"{path} can't be read ({error})", _WHAT) from error
    read = parse_json(path / name, 1, text, nan=True, halves="replace")
    if not isinstance(read, dict):
        raise InputError(f"{path / name} holds a {type(read).__name__}", "an object")
    return read


def _run(log: _Log, request: ImportRequest) -> HarnessRun:
    eval_spec = log.header["eval"]
    task = str(eval_spec.get("task", "unknown"))
    results = log.header.get("results") or {}
    scorers = [score["name"] for score in results.get("scores", ()) if "name" in score]
    wanted = request.metric.partition("/")[0] or next(iter(scorers), "")
    samples = tuple(_samples(log, task, request, wanted))
    if not samples:
        raise InputError(f"{log.path} holds no samples", "a log with samples", "--log-samples")
    config = eval_spec.get("config") or {}
    stats = log.header.get("stats") or {}
    stated, headline = _stated(results, wanted)
    status = log.header.get("status")
    judge = _judge(eval_spec, wanted)
    version = f"inspect:{eval_spec.get('task_version', 0)} {request.metric or wanted}"
    notes = () if status == "success" else (f"The log's status is {status}, not success.",)
    return HarnessRun(
        model=str(eval_spec.get("model", "unknown")),
        benchmark=task.rsplit("/", 1)[-1],
        benchmark_version=f"{version} by {judge}" if judge else version,
        protocol="generative",
        samples=samples,
        files=(log.path,),
        unknown=UNKNOWN,
        version=(eval_spec.get("packages") or {}).get("inspect_ai"),
        settings=_settings(eval_spec, config, wanted),
        stated=stated,
        headline=headline,
        notes=notes,
        packages={str(k): str(v) for k, v in (eval_spec.get("packages") or {}).items()},
        started=str(stats.get("started_at") or eval_spec.get("created") or ""),
        judge=judge,
    )


def _judge(eval_spec: Row, scorer: str) -> str | None:
    """Return the judge: the scorer's model or models, else its role's, else the measured model."""
    if scorer == EXPORTED_SCORER:
        return (eval_spec.get("metadata") or {}).get("judge")
    known = {
        str(one.get("name")): one.get("options") or {} for one in eval_spec.get("scorers") or ()
    }
    options = known.get(scorer, {})
    if not scorer.rsplit("/", 1)[-1].startswith(JUDGING) and "model" not in options:
        return None
    role = options.get("model_role") or "grader"
    named = options.get("model") or (eval_spec.get("model_roles") or {}).get(str(role))
    models = named if isinstance(named, list) else [named or eval_spec.get("model", "unknown")]
    return ", ".join(str(one["model"] if isinstance(one, dict) else one) for one in models)


def _settings(eval_spec: Row, config: Row, scorer: str) -> dict[str, Json]:
    told = {
        "scorer": scorer,
        "limit": config.get("limit"),
        "epochs": config.get("epochs"),
        "task_args": eval_spec.get("task_args"),
        "generate": eval_spec.get("model_generate_config"),
    }
    return {name: value for name, value in told.items() if value not in (None, {}, "")}


def _stated(results: Row, scorer: str) -> tuple[dict[str, float], str | None]:
    """Return the figures that the log states, and the name of the one our mean should equal."""
    found, headline = dict[str, float](), None
    for score in results.get("scores", ()):
        for name, metric in (score.get("metrics") or {}).items():
            value = number(metric.get("value"))
            if value is None:
                continue
            key = f"{score.get('name')}/{name}"
            found[key] = value
            averaged = score.get("reducer") in (None, "mean")
            if score.get("name") == scorer and name in ("accuracy", "mean") and averaged:
                headline = headline or key
    return found, headline


def _samples(log: _Log, task: str, request: ImportRequest, scorer: str) -> Iterator[ScoredSample]:
    shown = request.shows(task)
    for position, row in enumerate(log.samples, start=1):
        try:
            yield _sample(row, shown, request, scorer)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise MalformedRow(
                log.path, position, f"{type(error).__name__}: {error}"[:80],
                "a sample as Inspect writes it",
            ) from error  # fmt: skip


def _sample(row: Row, shown: bool, request: ImportRequest, scorer: str) -> ScoredSample:
    attached = row.get("attachments") or {}
    asked = row["input"]
    prompt = asked if isinstance(asked, str) else _conversation(asked)
    question = asked if isinstance(asked, str) else _last_of_user(asked)
    choices = row.get("choices") or ()
    target = row["target"]
    output = row.get("output") or {}
    text = _attached(_completion(output), attached)
    usage = output.get("usage") or {}
    metadata = row.get("metadata") or {}
    cluster = metadata.get("cluster")
    if request.cluster:
        cluster = named_field(metadata, request.cluster, f"sample {row['id']}")
    stop = _stop_reason(output)
    return imported_sample(
        shown=shown,
        sample_id=str(row["id"]),
        item=["inspect", str(row["id"]), canonical_digest([prompt, list(choices), target])],
        prompt=_attached(prompt, attached),
        question="\n".join([_attached(question, attached), *(f"- {choice}" for choice in choices)]),
        target=target[0] if isinstance(target, list) and len(target) == 1 else target,
        output=text,
        score=_score(row, scorer, request, stop),
        cluster=str(cluster) if cluster is not None else None,
        repeat=int(row["epoch"]) - 1,
        stop=STOPS.get(stop, stop),
        input_tokens=int(usage.get("input_tokens") or 0),
        output_tokens=int(usage.get("output_tokens") or 0),
        seconds=float(row.get("total_time") or 0.0),
    )


def _score(row: Row, scorer: str, request: ImportRequest, stop: str) -> Score:
    if row.get("error"):
        return Ungraded("infrastructure", str(row["error"].get("message", "an error"))[:200])
    scores = row.get("scores") or {}
    read = scores.get(scorer) if scorer else next(iter(scores.values()), None)
    if read is None:
        if stop == "max_tokens":
            return Ungraded("truncated", "the token limit came before a score")
        return Ungraded("infrastructure", f"no score by {scorer or 'any scorer'}")
    value, answer = read.get("value"), read.get("answer")
    if isinstance(value, dict):
        value = _one_of(value, scorer, request.metric)
    known = (read.get("metadata") or {}).get("ungraded")  # of a log that we exported
    if known in REASONS:
        return Ungraded(known, str(read.get("explanation") or ""))
    figure = _figure(value)
    if figure is None:
        return Ungraded("infrastructure", "the scorer gave no reading")
    reason = read.get("reason")
    said_nothing = value == NO_ANSWER or answer == "" or stop == "content_filter"
    if figure <= request.scale[0] and (said_nothing or reason in NO_GRADE):
        return _no_answer(stop, reason)
    parts = {
        str(name): other
        for name, each in scores.items()
        if name != scorer and (other := _figure(each.get("value"))) is not None and 0 <= other <= 1
    }
    return Graded(figure, "" if answer is None else str(answer), parts=parts)


def _no_answer(stop: str, reason: Json) -> Ungraded:
    if stop == "content_filter":
        return Ungraded("refused", "stopped by a content filter")
    if STOPS.get(stop) == "length":
        return Ungraded("truncated", "the token limit came before an answer")
    why = f"the scorer read no answer ({reason})" if reason else "the scorer read no answer"
    return Ungraded(NO_GRADE.get(str(reason), "unparsed"), why)


def _one_of(values: Row, scorer: str, metric: str) -> Json:
    key = metric.partition("/")[2]
    if key not in values:
        known = ", ".join(f"{scorer}/{name}" for name in values)
        raise InputError(
            f"scorer {scorer} gives {len(values)} values an item", f"one of {known}",
            "name one with --metric",
        )  # fmt: skip
    value: Json = values[key]
    return value


def _figure(value: Json) -> float | None:
    if isinstance(value, str):
        named = VALUES.get(value, VALUES.get(value.lower()))
        try:
            value = float(value) if named is None else named
        except ValueError:
            return None
    return None if isinstance(value, float) and math.isnan(value) else number(value)


def _completion(output: Row) -> str:
    if isinstance(output.get("completion"), str):
        return str(output["completion"])
    choices = output.get("choices") or ()
    return _content(choices[0]["message"]["content"]) if choices else ""


def _stop_reason(output: Row) -> str:
    choices = output.get("choices") or ()
    return str(choices[0].get("stop_reason", "unknown")) if choices else "unknown"


def _content(content: str | Sequence[Row]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part["text"]) for part in content if part.get("type") == "text")


def _conversation(messages: Sequence[Row]) -> str:
    return "\n\n".join(f"{m['role']}: {_content(m['content'])}" for m in messages)


def _last_of_user(messages: Sequence[Row]) -> str:
    of_user = [_content(m["content"]) for m in messages if m["role"] == "user"]
    return of_user[-1] if of_user else _conversation(messages)


def _attached(text: str, attachments: Row) -> str:
    """Put back a long text that Inspect stored beside its sample."""
    return str(attachments.get(text.removeprefix(_ATTACHMENT), text))


IMPORTER = Importer(
    name="inspect",
    reads="an Inspect log (.eval or .json), or a folder of them",
    read=_read,
)
