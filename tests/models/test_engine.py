"""The engine gives the numbers of a plain forward pass, on several architectures."""

import copy

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.models.engine import generation, tree
from weighbridge.models.engine.generation import CAPACITY_STEP, Job, write_sequences
from weighbridge.models.engine.layout import layout_of, packed
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.scoring import Likelihood, score_tokens
from weighbridge.models.engine.tree import build_tree, cut_into_packs

SMALL = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 61, "max_position_embeddings": 256,
    "initializer_range": 0.3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
ARCHITECTURES = {
    "llama": lambda: transformers.LlamaConfig(**SMALL),
    "qwen2": lambda: transformers.Qwen2Config(**SMALL),
    "qwen3": lambda: transformers.Qwen3Config(**SMALL, head_dim=16),
    "gemma2-softcap": lambda: transformers.Gemma2Config(**SMALL, head_dim=16),
    "mistral-window": lambda: transformers.MistralConfig(**SMALL, sliding_window=9),
    "gemma3-window": lambda: transformers.Gemma3TextConfig(
        **SMALL, head_dim=16, sliding_window=9, layer_types=["sliding_attention", "full_attention"]
    ),
    "qwen2-window": lambda: transformers.Qwen2Config(
        **SMALL, use_sliding_window=True, sliding_window=7, max_window_layers=1
    ),
    "gpt-oss": lambda: transformers.GptOssConfig(
        **SMALL,
        head_dim=16,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=9,
    ),
    "deepseek-v2": lambda: transformers.DeepseekV2Config(
        **(SMALL | {"num_key_value_heads": 4}),
        q_lora_rank=24,
        kv_lora_rank=16,
        qk_nope_head_dim=16,
        qk_rope_head_dim=8,
        v_head_dim=20,
        n_routed_experts=4,
        num_experts_per_tok=2,
        n_shared_experts=1,
        moe_intermediate_size=32,
        first_k_dense_replace=1,
        n_group=1,
        topk_group=1,
    ),
    "phi3": lambda: transformers.Phi3Config(**SMALL),
    "olmo": lambda: transformers.OlmoConfig(**SMALL),
    "mixtral": lambda: transformers.MixtralConfig(**SMALL, num_local_experts=4),
    "olmo2": lambda: transformers.Olmo2Config(**SMALL),
    "gpt-neox": lambda: transformers.GPTNeoXConfig(
        **{k: v for k, v in SMALL.items() if k != "num_key_value_heads"}
    ),
}


def build(name):
    torch.manual_seed(3)
    return transformers.AutoModelForCausalLM.from_config(ARCHITECTURES[name]()).eval()


def questions(rng, count=12):
    """Few-shot prefix, question, choice: the shape of a benchmark, three levels deep."""
    prefix = rng.integers(3, 61, 20)
    rows = []
    for _ in range(count):
        question = np.concatenate([prefix, rng.integers(3, 61, int(rng.integers(2, 15)))])
        rows += [
            Likelihood(question, rng.integers(3, 61, int(rng.integers(1, 4)))) for _ in range(4)
        ]
    return rows


def plainly(model, likelihoods):
    scores = []
    for x in likelihoods:
        whole = torch.from_numpy(np.concatenate([x.context, x.continuation]))[None]
        with torch.no_grad():
            logprobs = model(input_ids=whole).logits[0].float().log_softmax(-1)
        at = len(x.context) - 1
        picked = [logprobs[at + k, int(t)].item() for k, t in enumerate(x.continuation)]
        scores.append(sum(picked))
    return scores


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(("pack_tokens", "cluster_tokens"), [(24, 384), (4096, 384), (4096, 10)])
def test_scores_equal_the_plain_forward_pass(name, pack_tokens, cluster_tokens, monkeypatch):
    monkeypatch.setattr(tree, "CLUSTER_TOKENS", cluster_tokens)
    model = build(name)
    likelihoods = questions(np.random.default_rng(5))
    expected = plainly(copy.deepcopy(model), likelihoods)
    network = Network(model)
    got = score_tokens(network, likelihoods, pack_tokens, lambda done, to_come: None)
    assert not network.why_not
    assert np.allclose([x.logprob for x in got], expected, atol=2e-4)


def test_shared_tokens_are_computed_once():
    computed, to_come = [], []

    def count(tokens, left):
        computed.append(tokens)
        to_come.append(left)

    likelihoods = questions(np.random.default_rng(5))
    score_tokens(Network(build("llama")), likelihoods, 64, count)
    sequences = [np.concatenate([x.context, x.continuation[:-1]]) for x in likelihoods]
    distinct = {tuple(s[: n + 1].tolist()) for s in sequences for n in range(len(s))}
    assert sum(computed) == len(distinct) < sum(map(len, sequences)) / 3
    assert [sum(computed[i + 1 :]) for i in range(len(computed))] == to_come


MIXING = {
    "granite-mamba": lambda: transformers.GraniteMoeHybridConfig(
        **SMALL, layer_types=["mamba", "attention"], num_local_experts=0, mamba_n_heads=8,
        mamba_d_head=16, mamba_n_groups=1, mamba_d_state=16, shared_intermediate_size=96,
    ),
    "lfm2-convolution": lambda: transformers.Lfm2Config(
        **SMALL, layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_tokens_outside_attention_falls_back_and_says_so(name, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, name, MIXING[name])
    model = build(name)
    likelihoods = questions(np.random.default_rng(0))
    expected = plainly(copy.deepcopy(model), likelihoods)
    network = Network(model)
    got = score_tokens(network, likelihoods, 64, lambda done, to_come: None)
    assert "elsewhere than in attention" in network.why_not
    assert np.allclose([x.logprob for x in got], expected, atol=2e-4)


def greedily(model, job):
    """The plainest path there is: the whole sequence again for each token, no cache."""
    tokens = job.tokens
    for _ in range(job.max_tokens):
        with torch.no_grad():
            logits = model(input_ids=torch.from_numpy(tokens)[None], use_cache=False).logits[0, -1]
        tokens = np.append(tokens, int(logits.argmax()))
    return tokens[len(job.tokens) :].tolist()


def write(network, jobs, slots):
    memory = slots * CAPACITY_STEP * network.key_value_bytes
    return dict(write_sequences(network, jobs, 64, memory, lambda count: None))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_greedy_text_equals_that_of_one_sequence_at_a_time(name):
    model = build(name)
    plain = copy.deepcopy(model)
    rng = np.random.default_rng(1)
    jobs = [Job(rng.integers(3, 61, int(rng.integers(1, 40))), int(rng.integers(1, 25)))
            for _ in range(11)]  # fmt: skip
    network = Network(model)
    together = write(network, jobs, 4)
    assert not network.why_not
    assert [together[i] for i in range(len(jobs))] == [greedily(plain, job) for job in jobs]


def test_jobs_are_taken_from_a_stream_a_window_at_a_time(monkeypatch):
    monkeypatch.setattr(generation, "WINDOW", 6)
    network = Network(build("llama"))
    rng = np.random.default_rng(4)
    taken = 0

    def stream():
        nonlocal taken
        for i in range(40):
            taken += 1
            # One needs more positions than all before it, so that slots are laid out anew.
            yield Job(rng.integers(3, 61, 1 + i % 7), 300 if i == 20 else 1 + i % 5)

    memory = 3 * CAPACITY_STEP * network.key_value_bytes
    rng_state = rng.bit_generator.state
    together = {}
    for index, written in write_sequences(network, stream(), 64, memory, lambda count: None):
        together[index] = written
        assert taken - len(together) < 2 * 6
    rng.bit_generator.state = rng_state
    assert [together[i] for i in range(40)] == [write(network, [job], 1)[0] for job in stream()]


def test_no_jobs_is_no_work():
    assert write(_SHARED, [], 4) == {}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.3, 1.5), st.floats(0.5, 1.0))
def test_sampled_text_depends_on_its_own_seed_alone(seed, temperature, top_p):
    network = _SHARED
    rng = np.random.default_rng(seed)
    jobs = [
        Job(rng.integers(3, 61, 6), 8, temperature=temperature, top_p=top_p, seed=seed + i)
        for i in range(5)
    ]
    forwards = write(network, jobs, 2)
    backwards = write(network, jobs[::-1], 3)
    assert [forwards[i] for i in range(5)] == [backwards[4 - i] for i in range(5)]


_SHARED = Network(build("llama"))


def test_gradients_through_shared_prefixes_equal_those_of_separate_rows():
    model = build("llama")
    rng = np.random.default_rng(2)
    prefix = rng.integers(3, 61, 15)
    rows = [np.concatenate([prefix, rng.integers(3, 61, n)]) for n in (4, 9, 9, 1)]
    direction = torch.randn(64, generator=torch.Generator().manual_seed(0))

    for row in rows:
        (model.model(input_ids=torch.from_numpy(row)[None]).last_hidden_state[0, -1] @ direction
         ).backward()  # fmt: skip
    separate = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    network = Network(model)
    tree = build_tree(rows)
    (pack,) = cut_into_packs(tree, 10_000)
    with packed(layout_of(pack, {})):
        hidden = network.causal.model(
            input_ids=torch.from_numpy(pack.tokens)[None],
            position_ids=torch.from_numpy(pack.positions)[None],
            use_cache=False,
        ).last_hidden_state[0]
    ends = [pack.rows_of(leaf)[1] - 1 for leaf in tree.leaf_of]
    (hidden[ends] @ direction).sum().backward()
    for name, parameter in model.named_parameters():
        if name in separate:
            scale = separate[name].abs().max()
            assert torch.allclose(parameter.grad, separate[name], atol=1e-4 * float(scale))
