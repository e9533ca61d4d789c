"""Real files of other harnesses, made by running them here: no file of theirs is kept."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

TASKS = {
    "letters": """
task: letters
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: ["A", "B", "C", "D"]
doc_to_target: "{{gold}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
metadata: {version: 3.0}
""",
    "others": """
task: others
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}} again"
doc_to_choice: [" the answer", " A B C D"]
doc_to_target: "{{gold % 2}}"
metric_list: [{metric: acc}]
metadata: {version: 1.0}
""",
    "writing": """
task: writing
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{letter}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 12}
metric_list: [{metric: exact_match}]
filter_list:
  - name: strict
    filter: [{function: regex, regex_pattern: "([ABCD])"}, {function: take_first}]
  - name: loose
    filter: [{function: regex, regex_pattern: "(.)"}, {function: take_first}]
metadata: {version: 1.0}
""",
    "rolling": """
task: rolling
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}}"
metric_list: [{metric: word_perplexity}]
""",
}
GROUP = """
group: both
task: [letters, others]
aggregate_metric_list: [{metric: acc, weight_by_size: true}]
metadata: {version: 2.0}
"""


def run_lm_eval(model: Path, folder: Path) -> Path:
    """Run lm-evaluation-harness on a tiny model with --log_samples; returns its --output_path."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data.jsonl"
    rows = [
        {
            "question": f"question and choices the answer is {i}",
            "gold": i % 4,
            "letter": "ABCD"[i % 4],
            "subject": f"s{i % 5}",
        }
        for i in range(40)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "tasks").mkdir()
    for name, text in TASKS.items():
        (folder / "tasks" / f"{name}.yaml").write_text(text.replace("DATA", str(data)))
    (folder / "tasks" / "both.yaml").write_text(GROUP)
    done = subprocess.run(
        [
            sys.executable, "-m", "lm_eval", "run", "--model", "hf",
            "--model_args", f"pretrained={model},dtype=float32,max_length=256",
            "--tasks", "both,writing,rolling", "--include_path", folder / "tasks",
            "--device", "cpu", "--batch_size", "4", "--log_samples",
            "--output_path", folder / "out",
        ],
        capture_output=True, text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "datasets")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "out"


def run_inspect(folder: Path) -> dict[str, Path]:
    """Run Inspect with its mock model; returns one log of each form, over the same answers."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "sums.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from inspect_ai import Task, eval
        from inspect_ai.dataset import Sample
        from inspect_ai.model import ModelOutput, ModelUsage, get_model
        from inspect_ai.scorer import Score, accuracy, match, scorer, stderr
        from inspect_ai.solver import generate

        SAID = [("1", "stop"), ("7", "stop"), ("", "max_tokens"), ("I can't", "content_filter"),
                ("5", "stop"), ("no number", "stop"), ("x" * 4000, "stop"), ("8", "stop")]

        @scorer(metrics=[accuracy(), stderr()])
        def fallible():
            inner = match(numeric=True)

            async def score(state, target):
                if state.sample_id == "q7":
                    return Score.unscored(explanation="the grader went away")
                return await inner(state, target)

            return score

        def said(text, stop):
            output = ModelOutput.from_content("mockllm/model", text, stop_reason=stop)
            output.usage = ModelUsage(input_tokens=7, output_tokens=2, total_tokens=9)
            return output

        data = [
            Sample(id=f"q{i}", input=f"What is {i} + 1?" + " please" * (200 if i == 6 else 0),
                   target=str(i + 1), metadata={"subject": f"s{i % 2}"})
            for i in range(len(SAID))
        ]
        for form in ("eval", "json"):
            model = get_model("mockllm/model", custom_outputs=[said(*one) for one in SAID])
            (log,) = eval(Task(dataset=data, solver=generate(), scorer=fallible(), name="sums"),
                          model=model, log_dir=sys.argv[1], log_format=form, display="none",
                          max_samples=1)
            assert log.status == "success", log.error
        """)
    )
    done = subprocess.run(
        [sys.executable, script, folder / "logs"], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    logs = list((folder / "logs").iterdir())
    return {path.suffix: path for path in logs}


def run_inspect_judged(folder: Path) -> dict[str, Path]:
    """Run Inspect with mock models that judge; one log for each way to say which."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "judged.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from inspect_ai import Task, eval
        from inspect_ai.dataset import Sample
        from inspect_ai.model import ModelOutput, ModelUsage, get_model
        from inspect_ai.scorer import model_graded_qa
        from inspect_ai.solver import generate

        def says(name):
            outputs = []
            for grade in "CICI":
                outputs.append(ModelOutput.from_content(f"mockllm/{name}", f"GRADE: {grade}"))
                outputs[-1].usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
            return get_model(f"mockllm/{name}", custom_outputs=outputs, memoize=False)

        ways = {
            "named": (model_graded_qa(model=says("judge")), {}),
            "role": (model_graded_qa(), {"grader": says("grader")}),
            "several": (model_graded_qa(model=[says("one"), says("two")]), {}),
            "itself": (model_graded_qa(), {}),
        }
        data = [Sample(id=f"q{i}", input=f"{i}?", target=str(i)) for i in range(2)]
        for way, (scorer, roles) in ways.items():
            task = Task(dataset=data, solver=generate(), scorer=scorer, name="judged")
            (log,) = eval(task, model=says("model"), model_roles=roles, display="none",
                          log_dir=f"{sys.argv[1]}/{way}", log_format="json", max_samples=1)
            assert log.status == "success", log.error
        """)
    )
    done = subprocess.run(
        [sys.executable, script, folder / "logs"], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {way.name: next(way.iterdir()) for way in (folder / "logs").iterdir()}
