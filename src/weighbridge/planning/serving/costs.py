"""What one step of a served model costs a group of accelerators, at their peaks.

Formulae (numbers by `Footprint`, n accelerators of a group, B sequences in it):

    decode   max of reading and multiplying, softened, then exchanging, then a time for each layer
             reading      (step + coverage(B) experts) / n + B cache(context) / shards
             multiplying  B flops / n
             exchanging   two all-reduces of the residual stream a layer, or for data-parallel
                          attention a dispatch to experts and back
    prefill  flops of a prompt's tokens / n, and their exchange
    rate     B / (decode + B I/O prefill) output tokens a second, in a steady state in which each
             sequence that ends makes place for a new prompt

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
_DISPATCHED_BYTES = 3  # out in 8 bits, back in 16
RESERVED_BYTES = 4e9
"""Of each accelerator, for activations, graphs and the engine's own buffers."""
NETWORK_BYTES_PER_SECOND = 50e9
"""Of one accelerator to others beyond those it is linked to: a network of 400 Gb/s each."""
USABLE = 0.93
"""Share of an accelerator's memory that an engine takes for weights and cache."""
MAX_SEQUENCES = 2048
"""Sequences that an engine runs at once in a group; with data-parallel attention, on each one."""


@dataclass(frozen=True)
class Rates:
    """Shares of the hardware's peaks that engines reach, common to all cells.

    A cell (architecture class, accelerator, precision) has a factor of its own beside them.

    Attributes:
        reading: Share of the memory's bandwidth.
        decoding: Share of the arithmetic's peak while decoding.
        prefilling: Share of it in prefill.
        exchanging: Share of the link's bandwidth.
        expert_reading: Share of the bandwidth while reading routed experts.
        expert_multiplying: Share of the peak in routed experts' small products.
        layer_seconds: Of each layer, whatever its work: launches and small kernels.
        expert_seconds: Of each layer with routed experts, beside that: routing and sorting.
        mixer_seconds: Of each layer whose attention is to a latent or a state, beside that.
        exchange_seconds: Of each layer of a group, beside its bytes.
        passes: How often a layer reads or writes the residual stream of each token.
        step_seconds: Of each step: scheduling.
        sequence_seconds: Of each sequence in a step: sampling, and what the host does for it.
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
"""The roofline itself."""


@dataclass(frozen=True)
class Costs:
    """What a step costs one accelerator of a group.

    Attributes:
        step_read: Bytes of weights that each step reads.
        expert_read: Bytes of routed experts, if all are read.
        miss: Chance that a token leaves an expert out.
        sequence_read: Bytes of cache that one sequence of the group takes here.
        decode_flops: For one token of the group, without routed experts.
        prefill_flops: For one token of a prompt, without routed experts.
        expert_flops: For one token of either in routed experts.
        stream: Bytes of the residual stream of one token over all layers, with its copies for
            experts.
        decode_exchange: Bytes sent for one token of the group.
        prefill_exchange: Bytes sent for one token of a prompt.
        layers: Their number.
        expert_layers: Those with routed experts.
        mixer_layers: Those that attend to a latent, or carry a state.
        shared: 1 for a group of several, else 0.
        stages: Of a pipeline.
        bandwidth: Bytes a second of its memory.
        flops: Its peak.
        link: Bytes a second to its neighbours.
        prompts: Input tokens for one output token.
        most: Largest batch of the group by memory and by what engines run.
        replicas: Groups.
    """

    step_read: Number
    expert_read: Number
    miss: Number
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
    most: Number
    replicas: Number


def stack(rows: Sequence[Costs]) -> Costs:
    """Return many rows as one, with an array in each field."""
    return Costs(**{f.name: np.array([getattr(r, f.name) for r in rows]) for f in fields(Costs)})


def decode_seconds(costs: Costs, batch: Number, rates: Rates) -> Number:
    """Return how long one decoding step of a group takes."""
    c = costs
    coverage = 1 - c.miss ** (batch / c.stages)
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
    """Return output tokens a second of all groups, each with a batch of its own."""
    step = decode_seconds(costs, batch, rates)
    step = step + batch * costs.prompts * prefill_seconds(costs, rates)
    return costs.replicas * batch / step


def ceiling(costs: Costs, batch: Number) -> Number:
    """Return the rate that no software exceeds: the longer of reading and multiplying, at peak."""
    c = costs
    coverage = 1 - c.miss ** (batch / c.stages)
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
        model: What is served.
        machine: On what.
        layout: How it is spread.
        input_tokens: Of a prompt, on the average.
        output_tokens: Of an answer, on the average.
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
        miss=_miss(model),
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
        most=largest_batch(model, machine, layout, context),
        replicas=layout.replicas,
    )


def mean_context(input_tokens: float, output_tokens: float, spread: float = 0.0) -> int:
    """Return the tokens that a running sequence has at an arbitrary moment, on the average.

    A long answer runs for longer, so it is found running more often: I + E[O^2] / 2 E[O].
    """
    return max(1, round(input_tokens + output_tokens * (1 + spread**2) / 2))


def cache_shards(model: Footprint, layout: Layout) -> float:
    """Return over how many accelerators one sequence's cache is spread.

    Key-value heads are shared out; where there are fewer than accelerators they are held several
    times, as a latent is by all of them, unless attention is data parallel.
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
    """Return the bytes of one accelerator that are left for the cache; below 0 if it can't fit."""
    return machine.memory_bytes * USABLE - RESERVED_BYTES - held_weights(model, layout)


def largest_batch(
    model: Footprint, machine: Accelerator, layout: Layout, context_tokens: int
) -> float:
    """Return how many sequences of a length a group holds at once, as an engine would run them."""
    room = cache_room(model, machine, layout)
    each = model.sequence_bytes(context_tokens) / cache_shards(model, layout)
    most = MAX_SEQUENCES * (layout.tensor if layout.data_attention else 1)
    if each <= 0:
        return float(most) if room > 0 else 0.0
    return max(0.0, min(float(most), float(int(room / each))))


def _miss(model: Footprint) -> float:
    experts = model.architecture.experts
    return 1 - model.architecture.experts_per_token / experts if experts else 0.0


def _exchange_bytes(model: Footprint, layout: Layout) -> float:
    """Bytes that one accelerator sends for one token of the group."""
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
    """Bytes of the residual stream of one token, and of its copies that experts take."""
    architecture = model.architecture
    stream = architecture.hidden_size * len(architecture.layers) * _RESIDUAL_BYTES
    copies = architecture.experts_per_token
    share = layout.group if layout.data_attention else layout.stages
    return stream * (1 + copies) / share
