"""A merged folder is compared with adapter on base before it is there, and says how close it is."""

import json
import shutil
import warnings

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

import weighbridge.tuning.merging as merging
from tuning_runs import write_rows
from weighbridge.errors import WeighbridgeError
from weighbridge.models.reading import read_model
from weighbridge.sources.artefacts import artefact_digest
from weighbridge.tuning import read_conversations
from weighbridge.tuning.divergence import BOUNDS, divergence, log_probabilities
from weighbridge.tuning.held_out import held_out_text
from weighbridge.tuning.lineage import lineage_checks, read_lineage

PROBE = torch.arange(5, 60)[None]


def adapter_on(base, folder, **config):
    """Save an adapter that was made by peft alone and is not zero."""
    module = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft warns of tied layers
        adapted = get_peft_model(module, LoraConfig(r=4, init_lora_weights=False, **config))
        for name, parameter in adapted.named_parameters():
            if "modules_to_save" in name:
                parameter.data += 0.02 * torch.randn_like(parameter)
        adapted.save_pretrained(folder, save_embedding_layers=False)
    return folder


def theirs(base, adapter):
    """The logits of plain transformers and peft."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        adapted = PeftModel.from_pretrained(module, str(adapter)).eval()
    with torch.no_grad():
        return adapted(input_ids=PROBE).logits


@pytest.mark.parametrize(
    ("config", "tied"),
    [
        ({"target_modules": ["q_proj", "down_proj"]}, True),
        ({"target_modules": ["q_proj", "lm_head"]}, False),
        ({"target_modules": ["embed_tokens"]}, False),
        ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, False),
    ],
    ids=["layers", "head", "embeddings", "saved head"],
)
def test_tied_embeddings_stay_what_they_are_with_the_adapter(config, tied, tiny_model, tmp_path):
    adapter = adapter_on(tiny_model, tmp_path / "adapter", **config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        merged = merging.merge_adapter(
            *read_model(tiny_model, torch.float32, "cpu"), adapter, tmp_path / "merged", PROBE
        )
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    with torch.no_grad():
        gap = (again(input_ids=PROBE).logits - theirs(tiny_model, adapter)).abs().max()
    assert float(gap) < 1e-3
    assert again.config.tie_word_embeddings is tied
    assert merged.divergence.largest <= merged.kl_bound == BOUNDS["float32"].mean


def test_the_divergence_stands_in_the_record_and_the_lineage(tiny_model, tmp_path):
    module, tokenizer = read_model(tiny_model, torch.float32, "cpu")
    adapter = adapter_on(tiny_model, tmp_path / "adapter", target_modules=["q_proj"])
    rows = read_conversations(write_rows(tmp_path / "v.jsonl", 6)).conversations
    text = held_out_text(tokenizer, rows, len(tokenizer), 512)
    assert text.source == "6 validation rows" and len(text.rows) == 6
    merged = merging.merge_adapter(
        module, tokenizer, adapter, tmp_path / "merged", PROBE, held_out=text
    )
    assert merged.divergence.source == "6 validation rows"
    assert merged.divergence.tokens == text.tokens
    found = merging.merged_before(tmp_path / "merged", adapter, tmp_path / "run")
    assert found.divergence == merged.divergence and found.kl_bound == merged.kl_bound
    steps = read_lineage(tmp_path / "merged")
    assert [step.stage for step in steps] == ["adapter", "merged"]
    assert steps[-1].digest == artefact_digest(tmp_path / "merged")
    assert steps[-1].facts["kl_mean"] == merged.divergence.mean


def test_a_wrong_merge_is_refused_and_leaves_no_folder(tiny_model, tmp_path, monkeypatch):
    adapter = adapter_on(tiny_model, tmp_path / "adapter", target_modules=["q_proj", "up_proj"])
    settle = merging.settle_head

    def wrong(merged):
        merged.model.layers[0].mlp.up_proj.weight.data *= 1.3
        return settle(merged)

    monkeypatch.setattr(merging, "settle_head", wrong)
    for dtype, said in ((torch.float32, "changes the logits"), (torch.bfloat16, "bfloat16")):
        with pytest.raises(WeighbridgeError, match=said):
            merging.merge_adapter(
                *read_model(tiny_model, dtype, "cpu"), adapter, tmp_path / "merged", PROBE
            )
        assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_the_divergence_is_the_sum_over_the_vocabulary(tiny_model):
    module, tokenizer = read_model(tiny_model, torch.float32, "cpu")
    text = held_out_text(tokenizer, (), len(tokenizer), 512)
    assert text.source == "the shipped text" and len(text.rows) > 4
    before = log_probabilities(module, text.rows)
    assert divergence(before, before).largest == 0
    with torch.no_grad():
        module.lm_head.weight += 0.01 * torch.randn_like(module.lm_head.weight)
    after = log_probabilities(module, text.rows)
    found = divergence(before, after)
    each = torch.cat(
        [(a.exp() * (a - b)).sum(-1) for a, b in zip(before, after, strict=True)]
    )  # fmt: skip
    assert found.mean == pytest.approx(float(each.mean()), rel=1e-3)
    assert found.largest == pytest.approx(float(each.max()), rel=1e-3) and found.tokens == len(each)


@pytest.mark.parametrize("altered", ["model.safetensors", "chat_template.jinja", "config.json"])
def test_a_byte_that_is_altered_in_a_merged_folder_is_named(altered, merged, tmp_path):
    folder = tmp_path / "merged"
    shutil.copytree(merged, folder)
    assert all(check.ok for check in lineage_checks(folder))
    data = bytearray((folder / altered).read_bytes())
    data[-1] ^= 1
    (folder / altered).write_bytes(data)
    (wrong,) = (check for check in lineage_checks(folder) if not check.ok)
    assert wrong.name == "artefact" and wrong.detail.startswith(f"{altered}: not as it was written")


@pytest.fixture(scope="module")
def merged(tiny_model, tmp_path_factory):
    place = tmp_path_factory.mktemp("merged")
    adapter = adapter_on(tiny_model, place / "adapter", target_modules=["q_proj"])
    model = read_model(tiny_model, torch.float32, "cpu")
    return merging.merge_adapter(*model, adapter, place / "merged", PROBE).path


def test_a_step_that_is_altered_left_out_or_moved_breaks_the_chain(merged, tmp_path):
    folder = tmp_path / "merged"
    shutil.copytree(merged, folder)
    path = folder / "weighbridge_lineage.json"
    whole = json.loads(path.read_text())
    for change in (
        lambda steps: steps[0]["facts"].update(other=1),
        lambda steps: steps.pop(0),
        lambda steps: steps[1]["facts"].update(kl_mean=0.0),
    ):
        steps = json.loads(json.dumps(whole["steps"]))
        change(steps)
        path.write_text(json.dumps({**whole, "steps": steps}))
        assert not next(iter(lineage_checks(folder))).ok
        with pytest.raises(WeighbridgeError, match="seal of step"):
            read_lineage(folder)
