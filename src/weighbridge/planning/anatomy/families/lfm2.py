"""LFM 2: gated short convolutions, with attention in some layers."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.lfm import (
    LFM2_NEEDS,
    lfm2_block,
    lfm2_kinds,
    lfm2_layers,
    lfm2_norms,
)
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import assemble, norm, outer_weights, read_heads


def read(fields: Fields) -> Architecture:
    """Read layers of two kinds; the block is narrower than the configuration's number."""
    heads, kinds = read_heads(fields), lfm2_kinds(fields)
    around = (
        *lfm2_block(heads.hidden, _inner(fields)),
        *lfm2_norms(heads.hidden),
    )
    made = lfm2_layers(fields, heads)
    layers = [replace(made[kind], weights=(*made[kind].weights, *around)) for kind in kinds]
    last = (norm("embedding_norm", heads.hidden),)
    outer = outer_weights(fields, heads.hidden, tied=True, last_norm=last)
    return assemble(fields, heads, outer, layers)


def _inner(fields: Fields) -> int:
    """Return the block's width: two thirds of the configured one, times a factor, rounded up."""
    inner = fields.count("block_ff_dim|intermediate_size")
    if not fields.flag("block_auto_adjust_ff_dim", True):
        return inner
    inner = int(2 * inner / 3)
    factor = fields.values.get("block_ffn_dim_multiplier", 1.0)
    if factor is None:
        return inner
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 1e6:
        raise fields.wrong("block_ffn_dim_multiplier", factor, "a number above 0")
    step = fields.optional_count("block_multiple_of") or 256
    return step * -(-int(factor * inner) // step)


FAMILY = Family("lfm2", (*LFM2_NEEDS, "block_ff_dim|intermediate_size"), read)
