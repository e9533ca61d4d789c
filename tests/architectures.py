"""Tiny random models of the architectures that the engine is measured on, and their plain path."""

import contextlib
import functools
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers

from weighbridge.models.engine.generation import CAPACITY_STEP, GenerationJob, write_sequences
from weighbridge.models.engine.scoring import Likelihood

VOCABULARY = 61
SMALL = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 256,
    "initializer_range": 0.3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
WITHOUT_GROUPS = {k: v for k, v in SMALL.items() if k != "num_key_value_heads"}
TWO_KINDS = ["sliding_attention", "full_attention"]
MLA = {
    **SMALL, "num_key_value_heads": 4, "q_lora_rank": 24, "kv_lora_rank": 16,
    "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 20, "n_routed_experts": 4,
    "num_experts_per_tok": 2, "n_shared_experts": 1, "moe_intermediate_size": 32,
    "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
}  # fmt: skip


def _config(name: str, **settings: Any) -> Callable[[], Any]:
    """A configuration by its class's name, looked up only when it is built."""
    return lambda: getattr(transformers, f"{name}Config")(**settings)


ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "llama": _config("Llama", **SMALL),
    "qwen2": _config("Qwen2", **SMALL),
    "qwen2-window": _config(
        "Qwen2", **SMALL, use_sliding_window=True, sliding_window=7, max_window_layers=1
    ),
    "qwen3": _config("Qwen3", **SMALL, head_dim=16),
    "qwen3-moe": _config(
        "Qwen3Moe", **SMALL, head_dim=16, num_experts=4, num_experts_per_tok=2,
        moe_intermediate_size=32,
    ),
    "gemma": _config("Gemma", **SMALL, head_dim=16),
    "gemma2-softcap": _config("Gemma2", **SMALL, head_dim=16, sliding_window=9),
    "gemma3-window": _config(
        "Gemma3Text", **SMALL, head_dim=16, sliding_window=9, layer_types=TWO_KINDS
    ),
    "mistral-window": _config("Mistral", **SMALL, sliding_window=9),
    "mixtral": _config("Mixtral", **SMALL, num_local_experts=4),
    "deepseek-v2": _config("DeepseekV2", **MLA),
    "deepseek-v3": _config("DeepseekV3", **MLA),
    "gpt-neox": _config("GPTNeoX", **WITHOUT_GROUPS),
    "gpt2": _config(
        "GPT2", n_embd=64, n_layer=2, n_head=4, n_positions=256, vocab_size=VOCABULARY,
        initializer_range=0.3, bos_token_id=1, eos_token_id=2,
    ),
    "olmo": _config("Olmo", **SMALL),
    "olmo2": _config("Olmo2", **SMALL),
    "olmo3-window": _config("Olmo3", **SMALL, sliding_window=9, layer_types=TWO_KINDS),
    "phi": _config("Phi", **SMALL),
    "phi3": _config("Phi3", **SMALL),
    "gpt-oss": _config(
        "GptOss", **SMALL, head_dim=16, num_local_experts=4, num_experts_per_tok=2,
        sliding_window=9,
    ),
    "smollm3": _config("SmolLM3", **SMALL),
    "cohere": _config("Cohere", **SMALL, logit_scale=0.3),
    "cohere2-window": _config("Cohere2", **SMALL, sliding_window=9, layer_types=TWO_KINDS),
    "granite": _config(
        "Granite", **SMALL, logits_scaling=4.0, embedding_multiplier=3.0,
        residual_multiplier=0.7, attention_multiplier=0.2,
    ),
    "starcoder2-window": _config("Starcoder2", **SMALL, sliding_window=9),
    "glm4": _config("Glm4", **SMALL, head_dim=16),
    "hyperclovax": _config("HyperCLOVAX", **SMALL, logits_scaling=0.25),
    "gemma4-caps": _config(
        "Gemma4Text", **SMALL, head_dim=16, global_head_dim=16, sliding_window=9,
        layer_types=TWO_KINDS, final_logit_softcapping=3.0, num_kv_shared_layers=0,
        hidden_size_per_layer_input=0, vocab_size_per_layer_input=VOCABULARY,
    ),
    "ministral3-query-scale": _config(
        "Ministral3", **SMALL, head_dim=16,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "beta_fast": 32.0,
            "beta_slow": 1.0, "original_max_position_embeddings": 16, "mscale": 1.0,
            "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.3,
        },
    ),
}  # fmt: skip

# Requests can't share what these compute: it depends on neighbours elsewhere than in attention, or
# their attention can't be replaced. The engine must notice by itself.
ONE_BY_ONE: dict[str, Callable[[], Any]] = {
    "granite-mamba": _config(
        "GraniteMoeHybrid", **SMALL, layer_types=["mamba", "attention"], num_local_experts=0,
        mamba_n_heads=8, mamba_d_head=16, mamba_n_groups=1, mamba_d_state=16,
        shared_intermediate_size=96,
    ),
    "lfm2-convolution": _config(
        "Lfm2", **SMALL, layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False
    ),
    "falcon-h1": _config(
        "FalconH1", **SMALL, head_dim=16, mamba_d_ssm=64, mamba_n_heads=4, mamba_d_head=16,
        mamba_d_state=16, lm_head_multiplier=0.25,
    ),
    "mamba": _config(
        "Mamba", hidden_size=64, num_hidden_layers=2, state_size=8, vocab_size=VOCABULARY,
        initializer_range=0.3, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    ),
    "mamba2": _config(
        "Mamba2", hidden_size=64, num_hidden_layers=2, state_size=8, num_heads=8, head_dim=16,
        n_groups=2, chunk_size=16, vocab_size=VOCABULARY, initializer_range=0.3, pad_token_id=0,
        bos_token_id=1, eos_token_id=2,
    ),
    "rwkv": _config(
        "Rwkv", hidden_size=64, num_hidden_layers=2, attention_hidden_size=64,
        intermediate_size=96, vocab_size=VOCABULARY, context_length=256, bos_token_id=1,
        eos_token_id=2,
    ),
    "llama4-chunks": _config(
        "Llama4Text", **SMALL, head_dim=16, intermediate_size_mlp=96, num_local_experts=2,
        num_experts_per_tok=1, attention_chunk_size=9, moe_layers=[1],
    ),
    "stablelm-no-pluggable-attention": _config("StableLm", **SMALL),
    "bloom-alibi": _config(
        "Bloom", hidden_size=64, n_layer=2, n_head=4, vocab_size=VOCABULARY,
        initializer_range=0.3, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    ),
}  # fmt: skip


def build(name: str, **settings: Any) -> Any:
    """A model with random weights, the same at each call."""
    torch.manual_seed(3)
    config = {**ARCHITECTURES, **ONE_BY_ONE}[name]()
    for key, value in settings.items():
        setattr(config, key, value)
    with contextlib.redirect_stderr(io.StringIO()):
        return transformers.AutoModelForCausalLM.from_config(config).eval()


def tokens(rng: np.random.Generator, low: int, high: int) -> np.ndarray[Any, Any]:
    """Random tokens, at least `low` and less than `high` of them."""
    return rng.integers(3, VOCABULARY, int(rng.integers(low, high)))


def tree_of_requests(rng: np.random.Generator, depth: int) -> list[Likelihood]:
    """Requests that share `depth` levels of text before what is their own.

    0: nothing; 1: few-shot examples; 2: the question too; 3: also the beginning of the answers.
    """
    rows = []
    examples = tokens(rng, 18, 22)
    for _ in range(4):
        question = tokens(rng, 2, 15)
        for _ in range(2):
            stem = tokens(rng, 1, 4)
            for _ in range(2):
                levels = [examples, question, stem][:depth]
                own = [tokens(rng, 2, 15)] if depth < 2 else []
                rows.append(Likelihood(np.concatenate([*levels, *own]), tokens(rng, 1, 5)))
    return rows


def plain_scores(
    model: Any, likelihoods: list[Likelihood], *, reads_last: bool = True
) -> list[float]:
    """One request at a time, the model's own attention, all logits.

    The last token predicts nothing that is asked; where a text's length matters, it isn't read.
    """
    scores = []
    for x in likelihoods:
        whole = torch.from_numpy(np.concatenate([x.context, x.continuation]))[None]
        whole = whole if reads_last else whole[:, :-1]
        with torch.no_grad():
            logprobs = model(input_ids=whole, use_cache=False).logits[0].float().log_softmax(-1)
        at = len(x.context) - 1
        picked = [logprobs[at + k, int(t)].item() for k, t in enumerate(x.continuation)]
        scores.append(sum(picked))
    return scores


def plain_text(model: Any, job: GenerationJob) -> list[int]:
    """The plainest path there is: the whole sequence again for each token, no cache."""
    written = job.tokens
    for _ in range(job.max_tokens):
        with torch.no_grad():
            logits = model(input_ids=torch.from_numpy(written)[None], use_cache=False).logits
        written = np.append(written, int(logits[0, -1].argmax()))
    return list(map(int, written[len(job.tokens) :]))


def write(network: Any, jobs: list[GenerationJob], slots: int) -> dict[int, list[int]]:
    """Write all jobs with room for so many at once."""
    memory = slots * CAPACITY_STEP * network.key_value_bytes
    return dict(write_sequences(network, jobs, 64, memory, lambda count: None))


@functools.cache
def plain_model(name: str) -> Any:
    """The model for the plain path: never handed to the engine."""
    return build(name)
