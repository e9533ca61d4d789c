"""A ladder's training step against transformers' models, on the same weights and bytes.

    python bench/ladder_step.py [--steps 60] [--json]

The peer is what a ladder would otherwise be trained with: transformers' `LlamaForCausalLM` and
`MixtralForCausalLM` in float32, with the same fused AdamW and the same clipping, on one thread.
Mixtral's experts are computed in that way of transformers that is fastest here. Both start from the
same numbers and see the same batches, in turn, ten steps each; `apart` is how far the losses of a
batch differ at most. FLOPs are those of the ladder's budgets.
"""

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from weighbridge.planning.scaling.ladder import Shape
from weighbridge.pretraining.decoder import Decoder

SHAPES = (Shape(16, 2), Shape(32, 3), Shape(48, 4), Shape(96, 4))
MIXTURES = tuple(shape.mixture(8, 2) for shape in SHAPES[1:])
SEQUENCES, LENGTH, AT_ONCE = 8, 128, 10


class Peer:
    """A model of transformers with the numbers of ours."""

    def __init__(self, ours: Decoder, experts: str) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

        shape = ours.shape
        if shape.experts == 1:
            self.model: Any = LlamaForCausalLM(LlamaConfig(**shape.config))
        else:
            config = MixtralConfig(**shape.config, experts_implementation=experts)
            self.model = MixtralForCausalLM(config)
        self.model.load_state_dict(renamed(ours), strict=False)
        self.model.tie_weights()
        self.optimizer = _optimizer(self.model)

    def step(self, batch: torch.Tensor) -> float:
        """Learn a batch and return its loss."""
        loss = functional.cross_entropy(
            self.model(batch[:, :-1]).logits.flatten(0, 1), batch[:, 1:].flatten()
        )
        return _learn(loss, self.model, self.optimizer)


class Ours:
    """The ladder's model. The mixtures' balance is left out, as the peer's is."""

    def __init__(self, model: Decoder) -> None:
        self.model = model
        self.optimizer = _optimizer(model)

    def step(self, batch: torch.Tensor) -> float:
        """Learn a batch and return its loss."""
        logits, _ = self.model(batch[:, :-1])
        loss = functional.cross_entropy(logits, batch[:, 1:].flatten())
        return _learn(loss, self.model, self.optimizer)


def _optimizer(model: Any) -> torch.optim.AdamW:
    return torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), fused=True)


def _learn(loss: Any, model: Any, optimizer: Any) -> float:
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


def renamed(ours: Decoder) -> dict[str, torch.Tensor]:
    """Return our numbers under transformers' names."""
    weights = {"model.embed_tokens.weight": ours.embedding, "model.norm.weight": ours.norm}
    for i, layer in enumerate(ours.layers):
        at = f"model.layers.{i}"
        for name, part in zip("qkv", layer.qkv.chunk(3), strict=True):
            weights[f"{at}.self_attn.{name}_proj.weight"] = part
        weights[f"{at}.self_attn.o_proj.weight"] = layer.output
        weights[f"{at}.input_layernorm.weight"] = layer.attention_norm
        weights[f"{at}.post_attention_layernorm.weight"] = layer.feed_norm
        if ours.shape.experts == 1:
            gate, up = layer.gate_up.chunk(2)
            weights[f"{at}.mlp.gate_proj.weight"] = gate
            weights[f"{at}.mlp.up_proj.weight"] = up
            weights[f"{at}.mlp.down_proj.weight"] = layer.down
        else:
            weights[f"{at}.mlp.gate.weight"] = layer.router
            weights[f"{at}.mlp.experts.gate_up_proj"] = layer.gate_up
            weights[f"{at}.mlp.experts.down_proj"] = layer.down
    return {name: value.detach().clone() for name, value in weights.items()}


def race(shape: Shape, steps: int, experts: str) -> dict[str, Any]:
    """Train both in turn and return seconds of a step, and how far the losses are apart."""
    ours = Ours(Decoder(shape, LENGTH, seed=0))
    peer = Peer(ours.model, experts)
    rng = np.random.default_rng(0)
    batches = [
        torch.from_numpy(rng.integers(0, 256, (SEQUENCES, LENGTH + 1))) for _ in range(steps)
    ]
    seconds, losses = {"ours": 0.0, "peer": 0.0}, {"ours": [], "peer": []}
    for model in (ours, peer):
        model.step(batches[0])  # warm: what is made on the first step
    for start in range(0, steps, AT_ONCE):
        for name, model in (("ours", ours), ("peer", peer)):
            began = time.perf_counter()
            for batch in batches[start : start + AT_ONCE]:
                losses[name].append(model.step(batch))
            seconds[name] += time.perf_counter() - began
    apart = float(np.abs(np.array(losses["ours"]) - np.array(losses["peer"])).max())
    flops = SEQUENCES * LENGTH * shape.training_flops(LENGTH)
    return {
        "shape": f"{shape.hidden}x{shape.layers}"
        + (f", {shape.experts} experts" if shape.experts > 1 else ""),
        "parameters": shape.parameters,
        "ours_ms": 1e3 * seconds["ours"] / steps,
        "peer_ms": 1e3 * seconds["peer"] / steps,
        "ratio": seconds["peer"] / seconds["ours"],
        "gigaflops_per_second": flops / seconds["ours"] * steps / 1e9,
        "apart": apart,
        "experts": experts if shape.experts > 1 else "",
    }


def main() -> None:
    """Race all shapes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = [race(shape, asked.steps, "eager") for shape in SHAPES]
    for shape in MIXTURES:
        tried = [race(shape, asked.steps, way) for way in ("eager", "grouped_mm", "batched_mm")]
        rows.append(min(tried, key=lambda row: row["peer_ms"]))
    if asked.json:
        print(json.dumps({"rows": rows}, indent=1))
        return
    print(f"{'shape':<20}{'parameters':>11}{'ours':>10}{'peer':>10}{'ratio':>7}{'GF/s':>7}  apart")
    for row in rows:
        print(
            f"{row['shape']:<20}{row['parameters']:>11,}{row['ours_ms']:>7.1f} ms"
            f"{row['peer_ms']:>7.1f} ms{row['ratio']:>7.2f}{row['gigaflops_per_second']:>7.1f}"
            f"  {row['apart']:.1e} {row['experts']}".rstrip()
        )


if __name__ == "__main__":
    main()
