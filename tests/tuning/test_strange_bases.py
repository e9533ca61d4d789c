"""What a base, a file or a folder may hold that training should be told of before it begins."""

import json

import pytest
import torch
from test_tuning import rows_of, run, write_rows

from every_architecture import build_tiny
from weighbridge.errors import InputError
from weighbridge.models.reading import read_model
from weighbridge.sources.documents import parse_json
from weighbridge.tuning.adapters import attached_adapter
from weighbridge.tuning.merging import require_free
from weighbridge.tuning.settings import TuneSettings


def test_a_token_without_a_row_is_named(tiny_model, tmp_path):
    module, tokenizer = read_model(tiny_model, torch.float32, "cpu")
    path = write_rows(tmp_path / "t.jsonl", 1)
    row = json.loads(path.read_text())
    row["messages"][-1]["content"] = "<far>"
    path.write_text(json.dumps(row) + "\n")
    tokenizer.add_tokens(["<far>"])
    with pytest.raises(InputError, match=r"holds the token '<far>' \(\d+\), and the model's"):
        run((module, tokenizer), tmp_path / "run", rows_of(path))


@pytest.mark.parametrize("below", ["file/m", "file/deep/er"])
def test_a_merge_below_a_file_is_refused_at_once(tmp_path, below):
    (tmp_path / "file").write_text("keep")
    with pytest.raises(InputError, match="is no folder"):
        require_free(tmp_path / below)
    assert (tmp_path / "file").read_text() == "keep"


def test_a_merge_into_new_folders_is_free(tmp_path):
    require_free(tmp_path / "a" / "b" / "c")
    assert list(tmp_path.iterdir()) == []  # looked at, and not made


@pytest.mark.parametrize("cls", ["Mamba", "Mamba2"])
def test_layers_that_a_recurrence_reads_for_itself_are_named_with_those_that_it_does_not(cls):
    import transformers

    shape = {"num_heads": 8, "head_dim": 16, "n_groups": 1} if cls == "Mamba2" else {}
    config = getattr(transformers, f"{cls}Config")(
        hidden_size=64, num_hidden_layers=1, vocab_size=50, state_size=8, **shape
    )
    module = getattr(transformers, f"{cls}ForCausalLM")(config)

    def attached(target):
        with attached_adapter(module, TuneSettings(target=target, rank=2), "base") as adapted:
            return [name for name, p in adapted.named_parameters() if p.requires_grad]

    with pytest.raises(InputError, match=r"target out_proj of .*would change nothing.*in_proj"):
        attached(("in_proj", "out_proj"))
    with pytest.raises(InputError, match=r"target nothing .*that this model has: .*in_proj"):
        attached(("nothing",))
    every = attached("all-linear")
    assert every and not any("out_proj" in n or "dt_proj" in n for n in every)


@pytest.mark.parametrize(
    ("name", "layer", "is_plain"),
    [("deepseek_v4", "o_a_proj", False), ("falcon", "query_key_value", True)],
)
def test_layers_that_multiply_in_a_way_of_their_own_get_no_adapter(name, layer, is_plain):
    module = build_tiny(name)

    def attached(target):
        with attached_adapter(module, TuneSettings(target=target, rank=2), "base") as adapted:
            return [name for name, p in adapted.named_parameters() if p.requires_grad]

    assert any(layer in name for name in attached("all-linear")) == is_plain
    if is_plain:
        assert attached((layer,))
        return
    with pytest.raises(InputError, match=f"target {layer} of .*DeepseekV4GroupedLinear multiplies"):
        attached((layer, "o_b_proj"))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"a": [\n', "line 7, column 8"),
        ('{"a": [', "line 7, column 8"),
        ('{"a": \r\n', "line 7, column 7"),
        ('{"a":\n\n 1,,\n}', "line 9, column 4"),
        ('{"a" 1}\n', "line 7, column 6"),
    ],
)
def test_a_cut_line_is_named_by_its_own_number(tmp_path, text, where):
    with pytest.raises(InputError, match=where):
        parse_json(tmp_path / "f.jsonl", 7, text)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft's, for its developers
def test_a_model_with_an_adapter_on_it_is_no_base(tiny_model, tmp_path):
    from peft import LoraConfig, get_peft_model

    module, tokenizer = read_model(tiny_model, torch.float32, "cpu")
    adapted = get_peft_model(module, LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM"))
    with pytest.raises(InputError, match="has an adapter on it"):
        run((adapted, tokenizer), tmp_path / "run", rows_of(write_rows(tmp_path / "t.jsonl", 1)))
