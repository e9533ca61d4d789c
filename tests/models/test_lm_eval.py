"""lm-evaluation-harness's tasks give the same numbers on this engine as on its own `hf` model."""

import json
import os
import subprocess
import sys

import pytest

TASKS = {
    "choices": """
task: choices
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: ["the answer", " and choices", "A B C D", " D"]
doc_to_target: "{{gold}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
""",
    "rolling": """
task: rolling
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}}"
metric_list: [{metric: word_perplexity}, {metric: bits_per_byte}]
""",
    "writing": """
task: writing
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "the"
generation_kwargs: {until: ["e a", "B"], max_gen_toks: 24}
metric_list: [{metric: exact_match}]
""",
}


@pytest.fixture
def tasks(tmp_path):
    rows = [
        {"question": "question and choices the answer is " * (1 + i % 4) + f"{i}", "gold": i % 4}
        for i in range(24)
    ]
    rows.append({"question": "the answer is A B C D " * 90, "gold": 1})  # beyond the context
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tasks").mkdir()
    for name, text in TASKS.items():
        (tmp_path / "tasks" / f"{name}.yaml").write_text(text.replace("DATA", str(data)))
    return tmp_path / "tasks"


def harness(model, tiny_model, tasks, folder):
    done = subprocess.run(
        [
            sys.executable, "-m", "weighbridge", "lm-eval", "run", "--model", model,
            "--model_args", f"pretrained={tiny_model},dtype=float32,max_length=256",
            "--tasks", "choices,rolling,writing", "--include_path", tasks, "--device", "cpu",
            "--batch_size", "1", "--log_samples", "--output_path", folder,
        ],
        capture_output=True, text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "datasets")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (results,) = folder.rglob("results_*.json")
    samples = {}
    for path in folder.rglob("samples_*.jsonl"):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            samples[path.name.split("_")[1], row["doc_id"]] = row["filtered_resps"]
    return json.loads(results.read_text())["results"], samples


@pytest.mark.slow
def test_every_kind_of_task_gives_the_numbers_of_the_hf_model(tiny_model, tasks, tmp_path):
    theirs, their_samples = harness("hf", tiny_model, tasks, tmp_path / "hf")
    ours, our_samples = harness("weighbridge", tiny_model, tasks, tmp_path / "ours")
    for task in TASKS:
        for name, value in theirs[task].items():
            if isinstance(value, float):
                assert ours[task][name] == pytest.approx(value, rel=1e-4), (task, name)
    assert their_samples.keys() == our_samples.keys()
    assert len(our_samples) == 75
    for key, theirs_one in their_samples.items():
        if key[0] == "writing":
            assert our_samples[key] == theirs_one
        elif key[0] == "choices":
            for (a, greedy_a), (b, greedy_b) in zip(our_samples[key], theirs_one, strict=True):
                assert float(a) == pytest.approx(float(b), abs=1e-3)
                assert str(greedy_a) == str(greedy_b)


@pytest.mark.slow
def test_what_the_harness_refuses_is_one_line(tiny_model, tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "weighbridge", "lm-eval", "run", "--model", "weighbridge",
            "--model_args", f"pretrained={tiny_model}", "--tasks", "nosuch",
            "--include_path", tmp_path,
        ],
        capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "weighbridge: lm-evaluation-harness stopped: Tasks not found: nosuch" in done.stderr


def test_pairs_are_tokenised_as_the_harness_does_it(tiny_model):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from weighbridge.models.lm_eval import WeighbridgeLM

    shots = "question and choices\nthe answer is A\n\n" * 12
    asked = [
        (context, rest)
        for context in ("", "  ", "x", "<|end|>question", shots, shots + "question B ", shots + "C")
        for rest in (" A", "the answer", "<|end|>", "<|end|> A", "  two")
    ]

    class Recording:
        """Keeps what would be scored; everything before is each model's own code."""

        def _loglikelihood_tokens(self, requests, disable_tqdm=False, override_bs=None):
            self.seen = [(texts, list(map(int, c)), list(map(int, r))) for texts, c, r in requests]
            return [(0.0, False)] * len(requests)

    class Theirs(Recording, HFLM):
        pass

    class Ours(Recording, WeighbridgeLM):
        def _scored(self, requests, bar):
            return self._loglikelihood_tokens(requests)

    for add_bos in (None, False, True):
        seen = []
        for kind in (Theirs, Ours):
            model = kind(pretrained=str(tiny_model), device="cpu", add_bos_token=add_bos)
            model.loglikelihood(
                [Instance("loglikelihood", {}, pair, n) for n, pair in enumerate(asked)],
                disable_tqdm=True,
            )
            seen.append(model.seen)
        assert seen[0] == seen[1]


def test_a_bar_counts_the_requests_unless_the_harness_wants_none(tiny_model, capsys):
    from lm_eval.api.instance import Instance

    from weighbridge.models.lm_eval import WeighbridgeLM

    model = WeighbridgeLM(pretrained=str(tiny_model), device="cpu", max_length=256)
    pairs = [("question and choices " * 9, f" the answer {n}") for n in range(40)]
    asked = {
        "loglikelihood": [Instance("loglikelihood", {}, pair, n) for n, pair in enumerate(pairs)],
        "generate_until": [
            Instance("generate_until", {}, (text, {"until": ["x"], "max_gen_toks": 4}), n)
            for n, (text, _) in enumerate(pairs)
        ],
    }
    for kind, requests in asked.items():
        capsys.readouterr()
        quiet = getattr(model, kind)(requests, disable_tqdm=True)
        assert "%" not in capsys.readouterr().err
        assert getattr(model, kind)(requests) == quiet
        shown = capsys.readouterr().err
        assert f"Running {kind} requests: 100%" in shown and "40/40" in shown
