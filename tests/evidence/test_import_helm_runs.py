"""Run folders as HELM writes them: its own value of each answer, and its means beside ours."""

import json

import pytest

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.evidence import RunStore, verify
from weighbridge.evidence.importing import ImportRequest, import_runs
from weighbridge.records import Graded, Ungraded

WHEN = "2026-01-01T00:00:00+00:00"
LETTERS = [("pear", "A", 1.0), ("saw", "The", 0.0), ("crow", "I", 0.0), ("Oslo", "C", 1.0)]
"""Of each question the right word, the answer and HELM's exact_match: "The" and "I" name none."""
PLACE = {"pear": 0, "saw": 1, "crow": 0, "Oslo": 2}
METHOD = "multiple_choice_joint"


def stat(name, value, split="test", **more):
    return {"name": {"name": name, "split": split, **more}, "count": 1, "sum": value, "mean": value}


def letter_state(number, word, said, *, split="test", trial=0, **changes):
    words = ["milk", "rain", "door"]
    words[PLACE[word]] = word
    instance = {
        "input": {"text": f"Which is {word}?"}, "split": split, "id": f"id{number}",
        "references": [
            {"output": {"text": each}, "tags": ["correct"] if each == word else []}
            for each in words
        ],
    }  # fmt: skip
    return {
        "instance": instance, "train_trial_index": trial,
        "output_mapping": dict(zip("ABC", words, strict=True)),
        "request": {"model": "org/model", "prompt": f"Q: {word}", "max_tokens": 1},
        "result": {
            "success": True, "completions": [{"text": said, "logprob": 0, "tokens": []}],
            "request_time": 0.5, "request_datetime": 1719561173,
        },
    } | changes  # fmt: skip


def run_folder(folder, states, values, totals, *, method=METHOD, name="toy:model=org_model"):
    """Write what HELM writes; `values` are (id, trial, {metric: value}, more of the row)."""
    folder.mkdir(parents=True)
    adapter = {
        "method": method, "max_train_instances": 5, "temperature": 0.0, "max_tokens": 1,
        "model_deployment": "org/model", "model": "org/model", "stop_sequences": ["\n"],
    }  # fmt: skip
    rows = [
        {"instance_id": name, "train_trial_index": trial,
         "stats": [stat(metric, value, **more.get("in_name", {}))
                   for metric, value in each.items()],
         **{k: v for k, v in more.items() if k != "in_name"}}
        for name, trial, each, more in values
    ]  # fmt: skip
    for file, content in {
        "run_spec.json": {"name": name, "adapter_spec": adapter, "metric_specs": []},
        "scenario_state.json": {"adapter_spec": adapter, "request_states": states},
        "per_instance_stats.json": rows,
        "stats.json": totals,
    }.items():
        (folder / file).write_text(json.dumps(content))
    return folder


def letters(folder, **more):
    states = [letter_state(n, word, said) for n, (word, said, _) in enumerate(LETTERS)]
    values = [(f"id{n}", 0, {"exact_match": v}, {}) for n, (_, _, v) in enumerate(LETTERS)]
    return run_folder(folder, states, values, [stat("exact_match", 0.5)], **more)


def take(path, tmp_path, **more):
    store = RunStore(tmp_path / "runs")
    runs, left_out = import_runs("helm", ImportRequest(path, **more), store, WHEN)
    return [store.read(run.run_id) for run in runs], left_out


def test_letters_need_no_gold_and_no_letter_is_unparsed(tmp_path):
    folder = letters(tmp_path / "benchmark_output" / "runs" / "v1" / "toy:model=org_model")
    for path in (tmp_path / "benchmark_output", folder, folder / "scenario_state.json"):
        (run,), left_out = take(path, tmp_path)
        assert left_out == () and (run.benchmark, run.model.name) == ("toy", "org/model")
        assert run.estimate.mean == 0.5 and run.estimate.mean_graded == 1.0
        none = Ungraded("unparsed", "no letter from A to C")
        scores = [s.score for s in run.samples]
        assert scores == [Graded(1.0, "A"), none, none, Graded(1.0, "C")]
        assert [s.target for s in run.samples] == ["A", "B", "A", "C"]
        assert run.provenance.origin.stated_mean == 0.5
        assert run.settings["max_train_instances"] == 5
    store = RunStore(tmp_path / "runs")
    assert verify(store.folder_of(run.run_id)).ok and len(store.summaries()) == 1


def test_without_helms_values_letters_are_compared_here(tmp_path):
    folder = letters(tmp_path / "run")
    (folder / "per_instance_stats.json").unlink()
    (run,), _ = take(folder, tmp_path)
    assert run.estimate.mean == 0.5 and run.provenance.origin.stated_mean == 0.5


def test_predictions_alone_say_the_same(tmp_path):
    """What HELM's web pages are made of: instances and predictions, no requests."""
    folder = letters(tmp_path / "run")
    states = json.loads((folder / "scenario_state.json").read_text())["request_states"]
    (folder / "instances.json").write_text(json.dumps([state["instance"] for state in states]))
    (folder / "display_predictions.json").write_text(
        json.dumps(
            [
                {"instance_id": f"id{n}", "train_trial_index": 0, "predicted_text": said,
                 "stats": {"exact_match": value}}
                for n, (_, said, value) in enumerate(LETTERS)
            ]
        )
    )  # fmt: skip
    (folder / "scenario_state.json").unlink()
    for drop in ("stats.json", "per_instance_stats.json"):
        (run,), _ = take(folder, tmp_path)
        assert run.estimate.mean == 0.5 and [s.output for s in run.samples] == [
            "A",
            "The",
            "I",
            "C",
        ]
        assert "prompts" in run.provenance.origin.unknown
        (folder / drop).unlink()
    (folder / "instances.json").unlink()
    with pytest.raises(InputError, match=r"scenario_state\.json, or instances\.json beside"):
        take(folder, tmp_path)


def test_texts_of_older_versions_are_read(tmp_path):
    folder = letters(tmp_path / "run")
    read = json.loads((folder / "scenario_state.json").read_text())
    for state in read["request_states"]:
        instance = state["instance"]
        instance["input"] = instance["input"]["text"]
        instance["perturbation"] = None
        for reference in instance["references"]:
            reference["output"] = reference["output"]["text"]
    (folder / "scenario_state.json").write_text(json.dumps(read))
    spec = json.loads((folder / "run_spec.json").read_text())
    del spec["adapter_spec"]["model_deployment"]
    (folder / "run_spec.json").write_text(json.dumps(spec))
    rows = json.loads((folder / "per_instance_stats.json").read_text())
    for row in rows:
        for each in row["stats"]:
            each["name"] |= {"k": None, "sub_split": None, "perturbation": None}
            del each["mean"]
    (folder / "per_instance_stats.json").write_text(json.dumps(rows))
    (run,), _ = take(folder, tmp_path)
    assert run.estimate.mean == 0.5 and run.model.name == "org/model"
    assert run.samples[0].question.startswith("Which is pear?")


def test_perturbed_questions_and_the_other_split_are_left_out_and_said(tmp_path):
    fairness = {"name": "fairness", "prob": 1.0}
    states = [letter_state(n, word, said) for n, (word, said, _) in enumerate(LETTERS)]
    values = [(f"id{n}", 0, {"exact_match": v}, {}) for n, (_, _, v) in enumerate(LETTERS)]
    for n, (word, _, _) in enumerate(LETTERS):
        changed = letter_state(n, word, "B")
        changed["instance"]["perturbation"] = fairness
        states.append(changed)
        values.append(
            (f"id{n}", 0, {"exact_match": 0.0},
             {"perturbation": fairness, "in_name": {"perturbation": fairness}})
        )  # fmt: skip
    states.append(letter_state(9, "pear", "A", split="valid"))
    values.append(("id9", 0, {"exact_match": 1.0}, {"in_name": {"split": "valid"}}))
    totals = [
        stat("exact_match", 0.0, perturbation=fairness), stat("exact_match", 1.0, "valid"),
        stat("exact_match", 0.25, sub_split="easy"), stat("exact_match", 0.5),
    ]  # fmt: skip
    (run,), _ = take(run_folder(tmp_path / "run", states, values, totals), tmp_path)
    assert run.estimate.mean == 0.5 and run.estimate.n == 4
    assert run.provenance.origin.stated_mean == 0.5
    assert "4 answers to perturbed questions are left out." in run.provenance.notes
    assert "1 answers of the split valid are left out." in run.provenance.notes


def written_state(number, said, trial=0):
    return letter_state(number, "pear", said, trial=trial) | {"output_mapping": None}


def test_written_answers_have_helms_main_metric_and_the_others_as_parts(tmp_path):
    states = [written_state(n, said, t) for t in (0, 1) for n, said in enumerate(["Ostrava", ""])]
    values = [
        (f"id{n}", t, {"exact_match": 0.0, "f1_score": f1, "num_output_tokens": 7.0},
         {"in_name": {"sub_split": "x"}})
        for t in (0, 1) for n, f1 in enumerate([0.5 + t / 4, 0.0])
    ]  # fmt: skip
    totals = [stat("exact_match", 0.0), stat("f1_score", 0.3125), stat("num_output_tokens", 7.0)]
    folder = run_folder(tmp_path / "run", states, values, totals, method="generation")
    (run,), _ = take(folder, tmp_path)
    assert run.benchmark_version == "helm f1_score" and run.estimate.mean == 0.3125
    assert run.estimate.ungraded["unparsed"] == 2 and run.estimate.parts == {"exact_match": 0.0}
    assert run.provenance.origin.stated_mean == 0.3125
    assert {(s.sample_id, s.repeat) for s in run.samples} == {
        (f"id{n}", t) for n in (0, 1) for t in (0, 1)
    }
    (run,), _ = take(folder, tmp_path, metric="exact_match")
    assert run.estimate.mean == 0.0 and run.provenance.origin.stated_mean == 0.0
    with pytest.raises(InputError, match="metric bleu; expected one of exact_match, f1_score"):
        take(folder, tmp_path, metric="bleu")


def test_one_request_a_reference_is_one_answer(tmp_path):
    states = [
        letter_state(n, word, "", **{"reference_index": r, "request_mode": mode})
        for n, (word, _, _) in enumerate(LETTERS)
        for r in range(3)
        for mode in ("original", "calibration")
    ]
    values = [(f"id{n}", 0, {"exact_match": float(n % 2)}, {}) for n in range(4)]
    method = "multiple_choice_separate_calibrated"
    folder = run_folder(tmp_path / "run", states, values, [stat("exact_match", 0.5)], method=method)
    (run,), _ = take(folder, tmp_path)
    assert run.estimate.n == 4 and run.estimate.mean == 0.5 and run.protocol == "loglikelihood"
    assert sum(run.estimate.ungraded.values()) == 0


def test_a_failed_request_is_no_wrong_answer(tmp_path):
    folder = letters(tmp_path / "run")
    read = json.loads((folder / "scenario_state.json").read_text())
    read["request_states"][1]["result"] = {"success": False, "error": "HTTP 429", "completions": []}
    read["request_states"][2]["result"]["completions"] = []
    (folder / "scenario_state.json").write_text(json.dumps(read))
    (run,), _ = take(folder, tmp_path)
    assert run.estimate.ungraded["infrastructure"] == 2 and run.estimate.mean == 1.0
    assert run.samples[1].score == Ungraded("infrastructure", "HTTP 429")
    assert any("states exact_match 0.5; its samples give 1" in n for n in run.provenance.notes)


def test_a_folder_of_many_runs_is_one_run_each_and_damage_is_named(tmp_path):
    suite = tmp_path / "suite"
    for subject in ("anatomy", "virology"):
        name = f"mmlu:subject={subject},method={METHOD},model=org_model"
        letters(suite / name, name=name)
    broken = letters(suite / "broken")
    (broken / "scenario_state.json").write_text('{"request_states": [{"instance": 3}]}')
    runs, left_out = take(suite, tmp_path)
    assert [run.benchmark for run in runs] == [
        f"mmlu:subject={subject},method={METHOD}" for subject in ("anatomy", "virology")
    ]
    assert len(left_out) == 1 and "broken: it has another form" in left_out[0]


BROKEN = {
    "no states": ("scenario_state.json", "{}", "has no request_states"),
    "no JSON": ("scenario_state.json", '{"request_states": [', "line 1, column 21"),
    "a list": ("run_spec.json", "[]", "holds a list"),
    "no list": ("per_instance_stats.json", "{}", "holds no list of objects"),
    "a figure is missing": ("per_instance_stats.json", "[]", "has no figure of id0 and 3 more"),
    "other rows": ("per_instance_stats.json", '[{"a": 1}]', "instance_id"),
    "other totals": ("stats.json", '[{"name": 3}]', "has another form"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_helm_did_not_write_is_one_line(tmp_path, fault):
    folder = letters(tmp_path / "run")
    name, text, said = BROKEN[fault]
    (folder / name).write_text(text)
    with pytest.raises(WeighbridgeError) as told:
        take(folder, tmp_path)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_other_files_are_told_what_is_expected(tmp_path):
    (tmp_path / "some.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"no scenario_state\.json in .* or --gold PATH"):
        take(tmp_path, tmp_path)
