"""Parity, exact resume, and what is refused: on a tiny model, in seconds."""

import json

import pytest
import torch
from typer.testing import CliRunner

from tiny import CHAT_TEMPLATE, build_tokenizer
from tuning_runs import rows_of, run_and_kill, write_rows
from tuning_runs import run as plain_run
from weighbridge.cli.main import app
from weighbridge.errors import InputError, Interrupted, MalformedRow
from weighbridge.models.prompts import PromptWriter, encode
from weighbridge.models.protocol import Prompt
from weighbridge.models.reading import read_model
from weighbridge.tuning import (
    StepDone,
    TuneSettings,
    mask_conversation,
    read_conversations,
    show_mask,
)
from weighbridge.tuning.adapters import attached_adapter
from weighbridge.tuning.batches import collate, epoch_order
from weighbridge.tuning.checkpoint import RunState, load_checkpoint, save_checkpoint
from weighbridge.tuning.fused import fused_lora
from weighbridge.tuning.isolation import first_alike
from weighbridge.tuning.loss import loss_sum, own_head
from weighbridge.tuning.merging import merge_adapter


@pytest.fixture
def tiny(tiny_model):
    return read_model(tiny_model, torch.float32, "cpu")


CHOSEN = {
    "rank": 4, "alpha": 8, "learning_rate": 5e-3, "epochs": 3, "batch_size": 4,
    "checkpoint_steps": 2,
}  # fmt: skip
SETTINGS = TuneSettings(**CHOSEN)


def run(model, folder, train, validation=(), settings=SETTINGS, on_event=lambda event: None):
    return plain_run(model, folder, train, validation, settings, on_event)


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
    assert again.artefact_digest == result.artefact_digest


def batch_gradients(adapted, rows, arrangement):
    adapted.zero_grad()
    loss = loss_sum(adapted, collate(rows, arrangement=arrangement))
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
        assert first_alike(adapted, rows[:2], ("tree",), dropout=0.0) == "tree"
        assert first_alike(adapted, rows[:2], ("tree",), dropout=0.1) is None
        loss, gradients = batch_gradients(adapted, rows, "tree")
        plain, expected = batch_gradients(adapted, rows, "padded")
    assert loss == pytest.approx(plain, rel=1e-5)
    for name, gradient in expected.items():
        assert torch.allclose(gradients[name], gradient, atol=1e-4 * float(gradient.abs().max()))
    assert collate(rows, arrangement="tree").token_ids.numel() < collate(rows).token_ids.numel() / 2


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
    assert own_head(module, torch.tensor(rows[0].token_ids)).plain  # the fast way was measured


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


@pytest.mark.slow
@pytest.mark.parametrize("kills", [(3,), pytest.param((2, 3, 3), marks=pytest.mark.slow)])
def test_killed_it_ends_with_the_same_bits(kills, tiny, tiny_model, tmp_path):
    """The child waits before each step, so that it is killed in the midst of one, however slow."""
    train_file = write_rows(tmp_path / "t.jsonl", 40)
    killed_folder, resumed = tmp_path / "killed", 0
    for after in kills:
        steps = range(resumed + 1, resumed + after + 1)
        resumed = run_and_kill(tiny_model, killed_folder, train_file, CHOSEN, steps)
        assert not (killed_folder / "result.json").exists()
    assert resumed >= sum(kills) - 2 * len(kills)
    killed = run(tiny, killed_folder, rows_of(train_file))
    whole = run(tiny, tmp_path / "whole", rows_of(train_file))
    assert killed.artefact_digest == whole.artefact_digest
    assert [m.loss for m in killed.metrics] == [m.loss for m in whole.metrics]


def test_moments_come_back_through_the_optimizers_own_loading(tmp_path):
    """On a GPU that puts them on the parameters' device; here it is the same way, to the bit."""
    torch.manual_seed(0)
    kept = {name: torch.nn.Parameter(torch.randn(3, 4)) for name in ("b", "a", "unused")}
    optimizer = torch.optim.AdamW(kept.values(), lr=0.1)
    for _ in range(3):
        (kept["a"].square().sum() + kept["b"].sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    state = RunState(3, (), 1.0, 2, 3)
    save_checkpoint(tmp_path, state, kept, optimizer)
    fresh = {name: torch.nn.Parameter(torch.zeros(3, 4)) for name in kept}
    other = torch.optim.AdamW(fresh.values(), lr=0.5)
    loads = []
    other.register_load_state_dict_post_hook(lambda optimizer: loads.append(optimizer))
    assert load_checkpoint(tmp_path, fresh, other) == state
    assert loads == [other] and other.param_groups[0]["lr"] == 0.5
    for name, parameter in kept.items():
        assert torch.equal(parameter, fresh[name])
        mine, theirs = optimizer.state[parameter], other.state.get(fresh[name], {})
        assert mine.keys() == theirs.keys()
        for kind, value in mine.items():
            assert torch.equal(value, theirs[kind]) and value.device == theirs[kind].device
            assert value.dtype == theirs[kind].dtype


def test_after_midnight_a_run_goes_on_and_a_finished_one_is_found(
    tiny_model, tmp_path, monkeypatch
):
    """Llama 3.2's template writes the date: it is the same one, and stands in the record."""
    from datetime import datetime, timedelta

    from transformers.utils import chat_template_utils

    dated = "{{ 'Today Date: ' + strftime_now('%d %b %Y') }}\n" + CHAT_TEMPLATE
    days = [0]

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=days[0])

    monkeypatch.setattr(chat_template_utils, "datetime", Clock)
    module, tokenizer = read_model(tiny_model, torch.float32, "cpu")
    tokenizer.chat_template = dated
    train = rows_of(write_rows(tmp_path / "t.jsonl", 16))

    def stop(event):
        if isinstance(event, StepDone) and event.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        run((module, tokenizer), tmp_path / "night", train, on_event=stop)
    days[0] = 1
    night = run((module, tokenizer), tmp_path / "night", train)
    days[0] = 40
    whole = run((module, tokenizer), tmp_path / "whole", train)
    again = run((module, tokenizer), tmp_path / "night", train)
    assert night.artefact_digest == whole.artefact_digest == again.artefact_digest
    assert night.identity == whole.identity and night.template_date == "2024-07-26"
    record = json.loads((tmp_path / "night" / "run.json").read_text())
    assert record["template_date"] == "2024-07-26"
    assert any("2024-07-26" in line for line in night.told())


def test_the_number_of_threads_belongs_to_no_identity(tiny, tmp_path):
    """A run that was begun with one goes on with one, whatever the machine has now."""
    train = rows_of(write_rows(tmp_path / "t.jsonl", 8))
    first = run(tiny, tmp_path / "run", train)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        (tmp_path / "run" / "result.json").unlink()
        again = run(tiny, tmp_path / "run", train)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert again.artefact_digest == first.artefact_digest
    assert again.identity == first.identity


def test_the_command_says_what_became_of_the_rows(tiny_model, tmp_path):
    """Left out, cut, repeated: in text and in the JSON, for both files."""
    train = write_rows(tmp_path / "t.jsonl", 6)
    lines = train.read_text().splitlines(keepends=True)
    words = {"messages": [{"role": "user", "content": "zebra " * 60}, answer("A")]}
    quoted = {"messages": [{"role": "user", "content": "what is <|end|>?"}, answer("B")]}
    train.write_text("".join([*lines, lines[0], lines[1], json.dumps(words) + "\n"]))
    (tmp_path / "v.jsonl").write_text("".join([lines[0], lines[0], json.dumps(quoted) + "\n"]))
    command = [
        "tune", str(tiny_model), "--train", str(train), "--validation", str(tmp_path / "v.jsonl"),
        "--out", str(tmp_path / "run"), "--cache", str(tmp_path), "--max-steps", "1",
        "--max-tokens", "160", "--overflow", "drop", "--threads", "1",
    ]  # fmt: skip
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.output
    told = " ".join(said.stdout.split())
    assert (
        "learnt from 8 of 9 rows (1 left out, longer than 160 tokens; 2 repeat an earlier" in told
    )
    assert "validated on 3 rows (1 repeats an earlier one)" in told
    assert "1 conversation with control tokens in their words" in told
    shown = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    data, validation = shown["data"], shown["validation_data"]
    assert (data["conversations"], data["rows"], data["dropped"], data["duplicates"]) == (
        9,
        8,
        1,
        2,
    )
    assert validation["quoted"] == validation["duplicates"] == 1
    cut = [*command[:-4], "--overflow", "truncate_left", "--threads", "1", "--json"]
    cut[cut.index("--out") + 1] = str(tmp_path / "cut")
    assert json.loads(CliRunner().invoke(app, cut).stdout)["data"]["truncated"] == 1


def answer(text):
    return {"role": "assistant", "content": text}


def test_a_folder_of_something_else_is_left_alone(tiny, tmp_path):
    """A run removes half-written files of its own; a browser's look the same."""
    train = rows_of(write_rows(tmp_path / "t.jsonl", 4))
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / ".film.mkv.part").write_text("half a film")
    with pytest.raises(InputError, match=r"holds other files \(.film.mkv.part\)"):
        run(tiny, tmp_path / "downloads", train)
    assert (tmp_path / "downloads" / ".film.mkv.part").read_text() == "half a film"
