"""One command follows a model from base over adapter and merge to GGUF, and says what changed."""

import json
import warnings

import pytest
from test_cli import weighbridge

from gguf_file import write_gguf
from tiny import build_tiny_model

OWN = """data = "test.jsonl"
prompt = "{q}"
choices = "c"
target = "a"
"""


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Base, adapter on it, both merged, and the merged model as an 8-bit GGUF file."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from weighbridge.tuning.merging import merge_adapter

    folder = tmp_path_factory.mktemp("stages")
    base = build_tiny_model(folder / "base")
    module = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # peft asks for a name that is on its way out
        get_peft_model(module, config).save_pretrained(folder / "adapter")
    module = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(base)
    probe = torch.arange(3, 40)[None]
    merge_adapter(module, tokenizer, folder / "adapter", folder / "merged", probe)
    gguf = write_gguf(folder / "merged", folder / "merged-q8.gguf")
    rows = [
        {"q": f"question {i}", "c": ["one", "two", "three", "four"], "a": "ABCD"[i % 4]}
        for i in range(80)
    ]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "own.toml").write_text(OWN)
    return folder, (str(base), f"{base}+{folder / 'adapter'}", str(folder / "merged"), str(gguf))


def test_each_step_of_a_lineage_is_compared_with_the_one_before(stages, tmp_path):
    folder, models = stages
    own = folder / "own.toml"
    # A margin wide enough for 80 items: the weights are random, so nothing is known or unlearnt.
    asked = ("lineage", *models, "-b", own, "--margin", 0.4, "--cache", tmp_path / "cache")
    done = weighbridge(*asked, "--json", cwd=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    (found,) = json.loads(done.stdout)["lineages"]
    tuned, merged, quantised = found["steps"]
    assert [len(found["stages"]), tuned["answers"]] == [4, 80]
    # An adapter changes the model; a merge only rounds; eight bits move likelihoods a little.
    assert tuned["changed"] > 20 and tuned["logprob_shift"] > 0.5
    assert merged["changed"] == 0 and merged["logprob_shift"] < 1e-2
    assert merged["joint_verdict"] == "equivalent" and merged["difference"] == 0
    assert merged["logprob_shift"] < quantised["logprob_shift"] < tuned["logprob_shift"]
    assert found["whole"]["run_a"] == found["stages"][-1]["run"]
    assert found["whole"]["run_b"] == found["stages"][0]["run"]
    shown = weighbridge(*asked, cwd=tmp_path)
    assert shown.returncode == done.returncode and "the whole way" in shown.stdout
    assert "0 of 80 answers changed" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_a_stage_that_is_the_same_weights_is_the_same_run(stages, tmp_path):
    folder, models = stages
    done = weighbridge("lineage", models[0], models[0], "-b", folder / "own.toml", cwd=tmp_path)
    assert done.returncode == 0 and "the same weights" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{base}"], "two or more models"),
        (["{base}", "{base}-"], "unknown model"),
        (["{base}", "{base}", "--margin", "1.5"], "margin 1.5"),
    ],
)
def test_bad_input_is_one_line(words, said, stages, tmp_path):
    folder, models = stages
    words = [word.format(base=models[0]) for word in words]
    done = weighbridge("lineage", *words, "-b", folder / "own.toml", cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
