"""The fifteen failures that people lose days to, each provoked, and what is said of it.

The table in docs/how-to/tuning-failures.md has the same numbers.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM
from typer.testing import CliRunner

import weighbridge.tuning.merging as merging
from architectures import build
from tiny import CHAT_TEMPLATE, build_tokenizer
from tuning_runs import rows_of, run, write_rows
from weighbridge.cli.main import app
from weighbridge.errors import InputError, Interrupted, MalformedRow, WeighbridgeError
from weighbridge.models.reading import read_model
from weighbridge.project.project_file import read_project
from weighbridge.tuning import StepDone, TuneSettings, mask_conversation
from weighbridge.tuning.adapters import attached_adapter, load_adapter
from weighbridge.tuning.lineage import lineage_checks
from weighbridge.tuning.objectives.sft import Sft

# peft warns, for its own developers and of tied embeddings.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
QUICK = TuneSettings(rank=2, epochs=1, batch_size=4, learning_rate=5e-3, checkpoint_steps=1)
PROBE = torch.arange(5, 60)[None]


def written(path: Path, *rows) -> Path:
    """A file of conversations, each of turns (role, text) or whole messages."""
    lines = []
    for turns in rows:
        messages = [
            turn if isinstance(turn, dict) else {"role": turn[0], "content": turn[1]}
            for turn in turns
        ]
        lines.append(json.dumps({"messages": messages}) + "\n")
    path.write_text("".join(lines))
    return path


def refused(*words) -> str:
    """What a command that must be refused says, in one line."""
    answer = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(answer.exception, WeighbridgeError), answer.output
    assert "\n" not in str(answer.exception)
    return str(answer.exception)


@pytest.fixture
def tiny(tiny_model):
    return read_model(tiny_model, torch.float32, "cpu")


def test_1_a_mask_of_nothing_is_refused_and_one_of_everything_is_questioned(
    tiny_model, tiny, tmp_path
):
    silent = {"role": "assistant", "content": "A", "weight": 0}
    train = written(tmp_path / "t.jsonl", [("user", "q"), silent])
    assert "every answer has weight 0" in refused("tune", tiny_model, "--train", train)
    module, tokenizer = tiny
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<|end|>{% endfor %}"
    whole = rows_of(written(tmp_path / "w.jsonl", [("assistant", "A B C")]))
    told = run((module, tokenizer), tmp_path / "run", whole, settings=QUICK).told()
    assert any("from the first token to the last: is there no prompt?" in line for line in told)


@pytest.mark.parametrize(
    ("turns", "words", "said"),
    [
        ([("user", "zebra " * 40), ("assistant", "A")], [], "or overflow = drop or truncate_left"),
        (
            [("user", "q"), ("assistant", "zebra " * 40)],
            ["--overflow", "truncate_left"],
            "cutting the prompt would cut the answer",
        ),
    ],
    ids=["prompt", "answer"],
)
def test_2_no_answer_is_cut(turns, words, said, tiny_model, tmp_path):
    train = written(tmp_path / "t.jsonl", turns)
    told = refused("tune", tiny_model, "--train", train, "--max-tokens", "60", *words)
    assert "line 1, column messages: " in told and said in told


def test_3_a_template_that_is_another_when_the_model_is_served_is_found(tiny, tmp_path):
    train = rows_of(write_rows(tmp_path / "t.jsonl", 4))
    result = run(tiny, tmp_path / "run", train, settings=QUICK)
    merged = merging.merge_adapter(*tiny, result.artefact, tmp_path / "merged", PROBE).path
    assert all(check.ok for check in lineage_checks(merged))
    (merged / "chat_template.jinja").write_text(CHAT_TEMPLATE.replace("<|start|>", "### "))
    answer = CliRunner().invoke(app, ["verify", str(merged)])
    assert answer.exit_code == 1
    assert "chat_template.jinja: not as it was written" in answer.output


def test_4_a_beginning_of_text_that_template_and_tokenizer_both_write_stands_once(tmp_path):
    from tokenizers.processors import TemplateProcessing

    tokenizer = build_tokenizer("<|start|>" + CHAT_TEMPLATE.replace("<|start|>", "<|pad|>"))
    tokenizer.bos_token = "<|start|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|start|> $A", special_tokens=[("<|start|>", tokenizer.bos_token_id)]
    )
    row = mask_conversation(tokenizer, rows_of(write_rows(tmp_path / "t.jsonl", 1))[0])
    text = tokenizer.decode(row.token_ids)
    assert tokenizer(text)["input_ids"].count(tokenizer.bos_token_id) == 2  # what others read
    assert row.token_ids.count(tokenizer.bos_token_id) == 1


def test_5_the_end_of_a_turn_is_learnt_though_it_pads_as_well(tiny_model, tmp_path):
    tokenizer = build_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    row = mask_conversation(tokenizer, rows_of(write_rows(tmp_path / "t.jsonl", 1))[0])
    last = max(at for at, learnt in enumerate(row.trained) if learnt)
    assert tokenizer.eos_token_id in row.token_ids[last - 1 : last + 1]
    endless = build_tokenizer(CHAT_TEMPLATE.replace("<|end|>\n", "\n"))
    with pytest.raises(MalformedRow, match="without a special token"):
        mask_conversation(endless, rows_of(tmp_path / "t.jsonl")[0])


def test_6_packing_is_refused_where_rows_would_see_each_other(tmp_path):
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    module = MambaForCausalLM(
        MambaConfig(hidden_size=32, num_hidden_layers=1, state_size=4, vocab_size=len(tokenizer))
    )
    rows = rows_of(write_rows(tmp_path / "t.jsonl", 4))
    settings = TuneSettings(rank=2, packing="on")
    with pytest.raises(InputError, match="packing = on, and MambaForCausalLM doesn't keep rows"):
        run((module, tokenizer), tmp_path / "run", rows, settings=settings)


def test_7_a_step_of_several_passes_is_a_step_of_one(tiny_model, tmp_path):
    """Answers of unequal length, which a mean of passes' means would weigh wrongly."""
    turns = [[("user", f"q {n}"), ("assistant", "A " * (1 + 9 * n))] for n in range(4)]
    train = rows_of(written(tmp_path / "t.jsonl", *turns))
    steps = []
    for size in (4, 1):
        settings = TuneSettings(rank=2, batch_size=size, accumulation=4 // size, max_steps=1)
        model = read_model(tiny_model, torch.float32, "cpu")
        result = run(model, tmp_path / f"{size}", train, settings=settings)
        steps.append(result.metrics[1])
    assert steps[0].trained_tokens == steps[1].trained_tokens > 40
    assert steps[0].loss == pytest.approx(steps[1].loss, rel=1e-5)
    assert steps[0].gradient_norm == pytest.approx(steps[1].gradient_norm, rel=1e-4)


@pytest.fixture
def cut(tiny, tmp_path):
    """A run that was cut short after its first step, and its data."""
    path = write_rows(tmp_path / "t.jsonl", 8)

    def stop(event):
        if isinstance(event, StepDone):
            raise KeyboardInterrupt

    settings = TuneSettings(rank=2, batch_size=4, checkpoint_steps=1, epochs=2)
    with pytest.raises(Interrupted):
        run(tiny, tmp_path / "cut", rows_of(path), settings=settings, on_event=stop)
    return path, settings


@pytest.mark.slow
def test_8_what_goes_on_ends_with_the_same_bits(cut, tiny, tmp_path):
    path, settings = cut
    again = run(tiny, tmp_path / "cut", rows_of(path), settings=settings)
    whole = run(tiny, tmp_path / "whole", rows_of(path), settings=settings)
    assert again.artefact_digest == whole.artefact_digest


def test_9_the_longest_rows_are_tried_before_the_first_step(tiny, tmp_path, monkeypatch):
    """They come last in the order of the run, and memory ends there at the latest."""
    turns = [[("user", "q " * (60 if n == 7 else 1)), ("assistant", "A")] for n in range(8)]
    train = rows_of(written(tmp_path / "t.jsonl", *turns))
    loss, events = Sft.loss, []

    def small(self, model, batch, *more):
        if batch.tokens > 100:
            raise torch.OutOfMemoryError("out of memory")
        return loss(self, model, batch, *more)

    monkeypatch.setattr(Sft, "loss", small)
    settings = TuneSettings(rank=2, batch_size=1)
    with pytest.raises(torch.OutOfMemoryError):
        run(tiny, tmp_path / "run", train, settings=settings, on_event=events.append)
    assert not any(isinstance(event, StepDone) for event in events)


def test_10_a_merge_that_isn_t_the_adapter_on_its_base_is_refused(tiny, tmp_path, monkeypatch):
    """As where an adapter that was trained on a quantised base is added to the base as it was."""
    result = run(tiny, tmp_path / "run", rows_of(write_rows(tmp_path / "t.jsonl", 4)), (), QUICK)
    settle = merging.settle_head

    def rounded(merged):
        weight = merged.model.layers[0].mlp.up_proj.weight.data
        step = weight.abs().max() / 4
        weight.copy_((weight / step).round() * step)
        return settle(merged)

    monkeypatch.setattr(merging, "settle_head", rounded)
    with pytest.raises(WeighbridgeError, match="changes the logits"):
        merging.merge_adapter(*tiny, result.artefact, tmp_path / "merged", PROBE)
    assert not (tmp_path / "merged").exists()


@pytest.mark.slow
def test_11_a_tied_head_that_is_tuned_comes_apart_from_the_embeddings(tiny, tiny_model, tmp_path):
    settings = TuneSettings(rank=2, target=("lm_head",), learning_rate=5e-2)
    result = run(tiny, tmp_path / "run", rows_of(write_rows(tmp_path / "t.jsonl", 4)), (), settings)
    base = read_model(tiny_model, torch.float32, "cpu")
    adapted = load_adapter(read_model(tiny_model, torch.float32, "cpu")[0], result.artefact)
    merged = merging.merge_adapter(*base, result.artefact, tmp_path / "merged", PROBE).path
    module, _ = read_model(merged, torch.float32, "cpu")
    assert not module.config.tie_word_embeddings
    adapted.eval()
    with torch.no_grad():
        gap = module(input_ids=PROBE).logits - adapted(input_ids=PROBE).logits
    assert float(gap.abs().max()) < 1e-3


def test_12_experts_and_layers_that_get_no_adapter_are_named():
    said: list[str] = []
    with attached_adapter(build("gpt-oss"), TuneSettings(rank=2), "base", said):
        pass
    assert any("no adapter on the experts' down_proj and gate_up_proj" in line for line in said)
    reached: list[str] = []
    settings = TuneSettings(rank=2, experts=True)
    with attached_adapter(build("mixtral"), settings, "base", reached):
        pass
    assert not any("experts" in line for line in reached)


def test_13_a_setting_that_nothing_reads_is_an_error(tmp_path):
    (tmp_path / "weighbridge.toml").write_text(
        '[project]\nname = "p"\n[model]\nbase = "b"\n[tune]\ntrain = "t.jsonl"\n'
        'max_seq_length = 4096\n[[evaluate]]\nbenchmark = "mmlu"\n'
    )
    with pytest.raises(InputError, match="'max_seq_length'"):
        read_project(tmp_path)
    answer = CliRunner().invoke(app, ["tune", "m", "--train", "t", "--learnin-rate", "1"])
    assert answer.exit_code == 2 and "--learning-rate" in answer.output


def test_14_data_that_changed_under_its_name_is_not_taken_for_the_old(cut, tiny, tmp_path):
    path, settings = cut
    path.write_text(path.read_text().replace("question 3", "question 9"))
    with pytest.raises(InputError, match=r"holds another tuning run \(other training rows\)"):
        run(tiny, tmp_path / "cut", rows_of(path), settings=settings)


def test_a_changed_recipe_is_refused_with_what_changed(cut, tiny, tmp_path):
    path, settings = cut
    other = replace(settings, learning_rate=3e-3, rank=4)
    with pytest.raises(InputError, match=r"learning_rate .* there, 0\.003 here; rank 2 "):
        run(tiny, tmp_path / "cut", rows_of(path), settings=other)


def test_15_whether_it_fits_is_said_before_anything_is_loaded():
    words = ["plan", "tune", "llama-3-8b", "--method", "lora", "--memory", "12GB", "--json"]
    answer = CliRunner().invoke(app, words)
    plan = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert plan["fits"] is False and plan["peak_memory_bytes"] > 12e9
    assert plan["nearest_changes"] and plan["nearest_peak_bytes"] <= 12e9
