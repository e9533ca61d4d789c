"""QLoRA: the base in four bits, what is trained against it, and what that is merged into."""

import dataclasses
import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from typer.testing import CliRunner

from rounding import lost
from tiny import build_tiny_model, build_tokenizer
from tuning_runs import rows_of, run, write_rows
from weighbridge.cli.main import app
from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.models import nf4
from weighbridge.models.adapters import put_on
from weighbridge.models.bitsandbytes_library import bitsandbytes
from weighbridge.models.nf4_record import RECORD, read_record
from weighbridge.models.open_weights import load
from weighbridge.models.reading import read_model, read_with_notes
from weighbridge.planning.tuning_memory import TuningSetup
from weighbridge.sources.weights import find_weights
from weighbridge.tuning import TuneSettings
from weighbridge.tuning.registry import find_method

# peft asks transformers by a name that transformers has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
PROBE = torch.arange(5, 60)[None]
QLORA = find_method("qlora")
SETTINGS = TuneSettings(method="qlora", rank=4, learning_rate=5e-3, batch_size=4, max_steps=3)


def plain(folder):
    return read_model(folder, torch.float32, "cpu")


def logits_of(module):
    module.eval()
    with torch.no_grad():
        return module(input_ids=PROBE, use_cache=False).logits


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return rows_of(write_rows(tmp_path_factory.mktemp("rows") / "t.jsonl", 12))


@pytest.fixture(scope="module")
def tuned(tiny_model, rows, tmp_path_factory):
    """The folder of an adapter."""
    folder = tmp_path_factory.mktemp("tuned") / "run"
    return run(plain(tiny_model), folder, rows, settings=SETTINGS).artefact


@pytest.mark.parametrize(
    "dtype", [pytest.param(torch.float32, marks=pytest.mark.slow), torch.bfloat16]
)
def test_read_into_four_bits_or_put_there_later_it_comes_to_the_same_bits(dtype, rows, tmp_path):
    folder = build_tiny_model(tmp_path / "base")
    AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).save_pretrained(folder)
    whole = read_with_notes(folder, torch.float32, "cpu")
    four = read_with_notes(folder, torch.float32, "cpu", four_bits=True)
    assert four.digest == whole.digest  # of the weights themselves: one base, one name
    assert {p.dtype for p in four.module.parameters()} == {torch.uint8, torch.float32}
    results = [
        run((read.module, read.tokenizer), tmp_path / name, rows, settings=SETTINGS)
        for read, name in ((whole, "whole"), (four, "four"))
    ]
    assert results[0].artefact_digest == results[1].artefact_digest
    assert results[0].told() == results[1].told()


def test_no_layer_is_held_twice_while_they_are_put_into_four_bits(tiny_model, monkeypatch):
    module, left = plain(tiny_model)[0], []
    chosen = list(nf4.plain_weights(module))
    pack = nf4._Making.packed

    def counted(self, name, layer, *more):
        left.append([n for n in chosen if n in dict(module.named_parameters())
                     and module.get_parameter(n).is_floating_point()])  # fmt: skip
        return pack(self, name, layer, *more)

    monkeypatch.setattr(nf4._Making, "packed", counted)
    nf4.quantise(module)
    assert [len(names) for names in left] == list(range(len(chosen), 0, -1))


def test_it_trains_as_many_numbers_as_peft_does(tiny_model, tmp_path):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    wanted = get_peft_model(plain(tiny_model)[0], config).get_nb_trainable_parameters()[0]
    module = plain(tiny_model)[0]
    with QLORA.prepared(module, SETTINGS, "tiny", tmp_path, []) as model:
        trained = QLORA.trained(model)
        assert sum(p.numel() for p in trained.values()) == wanted
        assert {p.dtype for p in trained.values()} == {torch.float32}
        held = [m for m in model.modules() if nf4.is_held(m)]
        assert len(held) == 12 and not any(m.weight.requires_grad for m in held)


def test_a_merge_is_into_the_numbers_of_four_bits_and_not_into_the_original_ones(
    tiny_model, tuned, tmp_path
):
    four = read_with_notes(tiny_model, torch.float32, "cpu", four_bits=True)
    wanted = logits_of(put_on(four.module, tuned).module)  # as it was trained
    largest = float(wanted.abs().max())
    merged = QLORA.merge(*plain(tiny_model), tuned, tmp_path / "merged", PROBE)
    found = logits_of(AutoModelForCausalLM.from_pretrained(merged.path))
    assert float((found - wanted).abs().max()) < 1e-4 * largest
    again = QLORA.merge(
        *(read_model(tiny_model, torch.float32, "cpu")[0], four.tokenizer), tuned,
        tmp_path / "again", PROBE,
    )  # fmt: skip
    weights = [(path / "model.safetensors").read_bytes() for path in (merged.path, again.path)]
    assert weights[0] == weights[1]

    other = shutil.copytree(tuned, tmp_path / "without")
    (other / RECORD).unlink()  # now nobody knows what it was trained against
    wrong = find_method("lora").merge(*plain(tiny_model), other, tmp_path / "wrong", PROBE)
    apart = logits_of(AutoModelForCausalLM.from_pretrained(wrong.path)) - wanted
    assert float(apart.abs().max()) > 0.05 * largest
    steps = json.loads((merged.path / "weighbridge_lineage.json").read_text())["steps"]
    stated = steps[-1]["facts"]["merged_into"]
    assert stated["digest"] == read_record(tuned).digest
    assert stated["quantization_config"]["bnb_4bit_quant_type"] == "nf4"


def test_validation_leaves_the_base_as_it_is(tiny_model, rows, tuned, tmp_path):
    """bitsandbytes rounds its scales for good in evaluation, on some CPUs."""
    watched = run(plain(tiny_model), tmp_path / "run", rows, rows[:4], settings=SETTINGS)
    assert (watched.artefact / "adapter_model.safetensors").read_bytes() == (
        tuned / "adapter_model.safetensors"
    ).read_bytes()


def test_rows_that_are_no_whole_blocks_stay_as_they_are(tiny_model, tuned, tmp_path):
    record = read_record(tuned)
    assert record.quantization_config["llm_int8_skip_modules"] == [
        "model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj", "lm_head"
    ]  # fmt: skip
    assert record.sentence() == (
        "the base is held in NF4: 12 of 15 linear layers, 61% of all parameters; "
        "not down_proj, lm_head"
    )
    folder = build_tiny_model(tmp_path / "narrow", hidden_size=48)
    with pytest.raises(InputError, match="no linear layer that can be held in 4 bits") as refused:
        nf4.quantise(plain(folder)[0])
    assert "\n" not in str(refused.value)


def test_what_comes_back_as_something_else_is_found_out(tiny_model, monkeypatch):
    library = bitsandbytes()
    unpack = library.functional.dequantize_4bit
    monkeypatch.setattr(
        library.functional, "dequantize_4bit", lambda *given: unpack(*given).flip(0)
    )
    with pytest.raises(WeighbridgeError, match=r"q_proj back with .* of its length lost"):
        nf4.quantise(plain(tiny_model)[0])


@pytest.mark.slow
def test_layers_that_hold_their_weights_the_other_way_round(rows, tmp_path):
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    gpt2 = GPT2LMHeadModel(
        GPT2Config(n_embd=64, n_layer=1, n_head=2, vocab_size=len(tokenizer), n_positions=256)
    )
    gpt2.save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    artefact = run(plain(tmp_path / "gpt2"), tmp_path / "run", rows, settings=SETTINGS).artefact
    four = read_with_notes(tmp_path / "gpt2", torch.float32, "cpu", four_bits=True)
    wanted = logits_of(put_on(four.module, artefact).module)
    merged = QLORA.merge(*plain(tmp_path / "gpt2"), artefact, tmp_path / "merged", PROBE)
    found = logits_of(AutoModelForCausalLM.from_pretrained(merged.path))
    assert float((found - wanted).abs().max()) < 1e-4 * float(wanted.abs().max())


@pytest.mark.slow
def test_another_base_and_another_release_are_refused(tiny_model, rows, tuned, tmp_path):
    other = build_tiny_model(tmp_path / "other")
    model = AutoModelForCausalLM.from_pretrained(other)
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.mul_(1.5)
    with pytest.raises(InputError, match="other weights in four bits than this base's"):
        put_on(model, tuned)

    folder = tmp_path / "run"
    shutil.copytree(tuned.parent, folder)
    (folder / "result.json").unlink()
    begun = dataclasses.replace(read_record(folder), bitsandbytes="0.1.0", digest="sha256:0")
    (folder / RECORD).write_text(begun.text)
    with pytest.raises(InputError, match=r"bitsandbytes 0\.1\.0 on cpu then") as refused:
        run(plain(tiny_model), folder, rows, settings=SETTINGS)
    assert "\n" not in str(refused.value)
    (folder / RECORD).write_text('{"digest": 3}')
    with pytest.raises(InputError, match="can't be read"):
        run(plain(tiny_model), folder, rows, settings=SETTINGS)


def test_a_model_is_another_with_the_adapter_on_other_numbers(tiny_model, tuned, tmp_path):
    with_record = load(find_weights(str(tiny_model), adapter=tuned), cache=tmp_path)
    assert with_record.ref.quantization == "nf4"
    assert any("trained against, not the original ones" in note for note in with_record.notes)
    other = shutil.copytree(tuned, tmp_path / tuned.name)
    (other / RECORD).unlink()
    without = load(find_weights(str(tiny_model), adapter=other), cache=tmp_path)
    assert without.ref.adapter_digest == with_record.ref.adapter_digest
    assert without.ref.settings_digest != with_record.ref.settings_digest


@pytest.mark.slow
def test_the_command_says_what_is_held_and_what_is_merged_into(tiny_model, tmp_path):
    words = [
        "tune", str(tiny_model), "--train", str(write_rows(tmp_path / "t.jsonl", 8)), "--method",
        "qlora", "--max-steps", "1", "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "c"),
        "--merge", str(tmp_path / "merged"), "--threads", "1",
    ]  # fmt: skip
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert "the base is held in NF4: 12 of 15 linear layers" in answer.stdout
    assert "  into the base's numbers in four bits, on which the adapter was trained" in lines
    assert max(map(len, lines[-1:])) <= 80


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes"])
def test_a_base_that_is_quantised_already_is_refused_in_one_line(method, tmp_path):
    folder = build_tiny_model(tmp_path / "base")
    config = folder / "config.json"
    said = {"quant_method": method, "bits": 4, "group_size": 32}
    config.write_text(json.dumps(json.loads(config.read_text()) | {"quantization_config": said}))
    train = write_rows(tmp_path / "t.jsonl", 4)
    words = ["tune", str(folder), "--train", str(train), "--method", "qlora"]
    answer = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "run")])
    assert isinstance(answer.exception, InputError)
    line = str(answer.exception)
    assert f"is quantised already, by {method}" in line and "\n" not in line
    assert "quantised from" in line and not (tmp_path / "run").exists()


def test_the_plan_and_the_run_have_the_same_defaults():
    planned, settings = TuningSetup(method="qlora"), TuneSettings(method="qlora")
    assert planned.rank == settings.rank and planned.targets == settings.target
    assert planned.double_quantised and not planned.quantised_head and not planned.dropout
    assert settings.learning_rate == 2e-4 and "2305.14314" in QLORA.source


def test_nf4_loses_least_of_normal_numbers():
    """Of those, integers lose less than FP4, which is better where few numbers are far out."""
    numbers = torch.randn(256, 640, generator=torch.Generator().manual_seed(0))
    by_kind = {kind: lost(numbers, kind) for kind in ("nf4", "fp4", "int4")}
    assert by_kind["nf4"] == pytest.approx(0.092, abs=0.002)
    assert by_kind["nf4"] < 0.9 * by_kind["int4"] < 0.9 * by_kind["fp4"]
