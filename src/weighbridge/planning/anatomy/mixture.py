"""Mixtures of experts: a router, and gated blocks of which each token goes through a few."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Kind, Weight
from weighbridge.planning.anatomy.skeleton import gated


@dataclass(frozen=True)
class Experts:
    """Routed experts of a layer.

    Attributes:
        held: Number of experts in memory.
        active: Number of experts that one token goes through.
        inner: Inner width of one expert.
    """

    held: int
    active: int
    inner: int

    @property
    def figures(self) -> dict[str, Any]:
        """The fields of an `Architecture` that describe these experts."""
        return {"experts": self.held, "experts_per_token": self.active}


def read_experts(
    fields: Fields, held: str, inner: str, active: str = "num_experts_per_tok"
) -> Experts:
    """Read the experts' number and width, and how many a token goes through, from these fields.

    Args:
        fields: The configuration.
        held: Name of the field with the number of experts.
        inner: Name of the field with an expert's inner width.
        active: Name of the field with the number of experts that a token goes through.

    Raises:
        InputError: A token would go through more experts than there are.
    """
    found = Experts(fields.count(held), fields.count(active), fields.count(inner))
    fields.at_most(active.split("|")[0], found.active, held.split("|")[0], found.held)
    return found


def mixture(
    hidden: int,
    experts: Experts,
    *,
    path: str = "mlp",
    router: str = "gate",
    linear_router: bool = False,
    bias: bool = False,
    as_linear: bool = False,
) -> tuple[Weight, ...]:
    """Return a router and its gated experts, held as one parameter for each matrix.

    Args:
        hidden: Width of the residual stream.
        experts: The experts' number and width.
        path: The block's path in the layer.
        router: The router's name in the block.
        linear_router: Whether the router is a linear layer, which LoRA finds.
        bias: Whether router and experts have biases.
        as_linear: Whether peft's "all-linear" takes router and experts for linear layers.
    """
    held, active, inner = experts.held, experts.active, experts.inner
    kind: Kind = "linear" if linear_router else "matrix"
    taken = (1, 2) if as_linear else (None, None)
    gate_up, down = f"{path}.experts.gate_up_proj", f"{path}.experts.down_proj"
    return (
        Weight(f"{path}.{router}", "router", hidden, held, kind, bias, as_linear=taken[0]),
        Weight(gate_up, "experts", hidden, 2 * inner, "stacked", bias, held, active, taken[1]),
        Weight(down, "experts", inner, hidden, "stacked", bias, held, active, taken[0]),
    )


def first_dense(fields: Fields, layers: int, name: str = "first_k_dense_replace") -> list[bool]:
    """Return which layers are mixtures: all but the first, or as `mlp_layer_types` lists them.

    Args:
        fields: The configuration.
        layers: Number of layers.
        name: Field with the number of dense layers at the beginning.

    Raises:
        InputError: The list is malformed.
    """
    first = min(fields.count(name, zero=True), layers) if fields.values.get(name) else 0
    default = ["dense"] * first + ["sparse"] * (layers - first)
    kinds = fields.layer_types(default, ("dense", "sparse"), "mlp_layer_types")
    return [kind == "sparse" for kind in kinds]


def shared_experts(
    fields: Fields,
    hidden: int,
    inner: int,
    count: str,
    *,
    bias: bool = False,
    as_linear: int | None = None,
) -> tuple[Weight, ...]:
    """Return shared experts, which are one gated block as wide as all of them together.

    Args:
        fields: The configuration.
        hidden: Width of the residual stream.
        inner: Inner width of one expert.
        count: Name of the field with the number of shared experts.
        bias: Whether they have biases.
        as_linear: See `Weight`.
    """
    held = fields.count(count, zero=True)
    if held == 0:
        return ()
    return gated(
        hidden,
        held * inner,
        bias=bias,
        path="mlp.shared_experts",
        role="shared_experts",
        as_linear=as_linear,
    )


def sparse_layers(fields: Fields, layers: int) -> Sequence[bool]:
    """Return which layers are mixtures in Qwen's configurations.

    Every `decoder_sparse_step`-th layer is one, except those in `mlp_only_layers`.

    Raises:
        InputError: `mlp_only_layers` is no list of layers.
    """
    step = fields.optional_count("decoder_sparse_step") or 1
    dense = set(fields.numbers("mlp_only_layers") or ())
    return [(i + 1) % step == 0 and i not in dense for i in range(layers)]
