"""A small decoder of Llama's architecture, or Mixtral's where it has experts.

It computes what transformers' `LlamaForCausalLM` and `MixtralForCausalLM` compute from the same
weights (a test compares them), with fewer and larger operations.
"""

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weighbridge.planning.scaling.ladder import HEAD_WIDTH, VOCABULARY, Shape

_EPS, _THETA = 1e-5, 10_000.0
_EMBEDDING_STD = 1.5
"""Standard deviation of the embeddings times the square root of the width. Found by experiment:
smaller embeddings raise the loss of the smallest models by a tenth of a nat."""


class WeightMaker(Protocol):
    """Makes a parameter of a given size from a normal distribution."""

    def __call__(self, *size: int, std: float) -> nn.Parameter:
        """Return the parameter."""
        ...


class Decoder(nn.Module):
    """A decoder with tied embeddings.

    Args:
        shape: Size of the model.
        context_tokens: Length of the longest sequence.
        seed: Seed of the initial weights.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape, context_tokens: int, seed: int) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        width = shape.hidden

        def weight(*size: int, std: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*size, generator=rng) * std)

        self.shape = shape
        self.embedding = weight(VOCABULARY, width, std=_EMBEDDING_STD / math.sqrt(width))
        self.layers = nn.ModuleList(Layer(shape, weight) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(width))
        speeds = _THETA ** -(torch.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH)
        angles = torch.outer(torch.arange(context_tokens).float(), speeds)
        # Rotations of q and k at once, (tokens, 1, 1, head): x cos + swapped halves of x times sin.
        cos, sin = angles.cos(), angles.sin()
        self.register_buffer("cos", torch.cat([cos, cos], -1)[:, None, None], False)
        self.register_buffer("sin", torch.cat([-sin, sin], -1)[:, None, None], False)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Predict each next token.

        Args:
            tokens: Integers, (sequences, tokens).

        Returns:
            Logits, (sequences · tokens, vocabulary), and how unevenly experts are used: 1 is even,
            and 0 stands for a dense model.
        """
        length = tokens.shape[1]
        cos, sin = self.cos[:length], self.sin[:length]
        states = self.embedding[tokens.reshape(-1)]
        uneven = states.new_zeros(())
        for layer in self.layers:
            states, layer_uneven = layer(states, cos, sin)
            uneven = uneven + layer_uneven
        states = F.rms_norm(states, (self.shape.hidden,), self.norm, _EPS)
        return F.linear(states, self.embedding), uneven / self.shape.layers


class Layer(nn.Module):
    """Attention, then a feed-forward network or a mixture of them."""

    def __init__(self, shape: Shape, weight: WeightMaker) -> None:
        super().__init__()
        width, inner, experts = shape.hidden, shape.inner, shape.experts
        self.width, self.experts, self.active = width, experts, shape.experts_per_token
        into = 1 / math.sqrt(width)
        # Each layer adds to the states twice. Scaled like this, the sum over all layers has the
        # size of one addition (GPT-2's initialisation).
        added = 1 / math.sqrt(2 * shape.layers)
        self.attention_norm = nn.Parameter(torch.ones(width))
        self.qkv = weight(3 * width, width, std=into)
        self.output = weight(width, width, std=into * added)
        self.feed_norm = nn.Parameter(torch.ones(width))
        several = (experts,) if experts > 1 else ()
        if several:
            self.router = weight(experts, width, std=into / 2)
        self.gate_up = weight(*several, 2 * inner, width, std=into)
        self.down = weight(*several, width, inner, std=added / math.sqrt(inner))

    def forward(self, states: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next states, (rows, width), and how unevenly the layer's experts are used."""
        normed = F.rms_norm(states, (self.width,), self.attention_norm, _EPS)
        states = states + self._attend(normed, cos, sin)
        normed = F.rms_norm(states, (self.width,), self.feed_norm, _EPS)
        if self.experts == 1:
            return states + _gated(normed, self.gate_up, self.down), states.new_zeros(())
        mixed, uneven = self._mixed(normed)
        return states + mixed, uneven

    def _attend(self, normed: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        length = cos.shape[0]
        heads = self.width // HEAD_WIDTH
        qkv = F.linear(normed, self.qkv).view(-1, length, 3, heads, HEAD_WIDTH)
        turned = qkv[:, :, :2]
        turned = turned * cos + turned.roll(HEAD_WIDTH // 2, -1) * sin
        q, k, v = (
            part.transpose(1, 2) for part in (*turned.unbind(2), qkv[:, :, 2])
        )  # (sequences, heads, tokens, head)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return F.linear(attended.transpose(1, 2).reshape(-1, self.width), self.output)

    def _mixed(self, normed: Tensor) -> tuple[Tensor, Tensor]:
        """Send each row through its experts; no row is dropped, however uneven the load.

        The unevenness is Switch's auxiliary loss (Fedus et al. 2021, arXiv:2101.03961, eq. 4):
        experts · Σ share of assignments · mean probability.
        """
        chances = F.linear(normed, self.router).softmax(-1)
        best, chosen = chances.topk(self.active, -1)
        share = best / best.sum(-1, keepdim=True)
        assigned = chosen.reshape(-1)
        order = assigned.argsort(stable=True)
        counts = torch.bincount(assigned, minlength=self.experts)
        by_expert = normed[order // self.active].split(counts.tolist())
        computed = torch.cat([
            _gated(rows, gate_up, down)
            for rows, gate_up, down in zip(
                by_expert, self.gate_up.unbind(), self.down.unbind(), strict=True
            )
        ])  # fmt: skip
        back = computed[order.argsort()].view(-1, self.active, self.width)
        uneven = self.experts * (counts / counts.sum() * chances.mean(0)).sum()
        return (back * share[..., None]).sum(1), uneven


def _gated(rows: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    gate, up = F.linear(rows, gate_up).chunk(2, -1)
    return F.linear(F.silu(gate) * up, down)
