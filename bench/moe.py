"""A mixture of experts against a dense model of the same active size: time an active parameter.

    python bench/moe.py [--tokens 1024] [--layers 4] [--rounds 5] [--device cpu] [--json]

Mixtral's architecture and Llama's, random weights, as wide as SmolLM2-135M; the experts that a
token is sent to are together as wide as the dense layers. `forward` is a pass without gradients,
`training` a forward and a backward pass with a LoRA of rank 16 on all linear layers and, in the
mixture, on all experts; each in float32 on a CPU and in bfloat16 on a GPU. Both models take turns,
and the medians are compared; with `--threads 1` they are of processor time, which other processes
disturb less. `ratio` is the mixture's time an active parameter over the dense model's; the limit is
1.3. `peft` is the same training step as peft computes it, which adds all experts' updates to their
weights first.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

LIMIT = 1.3
WIDTH, INNER, VOCABULARY, RANK = 576, 1536, 2048, 16
SHAPES = ((4, 2), (8, 2), (16, 4))
"""Experts, and how many a token is sent to."""


def dense(layers: int) -> Any:
    """Return a Llama with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(intermediate_size=INNER, **_common(layers)))


def mixture(layers: int, experts: int, chosen: int) -> Any:
    """Return a Mixtral whose chosen experts are as wide as the dense layers."""
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(
        intermediate_size=INNER // chosen, num_local_experts=experts,
        num_experts_per_tok=chosen, **_common(layers),
    )  # fmt: skip
    return MixtralForCausalLM(config)


def _common(layers: int) -> dict[str, Any]:
    return {
        "hidden_size": WIDTH, "num_hidden_layers": layers, "num_attention_heads": 9,
        "num_key_value_heads": 3, "vocab_size": VOCABULARY, "max_position_embeddings": 8192,
    }  # fmt: skip


def active(model: Any, experts: int = 1, chosen: int = 1) -> float:
    """Count the parameters that a token is multiplied with."""
    return sum(
        parameter.numel() * (chosen / experts if parameter.dim() == 3 else 1)
        for name, parameter in model.named_parameters()
        if "embed_tokens" not in name
    )


def adapted(model: Any, experts: bool) -> Any:
    """Put a LoRA on all linear layers, and on experts."""
    from weighbridge.tuning import TuneSettings
    from weighbridge.tuning.adapters import attached_adapter

    attached = attached_adapter(model, TuneSettings(rank=RANK, experts=experts), "base")
    made = attached.__enter__()
    made.lent = attached  # for as long as the model is used
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return made.train()


def training_pass(model: Any, ids: torch.Tensor, ours: bool) -> Callable[[], None]:
    """Return a forward and a backward pass over the layers."""
    from weighbridge.models.grouped_experts import grouped_experts
    from weighbridge.tuning.fused import fused_lora

    def run() -> None:
        with (
            fused_lora(model) if ours else nullcontext(),
            grouped_experts(model) if ours else nullcontext(),
        ):
            hidden = model.get_base_model().model(input_ids=ids, use_cache=False)
            hidden.last_hidden_state.sum().backward()
        model.zero_grad()

    return run


def forward_pass(model: Any, ids: torch.Tensor) -> Callable[[], None]:
    """Return a pass over the layers without gradients."""

    @torch.no_grad()
    def run() -> None:
        model.model(input_ids=ids, use_cache=False)

    return run


def times(work: dict[str, Callable[[], None]], rounds: int, device: str) -> dict[str, float]:
    """Return the median seconds of each, all in turn."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for at in range(rounds + 1):
        for name, run in work.items():
            _wait(device)
            began = _clock()
            run()
            _wait(device)
            if at:  # the first warms up
                found[name].append(_clock() - began)
    return {name: statistics.median(all_of) for name, all_of in found.items()}


def _clock() -> float:
    """One thread's processor time, which other processes don't disturb; else the clock's."""
    alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    return time.process_time() if alone else time.perf_counter()


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def measure(experts: int, chosen: int, asked: Any) -> dict[str, Any]:
    """Compare one mixture with the dense model."""
    torch.manual_seed(0)
    dtype = torch.float32 if asked.device == "cpu" else torch.bfloat16
    one = dense(asked.layers).to(asked.device, dtype).eval()
    many = mixture(asked.layers, experts, chosen).to(asked.device, dtype).eval()
    sizes = {"dense": active(one), "mixture": active(many, experts, chosen)}
    ids = torch.randint(VOCABULARY, (1, asked.tokens), device=asked.device)
    forward = times(
        {"dense": forward_pass(one, ids), "mixture": forward_pass(many, ids)},
        asked.rounds, asked.device,
    )  # fmt: skip
    one, many = adapted(one, False), adapted(many, True)
    training = times(
        {
            "dense": training_pass(one, ids, True),
            "mixture": training_pass(many, ids, True),
            "peft": training_pass(many, ids, False),
        },
        asked.rounds, asked.device,
    )  # fmt: skip
    share = sizes["dense"] / sizes["mixture"]
    return {
        "experts": experts,
        "chosen": chosen,
        "active_parameters": round(sizes["mixture"]),
        "dense_parameters": round(sizes["dense"]),
        "forward": _figures(forward, share),
        "training": _figures(training, share),
    }


def _figures(seconds: dict[str, float], share: float) -> dict[str, float]:
    ratio = seconds["mixture"] / seconds["dense"] * share
    found = {f"{name}_seconds": round(value, 4) for name, value in seconds.items()}
    return {**found, "ratio": round(ratio, 3)}


def main() -> None:
    """Measure each shape and print a table and, last, one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="default: torch's own")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", action="store_true", help="only the last line")
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    found = []
    if not asked.json:
        print(f"{'experts':<10}{'forward':>10}{'training':>10}{'peft':>10}   time an active "
              "parameter over a dense model's")  # fmt: skip
    for experts, chosen in SHAPES:
        one = measure(experts, chosen, asked)
        found.append(one)
        if not asked.json:
            training = one["training"]
            peft = training["ratio"] * training["peft_seconds"] / training["mixture_seconds"]
            print(
                f"{f'{chosen} of {experts}':<10}{one['forward']['ratio']:>10.2f}"
                f"{training['ratio']:>10.2f}{peft:>10.2f}"
            )
    ratios = [one[which]["ratio"] for one in found for which in ("forward", "training")]
    print(json.dumps({
        "shapes": found, "worst_ratio": max(ratios), "limit": LIMIT,
        "within": max(ratios) <= LIMIT, "tokens": asked.tokens, "device": asked.device,
        "threads": torch.get_num_threads(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
