"""A user's own benchmark: a TOML of ten lines over a JSONL file, no code.

    name = "tickets"              # letters, digits, _ and -
    data = "test.jsonl"           # beside this file
    prompt = "Classify: {text}"   # fields of a row in braces; or: messages = "messages"
    target = "label"              # the field with the right answer
    scorer = "exact"              # exact, regex or json_object

With `messages`, a row's field holds chat turns; where they end in an assistant's and no `target`
is named, that turn is the right answer, so a fine-tuning file serves as it is.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.benchmark import Benchmark, LoadRequest, Settings
from weighbridge.evaluation.items import rows_once
from weighbridge.evaluation.scorers.exact import score_exact
from weighbridge.evaluation.scorers.json_object import score_json_object
from weighbridge.evaluation.scorers.regex import score_regex
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.models.requests import half_character
from weighbridge.records import Generation, Json, Message, Sample, Score, canonical_digest
from weighbridge.sources.digests import file_digest

Scorer = Callable[[Generation, Json], Score]


@dataclass(frozen=True)
class OwnBenchmark:
    """The keys of the file; all but `data` and one of `prompt` and `messages` may be left out."""

    data: str
    name: str = ""
    prompt: str = ""
    messages: str = ""
    system: str = ""
    target: str = ""
    scorer: str = "exact"
    pattern: str = ""
    id: str = ""
    cluster: str = ""
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    licence: str = "not stated"
    summary: str = ""


def read_own_benchmark(path: Path) -> Benchmark:
    """Read the TOML.

    Raises:
        InputError: The file is missing or contradicts itself; UnknownName for a key or scorer.
    """
    spec = _read_spec(path)
    data = path.parent / spec.data
    if not data.is_file():
        raise InputError(f"{path}: data = {spec.data!r}", f"a JSONL file at {data}")
    scorer = _scorer(spec, path)
    version = canonical_digest([file_digest(path), file_digest(data)]).removeprefix("sha256:")[:12]
    return Benchmark(
        name=spec.name or path.stem,
        version=version,
        title=spec.name or path.stem,
        summary=spec.summary or f"Own benchmark from {path.name}.",
        licence=spec.licence,
        source=path.name,
        protocols=("generative",),
        load=lambda request: _load(spec, request.data or data, request),
        prompt=lambda sample, settings: _prompt(sample, settings),
        grade=lambda sample, generation: scorer(generation, sample.target),
        gold=lambda sample: _as_text(sample.target),
        sampling=Sampling(max_tokens=spec.max_tokens, stop=spec.stop),
        unit_size=20,
    )


def _read_spec(path: Path) -> OwnBenchmark:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"no benchmark at {path}", "a TOML file", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}", "TOML") from error
    known = {field.name: field for field in fields(OwnBenchmark)}
    for key, value in values.items():
        if key not in known:
            raise UnknownName(f"key in {path}", key, known)
        wanted: type = list if key == "stop" else int if key == "max_tokens" else str
        if not isinstance(value, wanted):
            raise InputError(f"{path}: {key} = {value!r}", f"a {wanted.__name__}")
    if "data" not in values:
        raise InputError(f"{path} names no data", 'data = "FILE.jsonl"')
    if bool(values.get("prompt")) == bool(values.get("messages")):
        raise InputError(f"{path} has both or neither of prompt and messages", "exactly one")
    if values.get("prompt") and not values.get("target"):
        raise InputError(f"{path} names no target", 'target = "FIELD"')
    if "stop" in values:
        values["stop"] = tuple(values["stop"])
    return OwnBenchmark(**values)


def _scorer(spec: OwnBenchmark, path: Path) -> Scorer:
    if spec.scorer == "exact":
        return score_exact
    if spec.scorer == "json_object":
        return score_json_object
    if spec.scorer == "regex":
        try:
            pattern = re.compile(spec.pattern)
        except re.error as error:
            raise InputError(f"{path}: pattern = {spec.pattern!r} ({error})", "a regex") from error
        if not spec.pattern:
            raise InputError(
                f"{path} names no pattern", 'pattern = "…", whose group 1 is the answer'
            )
        return lambda generation, target: score_regex(generation, target, pattern)
    raise UnknownName(f"scorer in {path}", spec.scorer, ("exact", "regex", "json_object"))


def _load(spec: OwnBenchmark, data: Path, request: LoadRequest) -> Iterator[Sample]:
    count = 0
    limit = request.settings.limit
    for sample in rows_once(lambda: _rows(spec, data), data, spec.id or "id", limit):
        count += 1
        yield sample
    if not count:
        raise InputError(f"{data} holds no rows", "at least one")


def _rows(spec: OwnBenchmark, data: Path) -> Iterator[tuple[int, Sample]]:
    with data.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, _sample(spec, data, number, line)


def _sample(spec: OwnBenchmark, data: Path, number: int, line: str) -> Sample:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise MalformedRow(data, number, error.msg, "a JSON object", error.colno) from error
    if not isinstance(row, dict):
        raise MalformedRow(data, number, f"a {type(row).__name__}", "a JSON object")
    for field, value in row.items():
        if half := half_character(json.dumps(value, ensure_ascii=False)):
            raise MalformedRow(
                data, number, f"half a character, {half[0]}", "such escapes in pairs", field
            )
    turns = _turns(spec, data, number, row)
    if spec.target:
        if spec.target not in row:
            raise MalformedRow(data, number, "no such field", "the right answer", spec.target)
        target = row[spec.target]
    else:
        *turns, last = turns
        if last.role != "assistant":
            raise MalformedRow(
                data,
                number,
                f"last turn is the {last.role}'s",
                "an assistant's turn",
                spec.messages,
            )
        target = last.content
    if not turns:
        raise MalformedRow(data, number, "no turn before the answer", "a user's turn")
    if spec.scorer == "json_object" and isinstance(target, str):
        try:
            target = json.loads(target)
        except json.JSONDecodeError as error:
            raise MalformedRow(data, number, f"target {target!r}", "a JSON object") from error
    return Sample(
        id=str(row.get(spec.id or "id", f"{data.stem}-{number:06d}")),
        messages=tuple(turns),
        target=target,
        cluster=str(row[spec.cluster]) if spec.cluster and spec.cluster in row else None,
    )


def _turns(spec: OwnBenchmark, data: Path, number: int, row: dict[str, Json]) -> list[Message]:
    system = [Message("system", spec.system)] if spec.system else []
    if spec.prompt:
        try:
            return [*system, Message("user", spec.prompt.format_map(row))]
        except (KeyError, IndexError, ValueError) as error:
            raise MalformedRow(
                data, number, f"no field {error}", "what the prompt names"
            ) from error
    value = row.get(spec.messages)
    if not isinstance(value, list) or not value:
        raise MalformedRow(
            data, number, f"{type(value).__name__}", "a list of turns", spec.messages
        )
    turns = []
    for turn in value:
        role = turn.get("role") if isinstance(turn, dict) else None
        if role not in ("system", "user", "assistant") or not isinstance(turn.get("content"), str):
            raise MalformedRow(
                data, number, json.dumps(turn)[:80],
                'turns such as {"role": "user", "content": "…"}', spec.messages,
            )  # fmt: skip
        turns.append(Message(role, turn["content"]))
    return [*system, *turns]


def _prompt(sample: Sample, settings: Settings) -> Prompt:
    if settings.chat_template is False:
        return Prompt(text=sample.question)
    return Prompt(messages=sample.messages)


def _as_text(target: Json) -> str:
    return target if isinstance(target, str) else json.dumps(target, ensure_ascii=False)
