"""Parity, exact resume, and what is refused: on a tiny model, in seconds."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

from tiny import CHAT_TEMPLATE, build_tokenizer
from weighbridge.errors import InputError, MalformedRow
from weighbridge.models.prompts import PromptWriter, encode
from weighbridge.models.protocol import Prompt
from weighbridge.models.reading import read_model
from weighbridge.tuning import TuneSettings, mask_conversation, read_conversations, show_mask
from weighbridge.tuning.adapters import attached_adapter
from weighbridge.tuning.batches import collate, epoch_order
from weighbridge.tuning.fused import fused_lora
from weighbridge.tuning.loop import tune
from weighbridge.tuning.loss import can_share_prefixes, decoder_and_head, loss_sum
from weighbridge.tuning.merging import merge_adapter

INSTRUCTION = "Answer the question with one letter. " * 2


def write_rows(path, count, first=0):
    with path.open("w") as file:
        for i in range(first, first + count):
            question = f"question {i} " + "and choices " * (i % 5)
            turns = [("system", INSTRUCTION), ("user", question), ("assistant", "ABCD"[i % 4] * 3)]
            row = {"messages": [{"role": r, "content": c} for r, c in turns]}
            file.write(json.dumps(row) + "\n")
    return path


def rows_of(path):
    return read_conversations(path).conversations


@pytest.fixture
def tiny(tiny_model):
    return read_model(tiny_model, torch.float32, "cpu")


SETTINGS = TuneSettings(
    rank=4, alpha=8, learning_rate=5e-3, epochs=3, batch_size=4, checkpoint_steps=2
)


def run(model, folder, train, validation=(), settings=SETTINGS, on_event=lambda event: None):
    module, tokenizer = model
    return tune(
        module, tokenizer, train, validation, settings, folder, on_event,
        base="tiny", base_digest="sha256:0",
    )  # fmt: skip


def test_the_mask_is_the_answer_and_its_end_of_turn(tiny, tmp_path):
    (conversation,) = rows_of(write_rows(tmp_path / "t.jsonl", 1))
    row = mask_conversation(tiny[1], conversation)
    learnt = [t for t, trained in zip(row.token_ids, row.trained, strict=True) if trained]
    assert tiny[1].decode(learnt).rstrip("\n") == "AAA<|end|>"
    assert "⟦AAA<|end|>" in show_mask(tiny[1], row)


def test_generation_tags_and_prefixes_agree(tmp_path):
    tagged = CHAT_TEMPLATE.replace(
        "{{ message['content'] }}<|end|>",
        "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}<|end|>"
        "{% endgeneration %}{% else %}{{ message['content'] }}<|end|>{% endif %}",
    )
    (conversation,) = rows_of(write_rows(tmp_path / "t.jsonl", 1))
    plain = mask_conversation(build_tokenizer(), conversation)
    with_tags = mask_conversation(build_tokenizer(tagged), conversation)
    learnt = [list(zip(r.token_ids, r.trained, strict=True)) for r in (plain, with_tags)]
    assert [p for p in learnt[0] if p[1]][:2] == [p for p in learnt[1] if p[1]][:2]


@pytest.mark.parametrize("how", ["refuses", "leaves out"])
def test_a_system_turn_is_learnt_where_it_is_asked(how, tmp_path):
    refuses = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}"
    leaves_out = CHAT_TEMPLATE.replace("in messages", "in messages if message.role != 'system'")
    tokenizer = build_tokenizer(refuses + CHAT_TEMPLATE if how == "refuses" else leaves_out)
    turns = [("system", "Be brief."), ("user", "question"), ("assistant", "A")]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\n")
    (conversation,) = rows_of(tmp_path / "t.jsonl")
    asked = PromptWriter(tokenizer, "tiny").write(Prompt(messages=conversation.messages[:-1]))
    assert asked.startswith("<|start|>user\nBe brief.\n\nquestion<|end|>")
    ids, learnt = (
        encode(tokenizer, asked, rendered=True),
        mask_conversation(tokenizer, conversation),
    )
    assert list(learnt.token_ids[: len(ids)]) == ids and not any(learnt.trained[: len(ids)])
    assert "⟦A<|end|>" in show_mask(tokenizer, learnt)


def test_no_template_is_refused(tmp_path):
    (conversation,) = rows_of(write_rows(tmp_path / "t.jsonl", 1))
    with pytest.raises(InputError, match="chat template"):
        mask_conversation(build_tokenizer(None), conversation)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "line 1"),
        ('{"messages": []}', "line 1, column messages"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "line 1"),
        ('{"messages": [{"role": "robot", "content": "x"}]}', "line 1"),
    ],
)
def test_malformed_rows_are_named(tmp_path, line, message):
    path = tmp_path / "t.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(MalformedRow, match=message):
        read_conversations(path)


def test_an_empty_set_is_refused(tmp_path):
    (tmp_path / "t.jsonl").write_text("")
    with pytest.raises(InputError):
        read_conversations(tmp_path / "t.jsonl")


def test_a_row_longer_than_the_context_is_refused_unless_a_policy_says_otherwise(tiny, tmp_path):
    train = rows_of(write_rows(tmp_path / "t.jsonl", 8))
    short = TuneSettings(rank=4, max_tokens=60)
    with pytest.raises(MalformedRow, match="at most max_tokens = 60"):
        run(tiny, tmp_path / "run", train, settings=short)


def test_loss_falls_and_the_base_is_handed_back_unchanged(tiny, tmp_path):
    train = rows_of(write_rows(tmp_path / "t.jsonl", 24))
    held_out = rows_of(write_rows(tmp_path / "v.jsonl", 6, first=100))
    before = {k: v.clone() for k, v in tiny[0].state_dict().items()}
    result = run(tiny, tmp_path / "run", train, held_out)
    assert result.loss_last < 0.7 * result.loss_first
    assert result.validation_loss_last < result.validation_loss_first
    after = tiny[0].state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)
    again = run(tiny, tmp_path / "run", train, held_out)
    assert again.adapter_file_digest == result.adapter_file_digest


def batch_gradients(adapted, rows, share):
    adapted.zero_grad()
    loss = loss_sum(adapted, collate(rows, share=share))
    loss.backward()
    return loss.item(), {
        n: p.grad.clone() for n, p in adapted.named_parameters() if p.requires_grad
    }


def test_shared_prefixes_give_the_loss_and_gradients_of_padded_rows(tiny, tmp_path):
    module, tokenizer = tiny
    rows = [mask_conversation(tokenizer, c) for c in rows_of(write_rows(tmp_path / "t.jsonl", 9))]
    torch.manual_seed(0)
    with attached_adapter(module, SETTINGS, "tiny") as adapted, fused_lora(adapted):
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        adapted.train()
        assert can_share_prefixes(adapted, rows[:2], dropout=0.0)
        assert not can_share_prefixes(adapted, rows[:2], dropout=0.1)
        loss, gradients = batch_gradients(adapted, rows, share=True)
        plain, expected = batch_gradients(adapted, rows, share=False)
    assert loss == pytest.approx(plain, rel=1e-5)
    for name, gradient in expected.items():
        assert torch.allclose(gradients[name], gradient, atol=1e-4 * float(gradient.abs().max()))
    assert collate(rows, share=True).token_ids.numel() < collate(rows).token_ids.numel() / 2


def test_dropped_positions_give_the_plain_cross_entropy(tiny, tmp_path):
    module, tokenizer = tiny
    rows = [mask_conversation(tokenizer, c) for c in rows_of(write_rows(tmp_path / "t.jsonl", 3))]
    expected = 0.0
    with torch.no_grad():
        for row in rows:
            logprobs = module(torch.tensor([row.token_ids])).logits[0].log_softmax(-1)
            expected -= sum(
                logprobs[at - 1, row.token_ids[at]].item()
                for at in range(1, len(row))
                if row.trained[at]
            )
        assert loss_sum(module, collate(rows)).item() == pytest.approx(expected, rel=1e-4)
    assert decoder_and_head(module)[1] is module.lm_head


def test_accumulation_does_not_change_the_adapter(tiny, tmp_path):
    train = rows_of(write_rows(tmp_path / "t.jsonl", 8))
    adapters = []
    for size, passes in ((8, 1), (2, 4)):
        settings = TuneSettings(
            rank=4, learning_rate=1e-3, max_steps=1, batch_size=size, accumulation=passes
        )
        folder = tmp_path / f"run{size}"
        run(tiny, folder, train, settings=settings)
        adapters.append(_adapter(folder))
    for name, tensor in adapters[0].items():
        assert torch.allclose(tensor, adapters[1][name], atol=2e-5), name


def _adapter(folder):
    from safetensors.torch import load_file

    return load_file(folder / "adapter" / "adapter_model.safetensors")


def test_every_row_comes_once_an_epoch_in_an_order_that_the_seed_decides():
    lengths = [i % 13 for i in range(50)]
    first = epoch_order(lengths, 4, 0, 0)
    assert sorted(row for step in first for row in step) == list(range(50))
    assert first == epoch_order(lengths, 4, 0, 0) != epoch_order(lengths, 4, 0, 1)


def test_merged_and_adapted_models_agree(tiny, tiny_model, tmp_path):
    train = rows_of(write_rows(tmp_path / "t.jsonl", 8))
    result = run(tiny, tmp_path / "run", train)
    probe = torch.arange(5, 60)[None]
    merged = merge_adapter(*tiny, result.adapter, tmp_path / "merged", probe)
    assert merged.max_logit_difference < 1e-3
    reloaded, _ = read_model(tmp_path / "merged", torch.float32, "cpu")
    fresh, _ = read_model(tiny_model, torch.float32, "cpu")
    with torch.no_grad():
        assert not torch.allclose(reloaded(probe).logits, fresh(probe).logits, atol=1e-3)


def test_another_run_in_the_folder_is_refused(tiny, tmp_path):
    train = rows_of(write_rows(tmp_path / "t.jsonl", 8))
    run(tiny, tmp_path / "run", train)
    with pytest.raises(InputError, match="another tuning run"):
        run(tiny, tmp_path / "run", train, settings=TuneSettings(rank=8))


def test_killed_three_times_it_ends_with_the_same_bits(tiny, tiny_model, tmp_path):
    train_file = write_rows(tmp_path / "t.jsonl", 40)
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys, torch
        from pathlib import Path
        sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parent.parent)!r}]
        torch.set_num_threads({torch.get_num_threads()})
        import test_tuning as t
        from weighbridge.models.prompts import PromptWriter, encode
from weighbridge.models.protocol import Prompt
from weighbridge.models.reading import read_model
        model = read_model(Path({str(tiny_model)!r}), torch.float32, "cpu")
        def show(event):
            if isinstance(event, __import__("weighbridge.tuning").tuning.StepDone):
                print(event.step, flush=True)
        t.run(model, Path({str(tmp_path / "killed")!r}), t.rows_of(Path({str(train_file)!r})),
              on_event=show)
        """)
    )
    for after in (3, 7, 6):
        child = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
        for _ in range(after):
            child.stdout.readline()
        time.sleep(0.002 * after)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    killed = run(tiny, tmp_path / "killed", rows_of(train_file))
    whole = run(tiny, tmp_path / "whole", rows_of(train_file))
    assert killed.adapter_file_digest == whole.adapter_file_digest
    assert [m.loss for m in killed.metrics] == [m.loss for m in whole.metrics]
