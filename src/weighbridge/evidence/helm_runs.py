"""HELM's own run folders: what was asked and answered, HELM's value of each answer, its means.

    find the folders -> read one run -> its answers with HELM's value of each -> `HarnessRun`

An answer's value is HELM's own value of one metric: `--metric`, else exact match for multiple
choice, else the first of `METRICS` that the run has, which is what HELM's leaderboards show for
such a task. The run's other metrics of that list become parts. `stats.json` states the mean that
the values should have. References carry the tag "correct", and `output_mapping` holds the letters,
so no separate file of right answers is needed. An answer to a multiple-choice question that is none
of the letters is `Ungraded("unparsed")`, as in every other import: HELM counts it as wrong, and so
does our mean.

Two kinds of answers are left out, and a note counts them: those to perturbed copies of questions
(HELM's robustness and fairness), and those of other splits than the one used (the test split where
there is one). Where `scenario_state.json` is missing, `instances.json` and
`display_predictions.json` are read, which hold no prompts. Older files, with texts in place of
objects and without `model_deployment`, are read too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError
from weighbridge.evidence.importing import (
    HarnessRun,
    HarnessRuns,
    ImportRequest,
    each_member,
    imported_sample,
    named_field,
    number,
)
from weighbridge.records import Graded, Json, Score, ScoredSample, Ungraded, canonical_digest
from weighbridge.sources.documents import read_json
from weighbridge.sources.tables import Row

METRICS = (
    "chain_of_thought_correctness", "ifeval_strict_accuracy", "omni_math_accuracy",
    "math_equiv_chain_of_thought", "math_equiv", "final_number_exact_match",
    "exact_match_indicator", "pass", "f1_score", "rouge_2", "bleu_4", "quasi_exact_match",
    "exact_match", "prefix_exact_match", "quasi_prefix_exact_match",
)  # fmt: skip
"""In order of preference, narrowest first: a run that has f1_score has exact_match, too, and HELM
shows f1_score."""
_OF_LETTERS = ("multiple_choice_joint", "multiple_choice_joint_chain_of_thought")
_LETTERS_METRIC = "exact_match"
_STATES, _PREDICTIONS, _INSTANCES = (
    "scenario_state.json", "display_predictions.json", "instances.json"
)  # fmt: skip
_STATS, _TOTALS, _SPEC = "per_instance_stats.json", "stats.json", "run_spec.json"
UNKNOWN = ("HELM's version", "tokens", "the models' weights")
_SETTINGS = (
    "method", "max_train_instances", "max_eval_instances", "num_train_trials", "num_outputs",
    "temperature", "max_tokens", "stop_sequences", "instructions",
)  # fmt: skip
_Key = tuple[str, int]


@dataclass(frozen=True)
class _Answer:
    """One request and its answer, in either of the forms that HELM has stored."""

    instance: Row
    trial: int
    text: str | None
    mapping: dict[str, str]
    prompt: str | None = None
    error: str = ""
    stop: str = "unknown"
    seconds: float = 0.0
    asked: float | None = None

    @property
    def key(self) -> _Key:
        """The key by which HELM's statistics refer to it."""
        return str(self.instance.get("id")), self.trial


def run_folders(path: Path) -> list[Path]:
    """Return the run folders at or below a path; none where it holds other files."""
    if path.is_file():
        path = path.parent if path.name in (_STATES, _PREDICTIONS, _STATS, _SPEC) else path
    found = {each.parent for name in (_STATES, _PREDICTIONS) for each in path.rglob(name)}
    return sorted(found)


def read_runs(folders: Sequence[Path], request: ImportRequest) -> HarnessRuns:
    """Read each folder as one run; one that can't be read is left out where there are others."""
    return each_member(folders, lambda folder: _run(folder, request), alone=len(folders) == 1)


def _run(folder: Path, request: ImportRequest) -> HarnessRun:
    spec, files = _spec(folder), [folder / _SPEC]
    answers, read = _answers(folder)
    split, kept, notes = _kept(answers)
    values = _values(folder, split)
    metric = _metric(folder, values, spec["method"], request.metric)
    totals = _totals(folder, split, metric)
    there = (folder / name for name in (*read, _STATS, _TOTALS))
    files = [path for path in (*files, *there) if path.is_file()]
    name = _benchmark(folder, spec)
    shown = request.shows(name)
    missing = [answer.key[0] for answer in kept if answer.key not in values]
    if missing and folder.joinpath(_STATS).is_file():
        raise InputError(
            f"{folder / _STATS} has no figure of {missing[0]}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
            "one for each answer", "copy the folder whole",
        )  # fmt: skip
    samples = tuple(
        _sample(answer, values.get(answer.key), metric, spec["method"], shown, request)
        for answer in kept
    )
    others = [each for each in METRICS if each != metric and each in totals]
    return HarnessRun(
        model=str(spec.get("model_deployment") or spec.get("model") or "unknown"),
        benchmark=name,
        benchmark_version=f"helm {metric}",
        protocol="generative" if "separate" not in spec["method"] else "loglikelihood",
        samples=samples,
        files=tuple(files),
        unknown=UNKNOWN if any(a.prompt for a in kept) else (*UNKNOWN, "prompts"),
        settings={key: spec[key] for key in _SETTINGS if spec.get(key) is not None}
        | {"metric": metric, "split": split},
        stated=totals,
        headline=metric if metric in totals else None,
        notes=(
            *notes,
            *(
                [f"The value is HELM's {metric}; also there: {', '.join(others)}."]
                if others
                else ()
            ),
        ),
        started=_started(kept),
        seconds=sum(answer.seconds for answer in kept),
    )


def _spec(folder: Path) -> Row:
    """Return the adapter's specification, with the run's name as `run`."""
    path = folder / _SPEC
    if path.is_file():
        read = _object(path)
        return {"method": "", **(read.get("adapter_spec") or {}), "run": str(read.get("name", ""))}
    read = _object(folder / _STATES)
    return {"method": "", **(read.get("adapter_spec") or {}), "run": folder.name}


def _json(path: Path) -> Json:
    what = f"HELM's {path.name}"
    read: Json = read_json(path, what, nan=True, halves="replace", within=path.parent)
    return read


def _object(path: Path) -> Row:
    read = _json(path)
    if not isinstance(read, dict):
        raise InputError(f"{path} holds a {type(read).__name__}", "the object that HELM writes")
    return read


def _listed(path: Path) -> list[Row]:
    read = _json(path)
    if not isinstance(read, list) or not all(isinstance(each, dict) for each in read):
        raise InputError(f"{path} holds no list of objects", "what HELM writes")
    return read


def _benchmark(folder: Path, spec: Row) -> str:
    """Return the scenario with its arguments, without the model.

    HELM's names are such as `mmlu:subject=anatomy,method=multiple_choice_joint,model=org_name`.
    """
    name = spec["run"] or folder.name
    scenario, _, arguments = name.partition(":")
    kept = [each for each in arguments.split(",") if each and not each.startswith("model=")]
    return ":".join([scenario, ",".join(kept)]) if kept else scenario


def _answers(folder: Path) -> tuple[list[_Answer], tuple[str, ...]]:
    if (folder / _STATES).is_file():
        states = _object(folder / _STATES).get("request_states")
        if not isinstance(states, list) or not states:
            raise InputError(f"{folder / _STATES} has no request_states", "HELM's answers")
        return list(_of_states(states)), (_STATES,)
    if not (folder / _INSTANCES).is_file():
        raise InputError(
            f"{folder} has {_PREDICTIONS} alone", f"{_STATES}, or {_INSTANCES} beside",
            "copy the folder whole",
        )  # fmt: skip
    instances = {_instance_key(each): each for each in _listed(folder / _INSTANCES)}
    found = [
        _Answer(
            instances[str(row["instance_id"]), _perturbation(row)],
            int(row.get("train_trial_index") or 0), row.get("predicted_text"), {},
        )
        for row in _listed(folder / _PREDICTIONS)
    ]  # fmt: skip
    return found, (_INSTANCES, _PREDICTIONS)


def _instance_key(instance: Row) -> tuple[str, str]:
    return str(instance.get("id")), _perturbation(instance)


def _perturbation(row: Row) -> str:
    """Return the name of a question's perturbation; "" for the unperturbed question."""
    found = row.get("perturbation")
    return canonical_digest(found) if found else ""


def _of_states(states: Sequence[Row]) -> Iterator[_Answer]:
    """Yield one answer per question. Where each reference has its own request, take the first."""
    seen = set[tuple[tuple[str, str], int]]()
    for state in states:
        request, result = state["request"], state.get("result") or {}
        trial = int(state.get("train_trial_index") or 0)
        key = (_instance_key(state["instance"]), trial)
        separate = state.get("reference_index") is not None
        if separate and (key in seen or state.get("request_mode") == "calibration"):
            continue
        seen.add(key)
        completions = result.get("completions") or []
        first = completions[0] if completions else {}
        error = "" if result.get("success", True) else str(result.get("error") or "no success")
        reason = (first.get("finish_reason") or {}).get("reason") or "unknown"
        yield _Answer(
            state["instance"],
            trial,
            None if separate or not completions else str(first.get("text", "")),
            {str(k): str(v) for k, v in (state.get("output_mapping") or {}).items()},
            request.get("prompt") or _conversation(request.get("messages")),
            error or ("" if completions else "no completion"),
            {"endoftext": "end", "stop": "end"}.get(reason, reason),
            float(result.get("request_time") or 0.0),
            number(result.get("request_datetime")),
        )


def _conversation(messages: Sequence[Row] | None) -> str | None:
    if not messages:
        return None
    return "\n\n".join(f"{each['role']}: {each['content']}" for each in messages)


def _kept(answers: Sequence[_Answer]) -> tuple[str, list[_Answer], list[str]]:
    """Return the split that is used, its answers, and notes on the answers left out."""
    whole = [answer for answer in answers if not _perturbation(answer.instance)]
    splits = {str(answer.instance.get("split")) for answer in whole}
    split = next((each for each in ("test", "valid") if each in splits), min(splits, default=""))
    kept = [answer for answer in whole if str(answer.instance.get("split")) == split]
    notes = []
    if len(whole) < len(answers):
        notes.append(f"{len(answers) - len(whole)} answers to perturbed questions are left out.")
    if len(kept) < len(whole):
        others = ", ".join(sorted(splits - {split}))
        notes.append(f"{len(whole) - len(kept)} answers of the split {others} are left out.")
    return split, kept, notes


def _values(folder: Path, split: str) -> dict[_Key, dict[str, float]]:
    """Return HELM's figures of each answer, by metric; empty where the folder has none."""
    path = folder / _STATS
    if not path.is_file():
        if (folder / _PREDICTIONS).is_file():
            return _predicted_values(folder / _PREDICTIONS)
        return {}
    found: dict[_Key, dict[str, float]] = {}
    for row in _listed(path):
        if _perturbation(row):
            continue
        key = (str(row["instance_id"]), int(row.get("train_trial_index") or 0))
        for name, value in _figures(row["stats"], split):
            found.setdefault(key, {})[name] = value
    return found


def _predicted_values(path: Path) -> dict[_Key, dict[str, float]]:
    return {
        (str(row["instance_id"]), int(row.get("train_trial_index") or 0)): {
            str(name): value for name, each in row["stats"].items()
            if (value := number(each)) is not None
        }
        for row in _listed(path) if not _perturbation(row)
    }  # fmt: skip


def _totals(folder: Path, split: str, metric: str) -> dict[str, float]:
    path = folder / _TOTALS
    if not path.is_file():
        return {}
    whole = [stat for stat in _listed(path) if not stat["name"].get("sub_split")]
    kept = {metric, *METRICS}
    return {name: value for name, value in _figures(whole, split) if name in kept}


def _figures(stats: Sequence[Row], split: str) -> Iterator[tuple[str, float]]:
    """Yield the means of a split's unperturbed questions."""
    for stat in stats:
        name = stat["name"]
        value = number(stat.get("mean"))
        if value is None and stat.get("count"):
            value = float(stat["sum"]) / float(stat["count"])
        counts = not name.get("perturbation") and name.get("split") in (split, None)
        if counts and value is not None:
            yield str(name["name"]), value


def _metric(folder: Path, values: dict[_Key, dict[str, float]], method: str, wanted: str) -> str:
    known = list(dict.fromkeys(name for each in values.values() for name in each))
    if not known and method in _OF_LETTERS:
        known = [_LETTERS_METRIC]
    if wanted:
        if wanted not in known:
            raise InputError(f"metric {wanted}", f"one of {', '.join(known)}")
        return wanted
    preferred = (_LETTERS_METRIC, *METRICS) if "multiple_choice" in method else METRICS
    found = next((name for name in preferred if name in known), None)
    if found is None:
        raise InputError(
            f"{folder} has no value a question" if not known else "none of the usual metrics",
            f"{_STATS} as HELM writes it" if not known else f"one of {', '.join(known[:12])}",
            "name it with --metric" if known else "copy the folder whole",
        )
    return found


def _sample(
    answer: _Answer, values: Any, metric: str, method: str, shown: bool, request: ImportRequest
) -> ScoredSample:
    instance = answer.instance
    question = _text(instance["input"])
    references = instance.get("references") or []
    choices = [_text(each["output"]) for each in references]
    right = [_text(each["output"]) for each in references if "correct" in (each.get("tags") or ())]
    letters = {text: letter for letter, text in answer.mapping.items()}
    target = [letters.get(text, text) for text in right]
    cluster = (
        named_field(instance, request.cluster, f"{answer.key[0]}") if request.cluster else None
    )
    return imported_sample(
        shown=shown,
        sample_id=answer.key[0],
        item=["helm", answer.key[0], canonical_digest([question, choices, right])],
        prompt=answer.prompt,
        question="\n".join([question, *(f"{k}. {v}" for k, v in answer.mapping.items())]),
        target=target[0] if len(target) == 1 else target,
        output=answer.text or "",
        score=_score(answer, values, metric, right),
        cluster=cluster,
        repeat=answer.trial,
        stop="scored" if "separate" in method else answer.stop,
        seconds=answer.seconds,
    )


def _score(answer: _Answer, values: Any, metric: str, right: Sequence[str]) -> Score:
    if answer.error:
        return Ungraded("infrastructure", answer.error[:200])
    text = (answer.text or "").strip()
    if values is None:  # no figures: the answer is graded by the choice that its letter stands for
        values = {metric: float(answer.mapping.get(text) in right)}
    if metric not in values:
        return Ungraded("infrastructure", f"no {metric}")
    value = values[metric]
    if value == 0 and answer.text is not None:
        if not text:
            return Ungraded("unparsed", "an empty answer")
        if answer.mapping and text not in answer.mapping:
            first, last = min(answer.mapping), max(answer.mapping)
            return Ungraded("unparsed", f"no letter from {first} to {last}")
    parts = {
        name: each for name, each in values.items()
        if name != metric and name in METRICS and 0 <= each <= 1
    }  # fmt: skip
    return Graded(value, text if len(text) <= 200 else "", parts=parts)


def _text(value: Json) -> str:
    """Return a HELM text, which is an object with a field `text`, or before 2023 a plain string."""
    return str(value.get("text", "")) if isinstance(value, dict) else str(value)


def _started(answers: Sequence[_Answer]) -> str:
    asked = [answer.asked for answer in answers if answer.asked is not None]
    return datetime.fromtimestamp(min(asked), UTC).isoformat(timespec="seconds") if asked else ""
