"""Computes what one step of a served model costs a group of accelerators.

Formulae (figures of `Footprint`, n accelerators in a group, B sequences in it):

    decode   a soft maximum of reading and multiplying, plus exchanging, plus a time for each layer
             reading      (step + coverage(B) experts) / n + B cache(context) / shards
             multiplying  B flops / n
             exchanging   two all-reduces of the residual stream a layer, or for data-parallel
                          attention a dispatch to experts and back
    prefill  flops of a prompt's tokens / n, and their exchange
    rate     B / (decode + B I/O prefill) output tokens a second for I input and O output tokens, in
             a steady state in which a new prompt takes the place of each sequence that ends

Every field is a number, or an array with one number for each of many measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from weighbridge.catalog.accelerators import Accelerator
from weighbridge.planning.serving.footprint import Footprint
from weighbridge.planning.serving.layout import Layout
from weighbridge.planning.serving.precision import arithmetic_flops

Number: TypeAlias = float | npt.NDArray[np.float64]
_SOFTNESS = 2.0
_RESIDUAL_BYTES = 2  # the residual stream is exchanged in 16 bits
_DISPATCHED_BYTES = 3  # to the experts in 8 bits, back in 16
RESERVED_BYTES = 4e9
"""Memory of each accelerator for activations, graphs and the engine's own buffers."""
NETWORK_BYTES_PER_SECOND = 50e9
"""Bandwidth to accelerators beyond those that one is linked to: a network of 400 Gb/s for each."""
USABLE = 0.93
"""Share of an accelerator's memory that an engine takes for weights and cache."""
MAX_SEQUENCES = 2048
"""Most sequences that an engine runs at once in a group, or on each accelerator of a group with
data-parallel attention."""


@dataclass(frozen=True)
class Rates:
    """Shares of the hardware's peaks that engines reach, common to all cells.

    Each cell (architecture class, accelerator, precision) has a factor of its own on top.

    Attributes:
        reading: Share of the memory's bandwidth.
        decoding: Share of the arithmetic's peak while decoding.
        prefilling: Share of the arithmetic's peak in prefill.
        exchanging: Share of the link's bandwidth.
        expert_reading: Share of the memory's bandwidth while reading routed experts.
        expert_multiplying: Share of the arithmetic's peak in routed experts' small products.
        layer_seconds: Fixed time of each layer: launches and small kernels.
        expert_seconds: Additional time of each layer with routed experts: routing and sorting.
        mixer_seconds: Additional time of each layer with a latent or a recurrent state.
        exchange_seconds: Fixed time of a group's exchange in each layer, in addition to its bytes.
        passes: How often a layer reads or writes the residual stream of each token.
        step_seconds: Fixed time of each step: scheduling.
        sequence_seconds: Time of each sequence in a step: sampling and the host's work for it.
    """

    reading: float
    decoding: float
    prefilling: float
    exchanging: float
    expert_reading: float
    expert_multiplying: float
    layer_seconds: float
    expert_seconds: float
    mixer_seconds: float
    exchange_seconds: float
    passes: float
    step_seconds: float
    sequence_seconds: float


PEAK = Rates(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""The hardware's peaks without any overhead: the roofline."""


@dataclass(frozen=True)
class Costs:
    """What a step costs one accelerator of a group.

    Attributes:
        step_read: Bytes of weights that each step reads, without routed experts.
        expert_read: Bytes of routed experts, if all are read.
        unchosen_chance: Chance that a token does not choose a given expert.
        sequence_read: Bytes of cache on this accelerator that one sequence of the group takes.
        decode_flops: FLOPs of one decoded token, without routed experts.
        prefill_flops: FLOPs of one token of a prompt, without routed experts.
        expert_flops: FLOPs of one token in routed experts.
        stream: Bytes of the residual stream of one token over all layers, with its copies for
            experts.
        decode_exchange: Bytes sent for one decoded token.
        prefill_exchange: Bytes sent for one token of a prompt.
        layers: Number of layers.
        expert_layers: Number of layers with routed experts.
        mixer_layers: Number of layers that attend to a latent, or carry a recurrent state.
        shared: 1 for a group of several accelerators, else 0.
        stages: Number of pipeline stages.
        bandwidth: Memory bandwidth in bytes a second.
        flops: Peak FLOPs a second.
        link: Bytes a second to the other accelerators of the group.
        prompts: Input tokens for one output token.
        max_batch: Largest batch of the group, by memory and by what engines run.
        replicas: Number of groups.
    """

    step_read: Number
    expert_read: Number
    unchosen_chance: Number
    sequence_read: Number
    decode_flops: Number
    prefill_flops: Number
    expert_flops: Number
    stream: Number
    decode_exchange: Number
    prefill_exchange: Number
    layers: Number
    expert_layers: Number
    mixer_layers: Number
    shared: Number
    stages: Number
    bandwidth: Number
    flops: Number
    link: Number
    prompts: Number
    max_batch: Number
    replicas: Number


def stack(rows: Sequence[Costs]) -> Costs:
    """Return the costs of many rows as one, with an array in each field."""
    return Costs(**{f.name: np.array([getattr(r, f.name) for r in rows]) for f in fields(Costs)})


def decode_seconds(costs: Costs, batch: Number, rates: Rates) -> Number:
    """Return how long one decoding step of a group takes."""
    c = costs
    coverage = 1 - c.unchosen_chance ** (batch / c.stages)
    own = (c.stages * c.step_read + batch * c.sequence_read) / rates.reading
    experts = c.stages * coverage * c.expert_read / rates.expert_reading
    reading = (own + experts) / c.bandwidth
    work = c.decode_flops / rates.decoding + c.expert_flops / rates.expert_multiplying
    multiplying = batch * work / c.flops
    both = (reading**_SOFTNESS + multiplying**_SOFTNESS) ** (1 / _SOFTNESS)
    passing = batch * c.stream * rates.passes / c.bandwidth
    exchanging = batch * c.decode_exchange / (c.link * rates.exchanging)
    each = rates.layer_seconds + c.shared * rates.exchange_seconds
    extra = c.expert_layers * rates.expert_seconds + c.mixer_layers * rates.mixer_seconds
    fixed = c.layers * each + extra + rates.step_seconds + batch * rates.sequence_seconds
    return both + passing + exchanging + fixed


def prefill_seconds(costs: Costs, rates: Rates) -> Number:
    """Return how long a group takes for one token of a prompt."""
    c = costs
    work = c.prefill_flops / rates.prefilling + c.expert_flops / rates.expert_multiplying
    passing = c.stream * rates.passes / c.bandwidth
    return work / c.flops + passing + c.prefill_exchange / (c.link * rates.exchanging)


def output_rate(costs: Costs, batch: Number, rates: Rates) -> Number:
    """Return the output tokens a second of all groups together, each with a batch of this size."""
    step = decode_seconds(costs, batch, rates)
    step = step + batch * costs.prompts * prefill_seconds(costs, rates)
    return costs.replicas * batch / step


def ceiling(costs: Costs, batch: Number) -> Number:
    """Return the rate that no software exceeds, by the longer of reading and multiplying."""
    c = costs
    coverage = 1 - c.unchosen_chance ** (batch / c.stages)
    read = c.stages * (c.step_read + coverage * c.expert_read) + batch * c.sequence_read
    work = c.decode_flops + c.expert_flops + c.prompts * (c.prefill_flops + c.expert_flops)
    return c.replicas * batch / np.maximum(read / c.bandwidth, batch * work / c.flops)


def cost_of(
    model: Footprint,
    machine: Accelerator,
    layout: Layout,
    input_tokens: float,
    output_tokens: float,
    spread: float = 0.0,
) -> Costs:
    """Return what a step costs.

    Args:
        model: The model that is served.
        machine: The accelerator.
        layout: How the model is spread over accelerators.
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        spread: Standard deviation of answers' lengths over their mean; 0 for equal ones.
    """
    size, tensor = layout.group, layout.tensor
    architecture = model.architecture
    layers, latent = architecture.layers, architecture.key_value_heads == 0
    context = mean_context(input_tokens, output_tokens, spread)
    per_sequence = model.sequence_bytes(context)
    shards = cache_shards(model, layout)
    dense_share = layout.stages if layout.data_attention else size
    exchange = _exchange_bytes(model, layout)
    experts, prompt = model.expert_flops, max(1, round(input_tokens))
    return Costs(
        step_read=model.step_bytes / dense_share,
        expert_read=model.expert_bytes / size,
        unchosen_chance=_unchosen_chance(model),
        sequence_read=per_sequence / shards,
        decode_flops=(model.decode_flops(context) - experts) / size,
        prefill_flops=(model.prefill_flops(prompt) / prompt - experts) / size,
        expert_flops=experts / size,
        stream=_stream_bytes(model, layout),
        decode_exchange=exchange,
        prefill_exchange=exchange,
        layers=len(architecture.layers),
        expert_layers=sum(any(w.role == "experts" for w in one.weights) for one in layers),
        mixer_layers=sum(bool(one.state.recurrent) or latent for one in layers),
        shared=float(tensor > 1),
        stages=layout.stages,
        bandwidth=machine.memory_bytes_per_second,
        flops=arithmetic_flops(machine, model.precision),
        link=machine.link_bytes_per_second
        if size <= machine.linked
        else min(machine.link_bytes_per_second, NETWORK_BYTES_PER_SECOND),
        prompts=input_tokens / output_tokens,
        max_batch=largest_batch(model, machine, layout, context),
        replicas=layout.replicas,
    )


def mean_context(input_tokens: float, output_tokens: float, spread: float = 0.0) -> int:
    """Return the mean number of tokens of a running sequence at an arbitrary moment.

    A longer answer runs for longer, so it is more often among the running ones:
    I + E[O^2] / 2 E[O].
    """
    return max(1, round(input_tokens + output_tokens * (1 + spread**2) / 2))


def cache_shards(model: Footprint, layout: Layout) -> float:
    """Return over how many accelerators one sequence's cache is spread.

    Key-value heads are divided among accelerators. Where there are fewer heads than accelerators,
    each is held several times, and a latent is held by all, unless attention is data parallel.
    """
    if layout.data_attention:
        return layout.group
    heads = model.architecture.key_value_heads or 1
    return min(layout.tensor, heads) * layout.stages


def held_weights(model: Footprint, layout: Layout) -> float:
    """Return the bytes of weights on one accelerator."""
    rest = model.weight_bytes - model.expert_bytes
    share = layout.stages if layout.data_attention else layout.group
    return rest / share + model.expert_bytes / layout.group


def cache_room(model: Footprint, machine: Accelerator, layout: Layout) -> float:
    """Return the bytes of one accelerator left for the cache; below 0 if the weights don't fit."""
    return machine.memory_bytes * USABLE - RESERVED_BYTES - held_weights(model, layout)


def largest_batch(
    model: Footprint, machine: Accelerator, layout: Layout, context_tokens: int
) -> float:
    """Return how many sequences of this length a group runs at once, by memory and engine."""
    room = cache_room(model, machine, layout)
    each = model.sequence_bytes(context_tokens) / cache_shards(model, layout)
    most = MAX_SEQUENCES * (layout.tensor if layout.data_attention else 1)
    if each <= 0:
        return float(most) if room > 0 else 0.0
    return max(0.0, min(float(most), float(int(room / each))))


def _unchosen_chance(model: Footprint) -> float:
    experts = model.architecture.experts
    return 1 - model.architecture.experts_per_token / experts if experts else 0.0


def _exchange_bytes(model: Footprint, layout: Layout) -> float:
    """Return the bytes that one accelerator sends for one token of the group."""
    if layout.tensor == 1:
        return 0.0
    tensor, architecture = layout.tensor, model.architecture
    others = (tensor - 1) / tensor
    stream = architecture.hidden_size * len(architecture.layers) / layout.stages
    if layout.data_attention:
        copies = min(architecture.experts_per_token, tensor)
        return stream * copies * _DISPATCHED_BYTES * others / tensor
    return 2 * 2 * stream * _RESIDUAL_BYTES * others


def _stream_bytes(model: Footprint, layout: Layout) -> float:
    """Return the bytes of one token's residual stream and of its copies for experts."""
    architecture = model.architecture
    stream = architecture.hidden_size * len(architecture.layers) * _RESIDUAL_BYTES
    copies = architecture.experts_per_token
    share = layout.group if layout.data_attention else layout.stages
    return stream * (1 + copies) / share
