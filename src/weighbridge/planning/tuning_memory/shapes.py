"""Reads the widths of a layer's tensors off its weights, for counting activations."""

from dataclasses import dataclass

from weighbridge.planning.anatomy import Layer, Weight
from weighbridge.planning.anatomy.parts import Kind

_OUTPUT_PROJECTIONS = frozenset(
    [
        "o_proj", "out_proj", "dense", "proj", "c_proj", "down_proj", "fc2", "fc_out", "w2",
        "dense_4h_to_h", "linear_fc2", "output_linear",
    ]
)  # fmt: skip
"""Last words of the names of projections that give back the residual stream's width."""


@dataclass(frozen=True)
class Product:
    """A product with one weight, or with the chosen experts' weights of one kind.

    Attributes:
        name: The weight's name.
        inputs: Numbers read for one token, over all experts that it goes through.
        outputs: Numbers computed for one token, over all experts that it goes through.
        reads: The tensor that the product reads: "attention" or "block" (after their norms),
            "heads" (attention's output), or "inner" (between the block's two products).
        size: Number of parameters of the largest single matrix.
        is_linear: Whether peft's "all-linear" adapts the weight: see `ALL_LINEAR`.
        kind: How the weight is held.
    """

    name: str
    inputs: int
    outputs: int
    reads: str
    size: int
    is_linear: bool
    kind: Kind = "linear"


@dataclass(frozen=True)
class LayerShape:
    """Widths of a layer's tensors: numbers for one token.

    Attributes:
        hidden: Width of the residual stream.
        norms: Each norm's width over the residual stream or over a token's heads, and whether it
            also shifts (a layer norm).
        heads: Number of query heads.
        queries: Width of all heads' queries together.
        keys: Width of all key heads' keys together, before they are repeated.
        values: Width of all query heads' values together.
        inner: Width between the block's products, over the experts that a token goes through.
        gated: Whether the block has a gate.
        shares_norm: Whether attention and block read the output of the same norm.
        products: All products with weights.
        recurrent: Width of the outputs of the projections into a recurrent mixer (state space,
            linear attention).
    """

    hidden: int
    norms: tuple[tuple[int, bool], ...]
    heads: int
    queries: int
    keys: int
    values: int
    inner: int
    gated: bool
    shares_norm: bool
    products: tuple[Product, ...]
    recurrent: int = 0

    def reading(self, *what: str) -> tuple[Product, ...]:
        """Return the products that read these tensors."""
        return tuple(product for product in self.products if product.reads in what)


def shape_of(layer: Layer, hidden: int) -> LayerShape:
    """Read a layer's widths off its weights.

    Of a recurrent mixer only the projections are counted, not the states inside its kernel.

    Args:
        layer: The layer.
        hidden: Width of the residual stream.
    """
    seen = layer.attention
    queries, values = seen.heads * seen.key_width, seen.heads * seen.value_width
    keys = min(queries, seen.cached // 2)
    products = tuple(
        _product(weight)
        for weight in layer.weights
        if weight.kind in ("linear", "stacked", "matrix") and weight.role != "router"
    )
    inner = sum(p.inputs for p in products if p.reads == "inner")
    into = sum(p.outputs for p in products if p.reads == "block")
    norms = tuple(
        (_norm_width(weight, hidden, queries, keys), weight.bias)
        for weight in layer.weights
        if weight.role == "norm"
    )
    across = sum(width == hidden for width, _ in norms)
    return LayerShape(
        hidden=hidden,
        norms=norms,
        heads=seen.heads,
        queries=queries,
        keys=keys,
        values=values,
        inner=inner,
        gated=inner > 0 and into >= 2 * inner,
        shares_norm=across < 2,
        products=products,
        recurrent=sum(
            weight.outputs
            for weight in layer.weights
            if weight.role == "recurrent"
            and weight.kind in ("linear", "matrix")
            and weight.name.rpartition(".")[2] not in _OUTPUT_PROJECTIONS
        ),
    )


def _product(weight: Weight) -> Product:
    in_block = weight.role in ("mlp", "experts", "shared_experts")
    opening, closing = ("block", "inner") if in_block else ("attention", "heads")
    return Product(
        name=weight.name,
        inputs=weight.active * weight.inputs,
        outputs=weight.active * weight.outputs,
        reads=closing if weight.name.rpartition(".")[2] in _OUTPUT_PROJECTIONS else opening,
        size=weight.inputs * weight.outputs,
        is_linear=bool(weight.kind == "linear" if weight.as_linear is None else weight.as_linear),
        kind=weight.kind,
    )


def _norm_width(weight: Weight, hidden: int, queries: int, keys: int) -> int:
    """Return a norm's width over a token; a norm that heads share acts on all heads."""
    name = weight.name.rpartition(".")[2]
    if weight.outputs >= hidden or not name.startswith(("q_", "k_")):
        return weight.outputs
    return keys if name.startswith("k_") else queries


def usual_shape(hidden: int, inner: int, heads: int, queries: int, keys: int) -> LayerShape:
    """Return a layer of the decoder that most models share, for one whose anatomy is not known.

    Args:
        hidden: Width of the residual stream.
        inner: Inner width of the gated block.
        heads: Number of query heads.
        queries: Width of all heads' queries together.
        keys: Width of all key heads' keys together; that of their values is the same.
    """
    linear = (
        ("q_proj", hidden, queries, "attention"),
        ("k_proj", hidden, keys, "attention"),
        ("v_proj", hidden, keys, "attention"),
        ("o_proj", queries, hidden, "heads"),
        ("gate_proj", hidden, inner, "block"),
        ("up_proj", hidden, inner, "block"),
        ("down_proj", inner, hidden, "inner"),
    )
    return LayerShape(
        hidden=hidden,
        norms=((hidden, False), (hidden, False)),
        heads=heads,
        queries=queries,
        keys=keys,
        values=queries,
        inner=inner,
        gated=True,
        shares_norm=False,
        products=tuple(
            Product(name, inputs, outputs, reads, inputs * outputs, is_linear=True)
            for name, inputs, outputs, reads in linear
        ),
    )
