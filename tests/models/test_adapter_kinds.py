"""Every kind of adapter that the installed peft knows: computed as peft does, or refused."""

import json

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftType, get_peft_model
from peft.config import PromptLearningConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from transformers import AutoModelForCausalLM

from tiny import build_tiny_model
from weighbridge.errors import InputError
from weighbridge.models.engine.scoring import Likelihood, score_tokens
from weighbridge.models.open_weights import load
from weighbridge.sources.weights import find_weights

TOKENS = np.arange(3, 35, dtype=np.int64)
CONTEXT = 4
# What a kind must be told beside its target modules, at the size of the tiny model.
SETTINGS = {
    "ADALORA": {"total_step": 10},
    "C3A": {"block_size": 16},
    "IA3": {"feedforward_modules": []},
    "ROAD": {"group_size": 16},
    "TRAINABLE_TOKENS": {"token_indices": [3, 4, 5]},
    "VBLORA": {"vector_length": 16, "num_vectors": 8},
    "WAVEFT": {"n_frequency": 32},
}
REFUSED = {
    "ADAPTION_PROMPT": "inside the attention", "LILY": "sees the tokens after it",
    "POLY": "which task", "SHADOW": "second network", "XLORA": "runs the model twice",
} | {
    str(kind.value): "puts tokens that are no text before every text"
    for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()
    if issubclass(config, PromptLearningConfig)
}  # fmt: skip
SLOW = ("ADAMSS",)  # its clusters are computed anew
KINDS = sorted(str(kind.value) for kind in PeftType)

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases") / "base"
    build_tiny_model(folder, chat_template=None, max_position_embeddings=256)
    return folder


def config_of(kind):
    config = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType[kind]]
    known = config.__dataclass_fields__
    settings = {"target_modules": ["q_proj", "v_proj"], "r": 4, "task_type": "CAUSAL_LM"}
    if "oft_block_size" in known:
        settings.pop("r")  # one of the two is chosen
    if kind == "TRAINABLE_TOKENS":
        settings.pop("target_modules")
    return config(**{k: v for k, v in settings.items() if k in known}, **SETTINGS.get(kind, {}))


def save_adapter_of(kind, base, folder):
    """Save a trained adapter as others do; return peft's own log-probability of the tokens."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base).eval()
    adapted = get_peft_model(model, config_of(kind)).eval()
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.1)
        adapted.peft_config["default"].base_model_name_or_path = str(base)
        adapted.save_pretrained(folder)
        logits = adapted(input_ids=torch.from_numpy(TOKENS)[None], use_cache=False).logits[0]
    logprobs = logits.log_softmax(-1)
    return sum(float(logprobs[i - 1, TOKENS[i]]) for i in range(CONTEXT, len(TOKENS)))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] if kind in SLOW else [])
        for kind in KINDS
        if kind not in REFUSED
    ],
)
def test_the_engine_gives_what_peft_computes(kind, base, tmp_path):
    expected = save_adapter_of(kind, base, tmp_path / "adapter")
    model = load(find_weights(str(tmp_path / "adapter")), cache=tmp_path / "cache")
    asked = [Likelihood(TOKENS[:CONTEXT], TOKENS[CONTEXT:])]
    (found,) = score_tokens(model.network, asked, model.budget.pack_tokens, lambda *_: None)
    assert found.logprob == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_the_engine_can_not_compute_is_refused_by_its_kind(kind, base, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(base)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(tmp_path / "adapter")
    path = tmp_path / "adapter/adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "peft_type": kind}))
    with pytest.raises(InputError, match=f"of the kind {kind}, which .*{REFUSED[kind]}") as said:
        load(find_weights(str(tmp_path / "adapter")), cache=tmp_path / "cache")
    assert "\n" not in str(said.value)
