"""lm-evaluation-harness's results with `--log_samples`: one results file, one samples file a task.

A group of tasks whose samples are all there (mmlu) becomes one run with the tasks as clusters; any
other task becomes its own run. The value is the task's first metric in its first filter, unless
`--metric NAME` or `--metric NAME,FILTER` (the harness's own key) says otherwise; other metrics of
the same filter that lie in [0, 1] are parts.

An answer from which the harness's filter read nothing (`[invalid]`), and an empty one, is
`Ungraded("unparsed")`. The harness does not record why an answer ended, so an answer that ran into
the token limit can't be told from a wrong one.

Files of lm-eval 0.4.0 and later are read; `lm_eval_samples` describes how rows of versions before
0.4.7 are read, which name neither filter nor metrics. A message names what can't become a run:
tasks without a samples file, and perplexities, which are one figure over a whole text. Files of
0.3 (`--write_out`) are recognised and refused.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evidence.importing import (
    UNREADABLE,
    HarnessRun,
    HarnessRuns,
    Importer,
    ImportRequest,
    imported_sample,
    named_field,
    number,
    why_unread,
)
from weighbridge.evidence.lm_eval_samples import (
    BEFORE_FILTERS,
    check_split,
    sample_rows,
    version_of_rows,
)
from weighbridge.records import Graded, Json, Score, ScoredSample, Ungraded
from weighbridge.sources.digests import text_digest
from weighbridge.sources.documents import read_json
from weighbridge.sources.tables import Row, table_ending

PROTOCOLS = {
    "multiple_choice": "loglikelihood",
    "loglikelihood": "loglikelihood",
    "generate_until": "generative",
}
PERPLEXITY = "loglikelihood_rolling"
INVALID = "[invalid]"
_OLD = "Rows name no filter: they were given to filters by their order, and the stated means agree."
_OF_HELM = ("scenario_state.json", "per_instance_stats.json", "run_spec.json")
_OF_0_3 = "_write_out_info.json"
_WANTED = "the folder that lm-eval 0.4 was given as --output_path, with --log_samples"
_LESS_IS_BETTER = (
    "perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "brier_score", "wer",
    "ter",
)  # fmt: skip
UNKNOWN = ("why an answer ended", "tokens", "the weights' digest")
_QUESTION_FIELDS = ("question", "query", "problem", "prompt", "input", "text", "sentence", "ctx")
_SETTINGS = (
    "limit", "batch_size", "gen_kwargs", "random_seed", "numpy_seed", "torch_seed", "fewshot_seed",
)  # fmt: skip


@dataclass(frozen=True)
class _Task:
    """One task of one evaluation: its samples file, and what the results file states about it."""

    name: str
    path: Path
    results: Row
    metric: str
    filter: str
    old: bool = False

    @property
    def rows(self) -> Iterator[tuple[int, Row]]:
        """The task's samples, each with its line number."""
        return sample_rows(self.path, self.config, _mapping(self.results, "results", self.name))

    @property
    def config(self) -> Row:
        """The task's own configuration."""
        return _mapping(self.results, "configs", self.name)

    @property
    def kind(self) -> str:
        """What the harness asked for, such as `multiple_choice`."""
        return str(self.config.get("output_type", ""))

    @property
    def shots(self) -> Json:
        """Worked examples before a question."""
        own = self.config.get("num_fewshot")
        shots: Json = self.results.get("n-shot", {}).get(self.name, own)
        return shots


def _read(request: ImportRequest) -> HarnessRuns:
    found = list[HarnessRuns]()
    for path in _results_files(request.path):
        try:
            found.append(_read_one(path, request))
        except UNREADABLE as error:
            if not request.path.is_dir():
                raise
            found.append(HarnessRuns((), (f"{path.name}: {why_unread(error)}",)))
    return HarnessRuns(
        tuple(run for each in found for run in each.runs),
        tuple(line for each in found for line in each.left_out),
    )


def _read_one(path: Path, request: ImportRequest) -> HarnessRuns:
    """Read one results file with its samples; in a folder, damaged tasks are left out."""
    whole = request.path.is_dir()
    results = _json(path)
    found = _samples_files(request.path, path, results)
    tasks, runs, left_out = dict[str, _Task](), list[HarnessRun](), list[str]()
    for name, samples in found.items():
        try:
            tasks[name] = _task(name, samples, results, request)
        except UNREADABLE as error:
            unsupported = isinstance(error, InputError) and not isinstance(error, MalformedRow)
            if not whole and not unsupported:
                raise  # the file that a person named is damaged
            left_out.append(f"{name}: {why_unread(error)}")
    waiting = list(_grouped(tasks, results).items())
    while waiting:
        name, members = waiting.pop(0)
        try:
            runs.append(_run(name, members, path, results, request))
        except UNREADABLE as error:
            if not whole:
                raise
            left_out.append(f"{name}: {why_unread(error)}")
            if len(members) > 1:  # the group's other tasks may be readable
                waiting[:0] = [(member.name, [member]) for member in members]
    if whole:
        left_out += _without_samples(found, results)
    return HarnessRuns(tuple(runs), tuple(left_out))


def _results_files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted({*path.rglob("results_*.json"), *path.rglob("results.json")})
    elif table_ending(path) == ".jsonl":
        date = path.name.removesuffix(".gz").removesuffix(".jsonl").rsplit("_", 1)[-1]
        beside = (path.with_name(f"results_{date}.json"), path.with_name("results.json"))
        found = [each for each in beside if each.is_file()]
    elif path.name.endswith(_OF_0_3):
        found = []
    else:
        found = [path]
    if not found:
        raise _no_results(path)
    return found


def _no_results(path: Path) -> InputError:
    """Say what is there in place of a results file."""
    folder = path if path.is_dir() else path.parent
    if old := sorted(folder.rglob(f"*{_OF_0_3}")):
        return InputError(
            f"{old[0]} is of lm-eval 0.3", _WANTED, "evaluate again with 0.4 or newer"
        )
    if of_helm := next((f for name in _OF_HELM for f in folder.rglob(name)), None):
        return _of_helm(of_helm, folder)
    samples = [path] if path.is_file() else sorted(folder.rglob("samples_*.jsonl*"))
    if samples:
        version = version_of_rows(samples[0])
        if version is None:
            saw = f"{samples[0]}: its first row has no doc_id, as lm-eval's samples have"
            return InputError(saw, _WANTED, "name the folder that lm-eval wrote")
        return InputError(
            f"{samples[0]} is of lm-eval {version}, with no results file beside",
            "results_DATE.json, which names the model, the metrics and the tasks' settings",
            "put it there; lm-eval writes it when a run ends",
        )
    return InputError(f"no results_*.json in {path}", _WANTED)


def _of_helm(file: Path, folder: Path) -> InputError:
    return InputError(f"{file} is of a run of HELM's", _WANTED, f"weighbridge import helm {folder}")


def _samples_files(asked: Path, results: Path, read: Row) -> dict[str, Path]:
    """Return the samples files of a results file, by task: those beside it with the same date.

    Up to 0.4.2 their names have the model's arguments in place of the date, and the task last.
    """
    tasks = sorted(_mapping(read, "configs"), key=len, reverse=True)
    date = results.stem.removeprefix("results_")
    found = dict[str, Path]()
    for path in sorted(results.parent.glob("*.jsonl*")):
        stem = path.name.removesuffix(".gz").removesuffix(".jsonl")
        if asked.is_file() and asked != results and path != asked:
            continue
        if stem.startswith("samples_") and stem.endswith(f"_{date}"):
            found[stem.removeprefix("samples_").removesuffix(f"_{date}")] = path
        elif results.name == "results.json":
            name = next((task for task in tasks if stem.endswith(f"_{task}")), None)
            found |= {name: path} if name else {}
    if not found:
        raise InputError(f"no samples_*_{date}.jsonl beside {results}", "--log_samples")
    return found


def _without_samples(found: Mapping[str, Path], results: Row) -> list[str]:
    """Name the tasks that have figures but no samples file."""
    return [
        f"{name}: no samples file of it, only {_figures(results, name)}; --log_samples writes one"
        for name in _mapping(results, "configs")
        if name not in found
    ]


def _figures(results: Row, task: str) -> str:
    """Return the figures that a results file states for a task, as text."""
    figures = _mapping(results, "results", task)
    named = [
        f"{key.removesuffix(',none')} {value:.6g}"
        for key, value in figures.items()
        if number(value) is not None and "," in key and "_stderr," not in key
    ]
    return ", ".join(named[:4]) or "no figure"


def _json(path: Path) -> Row:
    what = "lm-eval's results file"
    read = read_json(path, what, nan=True, halves="replace", within=path.parent)
    if path.name in _OF_HELM:
        raise _of_helm(path, path.parent)
    if not isinstance(read, dict) or not isinstance(read.get("results"), dict):
        empty = " (it is empty)" if not read else ""
        raise InputError(f"{path} holds no results{empty}", _WANTED)
    if not isinstance(read.get("configs"), dict):
        saw = f"{path} holds no task's configuration: it is of lm-eval 0.3"
        raise InputError(saw, _WANTED, "evaluate again with 0.4 or newer")
    return read


def _task(name: str, samples: Path, results: Row, request: ImportRequest) -> _Task:
    """Decide which metric and filter of a task count.

    Raises:
        InputError: The task has none that is a value per item.
    """
    config, figures = _mapping(results, "configs", name), _mapping(results, "results", name)
    kind = str(config.get("output_type", ""))
    if kind == PERPLEXITY:
        raise InputError(
            f"{_figures(results, name)}: one figure over all of its text, of which less is better",
            "a task with a score for each item",
        )
    if kind not in PROTOCOLS:
        raise InputError(f"output type {kind or 'not stated'}", f"one of {', '.join(PROTOCOLS)}")
    metric, _, wanted = request.metric.partition(",")
    old = check_split(samples, config, figures)
    filters, metrics = dict[str, None](), dict[str, bool]()
    for _, row in sample_rows(samples, config, figures):
        filters[str(row["filter"])] = None
        for each in row["metrics"]:
            metrics[str(each)] = metrics.get(str(each), False) or number(row.get(each)) is not None
    known = [each for each, is_number in metrics.items() if is_number]
    if not known or (metric and metric not in known):
        raise InputError(
            f"metric {metric}" if metric else "no metric that is one number an item",
            f"one of {', '.join(known)}" if known else "",
        )
    if wanted and wanted not in filters:
        raise InputError(f"filter {wanted}", f"one of {', '.join(filters)}")
    better = [each for each in known if not _higher_is_worse(results, name, each)]
    metric = metric or (better or known)[0]
    if metric not in better:
        raise InputError(f"metric {metric}, of which less is better", "one of which more is better")
    return _Task(name, samples, results, metric, wanted or next(iter(filters)), old)


def _higher_is_worse(results: Row, task: str, metric: str) -> bool:
    told = _mapping(results, "higher_is_better", task).get(metric)
    if told is None:
        listed = _mapping(results, "configs", task).get("metric_list") or []
        told = next(
            (m.get("higher_is_better") for m in listed
             if isinstance(m, dict) and m.get("metric") == metric), None,
        )  # fmt: skip
    return metric in _LESS_IS_BETTER if told is None else told is False


def _grouped(tasks: Mapping[str, _Task], results: Row) -> dict[str, list[_Task]]:
    """Gather whole groups of tasks under the group's name; other tasks stand alone."""
    members = {
        str(name): [str(m) for m in listed]
        for name, listed in results.get("group_subtasks", {}).items()
        if listed
    }
    inner = {name for listed in members.values() for name in listed}
    runs, taken = dict[str, list[_Task]](), set[str]()
    for group in members:
        leaves = list(_leaves(group, members))
        if group not in inner and leaves and all(leaf in tasks for leaf in leaves):
            runs[group] = [tasks[leaf] for leaf in leaves]
            taken.update(leaves)
    return runs | {name: [task] for name, task in tasks.items() if name not in taken}


def _leaves(name: str, members: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if name not in members:
        yield name
    for member in members.get(name, ()):
        yield from _leaves(member, members)


def _run(
    name: str, tasks: Sequence[_Task], path: Path, results: Row, request: ImportRequest
) -> HarnessRun:
    samples = _with_shared_parts(
        [s for task in tasks for s in _samples(task, len(tasks) > 1, name, request)]
    )
    config = _mapping(results, "config")
    first = tasks[0]
    key = f"{first.metric},{first.filter}"
    figures = _mapping(results, "results", name)
    stated = {k: float(v) for k, v in figures.items() if number(v) is not None}
    version = results.get("versions", {}).get(name, "unknown")
    unknown: tuple[str, ...] = UNKNOWN
    old = any(task.old for task in tasks)
    if not any(sample.cluster for sample in samples):
        unknown = (*unknown, "which items share a source (name the field with --cluster)")
    return HarnessRun(
        model=_model(results, config),
        benchmark=name,
        benchmark_version=f"lm-eval:{version} {key}",
        protocol=PROTOCOLS[first.kind],
        samples=tuple(samples),
        files=(path, *(task.path for task in tasks)),
        unknown=unknown,
        version=_text(results.get("lm_eval_version")) or (BEFORE_FILTERS if old else None),
        settings=_settings(first, results, config, key),
        stated=stated,
        headline=key,
        revision=_text(config.get("model_sha") or config.get("model_revision")),
        dtype=str(config.get("model_dtype", "unknown")).removeprefix("torch."),
        packages=_packages(results),
        device=str(config.get("device") or "unknown"),
        notes=(_OLD,) if old else (),
        started=_started(results.get("date")),
        seconds=float(results.get("total_evaluation_time_seconds") or 0.0),
    )


def _model(results: Row, config: Row) -> str:
    """Return the model's name; up to 0.4.2 it is only among the model's arguments."""
    arguments = config.get("model_args") or ""
    if isinstance(arguments, str):
        arguments = dict(each.partition("=")[::2] for each in arguments.split(","))
    named = arguments.get("pretrained") or arguments.get("model")
    return str(results.get("model_name") or named or config.get("model") or "unknown")


def _with_shared_parts(samples: Sequence[ScoredSample]) -> list[ScoredSample]:
    """Keep the parts that every task of a group has: the mean of a part is over all its samples."""
    graded = [s.score for s in samples if isinstance(s.score, Graded)]
    shared = set.intersection(*(set(score.parts) for score in graded)) if graded else set[str]()
    return [
        replace(s, score=replace(s.score, parts={k: s.score.parts[k] for k in sorted(shared)}))
        if isinstance(s.score, Graded)
        else s
        for s in samples
    ]


def _settings(task: _Task, results: Row, config: Row, key: str) -> dict[str, Json]:
    told = {name: config[name] for name in _SETTINGS if config.get(name) is not None}
    for name in ("chat_template_sha", "system_instruction_sha", "fewshot_as_multiturn"):
        if results.get(name):
            told[name] = results[name]
    return {"shots": task.shots, "metric": key} | told


def _packages(results: Row) -> dict[str, str]:
    named = {"lm_eval": "lm_eval_version", "transformers": "transformers_version"}
    return {name: str(results[key]) for name, key in named.items() if results.get(key)}


def _started(date: Json) -> str:
    seconds = number(date)
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _samples(
    task: _Task, grouped: bool, benchmark: str, request: ImportRequest
) -> Iterator[ScoredSample]:
    shown = request.shows(benchmark) and request.shows(task.name)
    for line, row in task.rows:
        if str(row["filter"]) == task.filter:
            try:
                yield _sample(task, row, grouped, shown, request)
            except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                raise MalformedRow(
                    task.path, line, f"{type(error).__name__}: {error}"[:80],
                    "a sample as lm-eval 0.4 writes it",
                ) from error  # fmt: skip


def _sample(
    task: _Task, row: Row, grouped: bool, shown: bool, request: ImportRequest
) -> ScoredSample:
    doc = row["doc"] if isinstance(row["doc"], dict) else {"text": str(row["doc"])}
    arguments = _arguments(row["arguments"])
    prompt = str(arguments[0][0])
    answer = _answer(task.kind, row, arguments)
    cluster = task.name if grouped else None
    if request.cluster:
        cluster = named_field(doc, request.cluster, f"{task.name}, item {row['doc_id']}")
    item = {
        "task": task.name,
        "doc": row.get("doc_hash") or text_digest(json.dumps(doc, sort_keys=True)),
        "target": row.get("target_hash") or text_digest(str(row["target"])),
        "shots": task.shots,
    }
    return imported_sample(
        shown=shown,
        sample_id=f"{task.name}/{int(row['doc_id']):05d}",
        item=item,
        prompt=prompt,
        question=_question(doc, prompt, answer.choices),
        target=answer.target,
        output=answer.output,
        score=_score(task, row, answer, request.scale[0]),
        cluster=cluster,
        logprobs=answer.logprobs,
        stop="scored" if PROTOCOLS[task.kind] == "loglikelihood" else "unknown",
    )


@dataclass(frozen=True)
class _Answer:
    """The model's output (its text or likeliest choice), and the answer read from it."""

    output: str
    read: str
    target: str
    choices: tuple[str, ...] = ()
    logprobs: tuple[float, ...] = ()


def _answer(kind: str, row: Row, arguments: Sequence[Sequence[Json]]) -> _Answer:
    """Read a row's answer by the kind of its task."""
    filtered, target = row["filtered_resps"], str(row["target"])
    if PROTOCOLS[kind] == "generative":
        written = row["resps"][0]
        output = written[0] if isinstance(written, list) else written
        return _Answer(str(output), _first(filtered), target)
    logprobs = tuple(float(response[0]) for response in filtered)
    if kind == "loglikelihood":
        said = f"log-likelihood {logprobs[0]:.4f}"
        return _Answer(said, str(filtered[0][1]), target, (), logprobs)
    choices = tuple(str(pair[1]).strip() for pair in arguments)[: len(logprobs)]
    best = choices[max(range(len(logprobs)), key=lambda i: logprobs[i])]
    if target.isdigit() and int(target) < len(choices):
        target = choices[int(target)]
    return _Answer(best, best, target, choices, logprobs)


def _first(filtered: Json) -> str:
    while isinstance(filtered, list):
        filtered = filtered[0] if filtered else ""
    return str(filtered)


def _score(task: _Task, row: Row, answer: _Answer, floor: float) -> Score:
    value = number(row[task.metric])
    if value is None:
        return Ungraded("infrastructure", f"{task.metric} is no number")
    if value <= floor and PROTOCOLS[task.kind] == "generative":
        if not answer.output.strip():
            return Ungraded("unparsed", "an empty answer")
        if answer.read == INVALID:
            return Ungraded("unparsed", f"the filter {task.filter} found nothing")
    parts = {
        str(name): other
        for name in row["metrics"]
        if name != task.metric
        and (other := number(row.get(name))) is not None
        and 0 <= other <= 1
        and not _higher_is_worse(task.results, task.name, str(name))
    }
    return Graded(value, answer.read, parts=parts)


def _arguments(
    read: Mapping[str, Mapping[str, Json]] | Sequence[Sequence[Json]],
) -> list[list[Json]]:
    """Return an item's requests: since 0.4.3 objects named `gen_args_0`, before that lists."""
    if isinstance(read, dict):
        return [list(request.values()) for request in read.values()]
    return [list(request) for request in read]


def _question(doc: Row, prompt: str, choices: Iterable[str]) -> str:
    """Return the question as shown to people: without few-shot examples, where that is a field."""
    named = (doc[name] for name in _QUESTION_FIELDS if isinstance(doc.get(name), str))
    question = next(named, None)
    if question is None:
        return prompt
    offered = doc.get("choices")
    if isinstance(offered, dict):
        offered = offered.get("text")
    listed = [str(each) for each in offered] if isinstance(offered, list) else list(choices)
    return "\n".join([question, *(f"- {each}" for each in listed)])


def _mapping(results: Row, *keys: str) -> Row:
    found: Json = results
    for key in keys:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _text(value: Json) -> str | None:
    return str(value) if value else None


IMPORTER = Importer(
    name="lm-eval",
    reads="lm-eval's --output_path, written with --log_samples",
    read=_read,
)
