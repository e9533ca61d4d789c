"""The self-test passes on what is sound, and each fault is refused with what to change."""

import json
import resource
from dataclasses import replace
from threading import Event

import pytest
import torch
from torch import nn
from torch.nn import functional

from architectures import build
from tiny import build_tokenizer
from tuning_runs import rows_of, run, write_rows
from weighbridge.errors import InputError, Interrupted, StorageError
from weighbridge.models.reading import read_model
from weighbridge.tuning import Checked, StepDone, TuneSettings
from weighbridge.tuning.adapters import adapter_config, adapter_tensors, write_adapter
from weighbridge.tuning.methods.lora import METHOD as LORA
from weighbridge.tuning.objectives.sft import OBJECTIVE as SFT
from weighbridge.tuning.objectives.sft import Sft
from weighbridge.tuning.registry import find_method
from weighbridge.tuning.self_test.bench import SAMPLE_TOKENS
from weighbridge.tuning.self_test.running import Trial, tried_out

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
NAMES = [
    "start", "loss", "packing", "accumulation", "longest batch", "gradients", "merging", "saving",
    "loading",
]  # fmt: skip


@pytest.fixture
def data(tmp_path):
    return rows_of(write_rows(tmp_path / "t.jsonl", 12))


@pytest.fixture
def tiny(tiny_model):
    return read_model(tiny_model, torch.float32, "cpu")


def masked(data, tokenizer, objective=SFT, limit=512):
    return objective.rows(tokenizer, data, limit, "refuse")[0]


def try_out(module, tokenizer, rows, folder, validation=(), method=LORA, objective=SFT, **more):
    """Run the self-test alone."""
    folder.mkdir(exist_ok=True)
    settings = TuneSettings(**{"method": method.name, "batch_size": 4, "self_test": True, **more})
    trial = Trial(
        method, objective, module, tokenizer, rows, tuple(validation), settings, "tiny", folder
    )
    return tried_out(trial, lambda event: None, Event())


def refusal(*arguments, **more):
    with pytest.raises(InputError) as error:
        try_out(*arguments, **more)
    said = str(error.value)
    assert "self-test" in said and "\n" not in said
    return said


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("lora", marks=pytest.mark.slow), "full"])
def test_a_run_ends_with_the_same_bits_as_one_without_it(name, data, tiny_model, tmp_path):
    events, ended = [], {}
    for wanted in (True, False):
        settings = TuneSettings(
            method=name, batch_size=4, epochs=2, self_test=wanted,
            **({"dropout": 0.1} if name == "lora" else {}),
        )  # fmt: skip
        folder = tmp_path / f"{wanted}"
        ended[wanted] = run(
            read_model(tiny_model, torch.float32, "cpu"), folder, data, data[:5], settings,
            events.append,
        )  # fmt: skip
        assert not list(folder.glob(".partial*"))
    one, other = ended[True], ended[False]
    assert one.artefact_digest == other.artefact_digest and one.identity == other.identity
    assert [m.loss for m in one.metrics] == [m.loss for m in other.metrics]
    assert other.self_test is None
    checked = [event for event in events if isinstance(event, Checked)]
    assert [event.result.name for event in checked] == NAMES
    assert one.self_test.checks == tuple(event.result for event in checked)
    assert one.told()[-1].startswith("self-test: 9 checks passed in ")
    assert all(check.figure is None or check.figure < 2e-5 for check in one.self_test.checks)


def test_it_is_kept_with_the_run_and_made_once(data, tiny, tmp_path):
    settings = TuneSettings(batch_size=4, checkpoint_steps=1, self_test=True)

    def stop(event):
        if isinstance(event, StepDone):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        run(tiny, tmp_path / "run", data, settings=settings, on_event=stop)
    kept = json.loads((tmp_path / "run" / "self_test.json").read_text())
    assert [check["name"] for check in kept["checks"]] == NAMES
    events = []
    result = run(tiny, tmp_path / "run", data, settings=settings, on_event=events.append)
    assert not any(isinstance(event, Checked) for event in events)
    assert result.self_test.seconds == kept["seconds"]
    again = run(tiny, tmp_path / "run", data, settings=replace(settings, self_test=False))
    assert again.self_test == result.self_test  # the run is done, whatever is asked for now


@pytest.mark.slow
def test_by_itself_it_is_made_where_it_costs_at_most_a_tenth(data, tiny, tmp_path):
    rows = masked(data, tiny[1])
    assert try_out(*tiny, rows, tmp_path / "a", self_test=None) is None
    assert try_out(*tiny, rows, tmp_path / "b", self_test=None, epochs=100) is not None
    assert try_out(*tiny, rows, tmp_path / "c", self_test=False, epochs=100) is None


@pytest.mark.slow
def test_one_row_is_enough(data, tiny, tmp_path):
    assert len(try_out(*tiny, masked(data[:1], tiny[1]), tmp_path / "r").checks) == len(NAMES)


def test_a_start_that_is_not_the_base(data, tiny, tmp_path):
    loud = replace(LORA, options={"init_lora_weights": False}, check=lambda model, ids: None)
    said = refusal(*tiny, masked(data, tiny[1]), tmp_path / "r", method=loud)
    assert "check of start failed" in said and "before the first step" in said


def test_a_loss_that_is_not_torchs(data, tiny, tmp_path):
    module, tokenizer = tiny
    rows = masked(data, tokenizer)
    inner = module.forward

    def forward(*args, **kwargs):
        out = inner(*args, **kwargs)
        if out.logits.shape[1] > 64:
            out.logits = out.logits * 1.5
        return out

    module.forward = forward
    said = refusal(module, tokenizer, rows, tmp_path / "r")
    assert "check of loss failed" in said and "report this as a bug" in said


def test_rows_that_leak_into_each_other(data, tiny, tmp_path):
    module, tokenizer = tiny

    def leak(layer, arguments, output):
        return output + 0.1 * output.mean(0, keepdim=True) if len(output) > 1 else output

    module.model.layers[0].mlp.register_forward_hook(leak)
    said = refusal(module, tokenizer, masked(data, tokenizer), tmp_path / "r")
    assert "check of packing failed" in said and "batch_size = 1" in said


class _CountsPadding(Sft):
    def targets(self, batch):
        return batch.token_ids.numel()


@pytest.mark.slow
def test_a_step_that_depends_on_how_it_is_cut(data, tiny, tmp_path):
    rows = masked(data, tiny[1])
    said = refusal(*tiny, rows, tmp_path / "r", objective=_CountsPadding())
    assert "check of accumulation failed" in said and "rows; expected" in said


class _CountsTwice(Sft):
    def loss(self, model, batch, rewards=None):
        return super().loss(model, batch) * (2 if len(batch.targets) > 8 else 1)


@pytest.mark.slow
def test_a_loss_that_counts_some_rows_twice(data, tiny, tmp_path):
    said = refusal(*tiny, masked(data, tiny[1]), tmp_path / "r", objective=_CountsTwice())
    assert "check of packing failed" in said


def test_a_longest_batch_that_does_not_fit(data, tiny, tmp_path):
    module, tokenizer = tiny
    rows = masked(data, tokenizer)
    most = 2 * SAMPLE_TOKENS

    module.model.layers[1].register_forward_pre_hook(
        lambda layer, arguments: _require_room(arguments[0], most)
    )
    said = refusal(module, tokenizer, rows, tmp_path / "r", dropout=0.1, batch_size=8)
    assert (
        "out of memory at its check of longest batch; expected room for the longest batch (8"
        in said
    )
    assert "lower batch_size from 8" in said


def _require_room(hidden, most):
    if hidden.shape[:2].numel() > most:
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_validation_row_that_is_longer_than_the_positions(data, tmp_path):
    tokenizer = build_tokenizer()
    module = build("gpt2", vocab_size=len(tokenizer))
    rows = masked(data, tokenizer)
    most = max(map(len, rows))
    wide = module.transformer.wpe
    module.transformer.wpe = nn.Embedding(most, wide.embedding_dim)
    long = tuple(replace(r, token_ids=r.token_ids * 2, trained=r.trained * 2) for r in rows[:2])
    said = refusal(module, tokenizer, rows, tmp_path / "r", validation=long)
    assert "longest batch ended in IndexError" in said


def test_a_layer_that_takes_no_part(data, tiny, tmp_path):
    module, tokenizer = tiny
    module.spare = nn.Linear(4, 4)
    said = refusal(module, tokenizer, masked(data, tokenizer), tmp_path / "r")
    assert "no gradient in base_model.model.spare.lora_A" in said and "and 1 more" in said
    assert "choose with target the layers" in said


def mixture(experts_per_token=2):
    from transformers import MixtralConfig, MixtralForCausalLM

    tokenizer = build_tokenizer()
    torch.manual_seed(3)
    config = MixtralConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, num_local_experts=4,
        num_experts_per_tok=experts_per_token, max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=None, initializer_range=0.3,
    )  # fmt: skip
    return MixtralForCausalLM(config).eval(), tokenizer


def test_a_dead_expert(data, tmp_path):
    module, tokenizer = mixture()
    rows = masked(data, tokenizer)
    full = find_method("full")
    sound = try_out(module, tokenizer, rows, tmp_path / "a", method=full)
    assert "none of them zero" in sound.checks[5].of and "experts" not in sound.checks[5].of
    experts = module.model.layers[0].mlp.experts
    with torch.no_grad():
        for weight in experts.parameters():
            weight[2] = 0.0
    said = refusal(module, tokenizer, rows, tmp_path / "b", method=full)
    assert "no gradient in model.layers.0.mlp.experts.down_proj[2] and 1 more" in said


@pytest.mark.slow
def test_an_expert_that_no_token_is_sent_to_is_said_and_not_refused(data, tmp_path):
    module, tokenizer = mixture(experts_per_token=1)
    router = module.model.layers[0].mlp.gate.weight
    with torch.no_grad():
        router[1] = -router[0]  # one of these two is the largest, whatever the token
        router[2:] = 0.0
    rows = masked(data, tokenizer)
    found = try_out(module, tokenizer, rows, tmp_path / "r", method=find_method("full"))
    assert "4 of experts that none of these tokens were sent to" in found.checks[5].of


class _Doubled(nn.Linear):
    def forward(self, x):
        return functional.linear(x, 2 * self.weight, self.bias)


def test_a_merge_that_changes_the_model(data, tiny, tmp_path):
    module, tokenizer = tiny
    plain = module.model.layers[1].mlp.down_proj
    doubled = _Doubled(plain.in_features, plain.out_features, bias=False)
    doubled.weight.data = plain.weight.data / 2
    module.model.layers[1].mlp.down_proj = doubled
    said = refusal(module, tokenizer, masked(data, tokenizer), tmp_path / "r")
    assert "check of merging failed" in said and "(no --merge)" in said


def test_a_merge_into_a_tied_head(data, tiny, tmp_path):
    rows = masked(data, tiny[1])
    with pytest.raises(InputError, match=r"lm_head, which has an update.*leave lm_head out"):
        try_out(*tiny, rows, tmp_path / "r", target=("lm_head", "q_proj"))


def test_a_result_that_is_not_what_was_trained(data, tiny, tmp_path):
    def save(model, folder):
        config = adapter_config(model)
        config.lora_alpha *= 2
        write_adapter(config, adapter_tensors(model), folder)

    rows = masked(data, tiny[1])
    said = refusal(*tiny, rows, tmp_path / "r", method=replace(LORA, saved=save))
    assert "check of loading failed" in said and "in memory and read" in said


@pytest.mark.slow
def test_a_result_that_cannot_be_saved(data, tiny, tmp_path):
    rows = masked(data, tiny[1])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(StorageError):
            try_out(*tiny, rows, tmp_path / "r")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "r").iterdir())
    assert try_out(*tiny, rows, tmp_path / "r") is not None


def test_ctrl_c_ends_it(data, tiny, tmp_path):
    stopping = Event()
    (tmp_path / "r").mkdir()
    trial = Trial(
        LORA, SFT, *tiny, masked(data, tiny[1]), (), TuneSettings(self_test=True), "tiny",
        tmp_path / "r",
    )  # fmt: skip
    with pytest.raises(Interrupted, match="the same command begins again"):
        tried_out(trial, lambda event: stopping.set(), stopping)
    assert not list((tmp_path / "r").iterdir())
