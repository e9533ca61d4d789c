"""`weighbridge inspect` as a person types it: right figures, one line for errors, no torch."""

import json
import re
import subprocess
import sys

import pytest

from anatomy_shapes import configurations
from commands import weighbridge
from weighbridge.catalog.models import find_model

LLAMA = dict(find_model("llama-3-8b").config)
KEYS = (
    "parameters", "active_parameters", "kv_cache_bytes_per_token", "forward_flops_per_token",
    "architecture", "experts", "experts_per_token",
)  # fmt: skip


def inspect(*words, cwd=None, **environment):
    return weighbridge("inspect", *words, cwd=cwd)


def figures(*words, cwd=None):
    done = inspect(*words, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def saved(folder, config):
    (folder / "config.json").write_text(json.dumps(config))
    return folder / "config.json"


def test_a_mixture_s_figures():
    found = figures("mixtral-8x7b")
    assert set(KEYS) <= set(found)
    assert found["parameters"] == 46_702_792_704
    assert found["active_parameters"] == 12_879_925_248
    assert found["kv_cache_bytes_per_token"] == 128 * 1024
    assert (found["experts"], found["experts_per_token"]) == (8, 2)
    assert found["architecture"] == "mixtral"
    assert sum(found["split"].values()) == found["parameters"]
    assert sum(part["forward_flops"] for part in found["parts"]) == found["forward_flops_per_token"]
    head_and_blocks = found["active_parameters"] - found["split"]["embedding"]
    assert found["linear_flops_per_token"] == 2 * (head_and_blocks - found["split"]["norm"])


@pytest.mark.slow
def test_every_way_to_name_a_model_leads_to_the_same_figures(tmp_path):
    path = saved(tmp_path, LLAMA)
    ways = ["llama-3-8b", "meta-llama/Meta-Llama-3-8B", path, tmp_path]
    found = [{key: figures(way)[key] for key in KEYS} for way in ways]
    assert found == [found[0]] * 4 and found[0]["parameters"] == 8_030_261_248


def test_a_hub_repository_is_read_from_the_client_s_cache(tmp_path, monkeypatch):
    commit = "0" * 40
    folder = tmp_path / "models--some--body" / "snapshots" / commit
    folder.mkdir(parents=True)
    saved(folder, LLAMA)
    (tmp_path / "models--some--body" / "refs").mkdir()
    (tmp_path / "models--some--body" / "refs" / "main").write_text(commit)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    found = figures("some/body", "--offline")
    assert found["parameters"] == 8_030_261_248 and found["source"] == f"hub:some/body@{commit}"
    done = inspect("some/one", "--offline")
    assert done.returncode == 2 and "not in the Hub cache" in done.stderr


def test_attention_is_a_function_of_context():
    short, long = (figures("llama-3-8b", "--context", n) for n in (1000, 3000))
    more = long["forward_flops_per_token"] - short["forward_flops_per_token"]
    assert more == 2000 * 4 * 32 * 4096  # 2 · 2 · layers · heads · head width, a token
    assert long["kv_cache_bytes"] == 3000 * 131_072


def test_lora_by_target_and_rank():
    """r · (inputs + outputs): q 4,096 + 4,096 and v 4,096 + 1,024, in 32 layers."""
    found = figures("llama-3-8b", "--rank", 8, "--targets", "q_proj,v_proj")["lora"]
    assert found["trainable_parameters"] == 8 * 32 * (8192 + 5120) == 3_407_872


def test_it_answers_at_once_and_without_torch(tmp_path):
    program = (
        "import sys; sys.argv = ['weighbridge', 'inspect', sys.argv[1], '--json']\n"
        "from weighbridge.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'peft', 'scipy', 'altair', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    for model in ("deepseek-v3", saved(tmp_path, LLAMA)):
        done = subprocess.run(
            [sys.executable, "-c", program, str(model)], capture_output=True, text=True
        )
        assert json.loads(done.stdout)["parameters"]
        assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", ["llama-3-8b", "deepseek-v2", "llama-4-maverick", "gpt2"])
def test_the_table_fits_eighty_columns(name):
    done = inspect(name)
    assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_picture_shows_every_part_with_its_figures(ending, tmp_path):
    path = tmp_path / f"mixtral.{ending}"
    assert figures("mixtral-8x7b", "--image", path)["image"] == str(path)
    data = path.read_bytes()
    if ending == "png":
        assert data.startswith(b"\x89PNG") and len(data) > 10_000
        return
    for words in ("routed experts", "45.1 B", "key-value cache", "134 MB", "46.7 B", "26.0 G"):
        assert words in data.decode()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def without(*names):
    return {key: value for key, value in LLAMA.items() if key not in names}


BAD_CONFIGS = {
    "missing": (without("hidden_size", "vocab_size"), "lacks hidden_size, vocab_size"),
    "no model_type": (without("model_type"), "has no model_type"),
    "unknown": ({**LLAMA, "model_type": "lama"}, r"unknown architecture.*did you mean llama"),
    "far off": ({**LLAMA, "model_type": "zzz"}, "nothing is guessed"),
    "kv heads": ({**LLAMA, "num_key_value_heads": 5}, "heads is 32 and num_key_value_heads 5"),
    "heads": ({**LLAMA, "num_attention_heads": 24}, "hidden_size is 4,096 and num_attention_heads"),
    "negative": ({**LLAMA, "num_hidden_layers": -1}, "num_hidden_layers is -1"),
    "zero": ({**LLAMA, "vocab_size": 0}, "vocab_size is 0"),
    "text": ({**LLAMA, "hidden_size": "4096"}, "hidden_size is '4096'"),
    "fraction": ({**LLAMA, "hidden_size": 4096.5}, r"hidden_size is 4096\.5"),
    "flag": ({**LLAMA, "tie_word_embeddings": "no"}, "tie_word_embeddings is 'no'"),
    "endless": ({**LLAMA, "num_hidden_layers": 10**9}, "at most 10,000"),
    "experts": (
        {**find_model("mixtral-8x7b").config, "num_experts_per_tok": 9},
        "num_experts_per_tok is 9 and num_local_experts 8",
    ),
    "kinds": (
        {**configurations("gemma2")[0], "layer_types": ["full_attention"]},
        "layer_types has 1 entries and num_hidden_layers is 3",
    ),
    "kind": (
        {**configurations("gemma2")[0], "layer_types": ["linear_attention"] * 3},
        "layer_types is 'linear_attention'",
    ),
    "nested": ({**find_model("gemma-3-4b").config, "text_config": 3}, "text_config is 3"),
    "beyond": ({**LLAMA, "hidden_size": 10**300}, "at most 1,099,511,627,776"),
    "classifier": (
        {**LLAMA, "architectures": ["LlamaForSequenceClassification"]},
        "expected a language model, such as LlamaForCausalLM",
    ),
    "dense llama 4": (
        {**configurations("llama4_text")[0], "moe_layers": [7]},
        r"moe_layers is 7; expected layers from 0 to 2",
    ),
    "vision": (
        {**find_model("gemma-3-4b").config, "vision_config": {"hidden_size": 3}},
        "vision_config",
    ),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_configuration_that_is_wrong_is_one_line(case, tmp_path):
    config, said = BAD_CONFIGS[case]
    done = inspect(saved(tmp_path, config))
    assert done.returncode == 2 and done.stdout == ""
    assert re.search(said, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"), (b"{", "expected JSON"), (b"[1, 2]", "holds a JSON list"),
        (b"\xff\xfe\x00", "not UTF-16"), (b"[" * 100_000, "nested deeper"), (b"3", "a JSON int"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_one_line(content, said, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    done = inspect(tmp_path)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.json"], "no file at nowhere.json"),
        (["nowhere.gguf"], "no file at nowhere.gguf"),
        (["llama-3-8"], "did you mean llama-3-8b"),
        (["."], "has no config.json"),
        (["llama-3-8b", "--targets", "q_prj"], "did you mean q_proj"),
        (["llama-3-8b", "--targets", ","], "all-linear, or names"),
        (["llama-3-8b", "--rank", "0"], "--rank"),
        (["llama-3-8b", "--context", "0"], "--context"),
        (["llama-3-8b", "--image", "x.pdf"], "ends in .svg or .png"),
        (["llama-3-8b", "--image", "nowhere/x.svg"], "no folder nowhere"),
    ],
)
def test_bad_words_are_one_line(words, said, tmp_path):
    done = inspect(*words, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
