"""Chooses a ladder of small models to train: their shapes and compute, dense and mixture.

It is an IsoFLOP design (Hoffmann et al. 2022, section 3.2): at each budget there are several sizes,
each trained on as many tokens as the budget pays for. Compute is counted exactly, attention
included, because at these sizes attention is a large part compared with 6ND (DeepSeek LLM,
arXiv:2401.02954, section 3.2).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from weighbridge.errors import InputError
from weighbridge.planning.anatomy import (
    Architecture,
    active_parameters,
    attention_flops,
    linear_flops,
    parameters,
    read_architecture,
)
from weighbridge.records import quantity

VOCABULARY = 256
"""Tokens are bytes, so no tokenizer must be chosen, and embeddings stay small beside the layers."""

HEAD_WIDTH = 16
SMALLEST, LARGEST = 10_000, 5_000_000
"""Smallest and largest number of parameters of a ladder's dense models."""

Role = Literal["dense", "mixture", "held_out", "held_out_mixture"]


@dataclass(frozen=True)
class Shape:
    """A decoder of Llama's architecture, or of Mixtral's where it has experts.

    Attributes:
        hidden: Width of the residual stream.
        layers: Number of layers.
        experts: Experts per layer; 1 is dense.
        experts_per_token: Number of experts that a token goes through. An expert's width is the
            dense block's divided by this number, so that a token uses as many parameters as in the
            dense model, plus the router's.
    """

    hidden: int
    layers: int
    experts: int = 1
    experts_per_token: int = 1

    @property
    def inner(self) -> int:
        """Inner width of one expert: 8/3 of the hidden width, divided by the active experts."""
        return max(1, round(self.hidden / 6)) * 16 // self.experts_per_token

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The equivalent `config.json`, as a dictionary."""
        config: dict[str, Any] = {
            "model_type": "llama" if self.experts == 1 else "mixtral",
            "vocab_size": VOCABULARY,
            "hidden_size": self.hidden,
            "intermediate_size": self.inner,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.hidden // HEAD_WIDTH,
            "num_key_value_heads": self.hidden // HEAD_WIDTH,
            "head_dim": HEAD_WIDTH,
            "tie_word_embeddings": True,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10_000.0,
        }
        if self.experts > 1:
            config |= {
                "num_local_experts": self.experts,
                "num_experts_per_tok": self.experts_per_token,
            }
        return config

    @cached_property
    def architecture(self) -> Architecture:
        """The shape's architecture, as `inspect` reads it from `config`."""
        return read_architecture(self.config, "a ladder's model")

    @property
    def parameters(self) -> int:
        """All parameters."""
        return parameters(self.architecture)

    @property
    def active_parameters(self) -> int:
        """Parameters that a token uses: the N of scaling laws."""
        return active_parameters(self.architecture)

    def training_flops(self, context_tokens: int) -> float:
        """Return a token's forward and backward FLOPs, averaged over a context's positions."""
        first, last = (attention_flops(self.architecture, at) for at in (1, context_tokens))
        return 3 * (linear_flops(self.architecture) + (first + last) / 2)

    def mixture(self, experts: int, experts_per_token: int) -> "Shape":
        """Return the mixture of experts of this shape, which computes as much per token."""
        return Shape(self.hidden, self.layers, experts, experts_per_token)


def nearest_shape(target: float) -> Shape:
    """Return the dense shape of nearest size; very deep and very flat shapes are disfavoured."""

    def away(shape: Shape) -> float:
        aspect = shape.hidden / (20 * shape.layers)
        return abs(math.log(shape.parameters / target)) + 0.1 * abs(math.log(aspect))

    return min(shapes(), key=away)


@cache
def shapes() -> tuple[Shape, ...]:
    """Return every dense shape that a ladder may have."""
    made = (
        Shape(hidden, layers)
        for hidden in range(HEAD_WIDTH, 20 * HEAD_WIDTH, HEAD_WIDTH)
        for layers in range(1, 13)
        if 8 <= hidden / layers <= 48
    )
    return tuple(shape for shape in made if SMALLEST <= shape.parameters <= LARGEST)


@dataclass(frozen=True)
class LadderSettings:
    """Settings of a ladder.

    Attributes:
        largest_flops: The largest budget that laws are fitted to.
        budgets: Number of budgets, each `step` times the one before.
        step: Ratio of two neighbouring budgets.
        sizes: Number of dense sizes at each budget.
        tokens_per_parameter: D/N of the middle size of a budget; tokens are bytes, of which text
            has many, so about 50.
        spread: Largest size of a budget divided by its middle, and the middle by the smallest.
        experts: Number of experts of the mixtures; 0 trains no mixtures.
        experts_per_token: Number of experts that a token goes through.
        mixture_sizes: Number of mixtures at each budget, around the middle size.
        seeds: Number of seeds with which the middle size is trained, dense and as a mixture, at the
            two budgets below the largest.
        held_out: The held-out budget divided by the largest fitted one.
        context_tokens: Number of bytes in a sequence.
        learning_rate: Peak learning rate at a width of 64; for hidden weights it is inversely
            proportional to their width (Yang et al. 2022, arXiv:2203.03466).
        seed: First seed of the ladder.
    """

    largest_flops: float = 1.9e12
    budgets: int = 4
    step: float = 2.7
    sizes: int = 7
    tokens_per_parameter: float = 50.0
    spread: float = 3.6
    experts: int = 8
    experts_per_token: int = 2
    mixture_sizes: int = 3
    seeds: int = 5
    held_out: float = 3.0
    context_tokens: int = 128
    learning_rate: float = 5.5e-3
    seed: int = 0

    @property
    def flops(self) -> tuple[float, ...]:
        """The budgets that laws are fitted to, ascending."""
        powers = range(self.budgets - 1, -1, -1)
        return tuple(float(f"{self.largest_flops / self.step**p:.3g}") for p in powers)

    @property
    def held_out_flops(self) -> float:
        """The budget whose losses are predicted before its models are trained."""
        return float(f"{self.largest_flops * self.held_out:.3g}")


@dataclass(frozen=True)
class Rung:
    """One model to train.

    Attributes:
        name: The rung's name, unique in its ladder.
        role: The rung's use: for a fit, or held out.
        shape: The model's shape.
        budget: FLOPs that training may take.
        steps: Number of optimizer steps.
        sequences: Number of sequences in one step.
        context_tokens: Number of bytes in a sequence.
        seed: Seed of the weights and of the data's order; a dense model and the mixture that it is
            compared with have the same.
    """

    name: str
    role: Role
    shape: Shape
    budget: float
    steps: int
    sequences: int
    context_tokens: int
    seed: int

    @property
    def tokens(self) -> int:
        """D: the number of bytes seen."""
        return self.steps * self.sequences * self.context_tokens

    @property
    def flops(self) -> float:
        """C: the exact number of FLOPs, attention included."""
        return self.tokens * self.shape.training_flops(self.context_tokens)


def check_experts(experts: int) -> None:
    """Refuse a mixture in which every token would use all experts.

    Raises:
        InputError: There would be as many experts as a token goes through, or fewer.
    """
    least = LadderSettings.experts_per_token + 1
    if experts and experts < least:
        raise InputError(
            f"--experts {experts}",
            f"at least {least}, of which a token meets {least - 1}; or 0 for dense models only",
        )


def rungs(settings: LadderSettings) -> tuple[Rung, ...]:
    """Return the models of a ladder, each once; the held-out ones come last.

    Raises:
        InputError: A budget has too few sizes between 10,000 and 5 million parameters, or the seed
            is below 0.
    """
    if settings.seed < 0:
        raise InputError(f"--seed {settings.seed}", "0 or more")
    made = {rung.name: rung for rung in _fitted(settings)}
    middle = nearest_shape(_middle(settings.held_out_flops, settings))
    for rung in _pair(settings, middle, settings.held_out_flops, settings.seed, held_out=True):
        made[rung.name] = rung
    return tuple(made.values())


def _fitted(settings: LadderSettings) -> Iterator[Rung]:
    for flops in settings.flops:
        sizes = _sizes(flops, settings)
        for shape in sizes:
            yield _rung(settings, "dense", shape, flops, settings.seed)
        if settings.experts:
            start = max(0, (len(sizes) - settings.mixture_sizes) // 2)
            for shape in sizes[start : start + settings.mixture_sizes]:
                mixture = shape.mixture(settings.experts, settings.experts_per_token)
                yield _rung(settings, "mixture", mixture, flops, settings.seed)
    for flops in settings.flops[-3:-1]:
        sizes = _sizes(flops, settings)
        shape = sizes[len(sizes) // 2]
        for repeat in range(settings.seeds):
            yield from _pair(settings, shape, flops, settings.seed + repeat)


def _pair(
    settings: LadderSettings, shape: Shape, flops: float, seed: int, held_out: bool = False
) -> Iterator[Rung]:
    yield _rung(settings, "held_out" if held_out else "dense", shape, flops, seed)
    if settings.experts:
        mixture = shape.mixture(settings.experts, settings.experts_per_token)
        yield _rung(settings, "held_out_mixture" if held_out else "mixture", mixture, flops, seed)


def _middle(flops: float, settings: LadderSettings) -> float:
    return math.sqrt(flops / (6 * settings.tokens_per_parameter))


def _sizes(flops: float, settings: LadderSettings) -> list[Shape]:
    """Return a budget's dense shapes, ascending; one that fits two target sizes counts once."""
    middle = _middle(flops, settings)
    half = (settings.sizes - 1) / 2
    targets = (middle * settings.spread ** ((i - half) / half) for i in range(settings.sizes))
    wanted = [t for t in targets if SMALLEST / 1.2 <= t <= LARGEST]
    found = sorted({nearest_shape(t) for t in wanted}, key=lambda shape: shape.parameters)
    if len(found) < 5:
        raise InputError(
            f"{len(found)} sizes at {flops:.3g} FLOPs: the best one would have about "
            f"{quantity(middle)} parameters",
            f"5 between {SMALLEST:,} and {LARGEST:,} parameters",
            f"choose a {'larger' if middle < 1e5 else 'smaller'} budget with --largest",
        )
    return found


def _rung(settings: LadderSettings, role: Role, shape: Shape, flops: float, seed: int) -> Rung:
    tokens = flops / shape.training_flops(settings.context_tokens)
    # Longer runs get larger batches, because their gradient gets small compared with its noise.
    sequences = max(4, round(4 * math.sqrt(tokens / 2**19)))
    steps = max(1, round(tokens / (sequences * settings.context_tokens)))
    kind = "dense" if shape.experts == 1 else f"{shape.experts}x{shape.experts_per_token}"
    name = f"{flops:.2e}-{kind}-{shape.hidden}x{shape.layers}-seed{seed}".replace("e+", "e")
    return Rung(name, role, shape, flops, steps, sequences, settings.context_tokens, seed)
