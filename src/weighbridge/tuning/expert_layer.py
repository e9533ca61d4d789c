"""What became of the routed experts of a layer in a run, and how that is told."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ExpertLayer:
    """The routed experts of one layer after a run.

    Attributes:
        layer: Its number.
        experts: How many there are.
        used: To how many a token was sent while training.
        unused: The others' indices.
        trained: How many have become others.
        quantised: How many were held in four bits meanwhile.
        exported: To how many the saved result changes something.
        router: Whether the router stayed as it was: frozen or trained.
    """

    layer: int
    experts: int
    used: int
    unused: tuple[int, ...]
    trained: int
    quantised: int
    exported: int
    router: str = "frozen"


def told_of(layers: Sequence[ExpertLayer]) -> tuple[str, ...]:
    """Say in a sentence what became of the experts; nothing of a dense model."""
    if not layers:
        return ()
    total = sum(one.experts for one in layers)

    def share(name: str) -> str:
        return f"{sum(getattr(one, name) for one in layers):,}"

    routers = sorted({one.router for one in layers})
    idle = [f"layer {one.layer}: {listed(one.unused)}" for one in layers if one.unused]
    return (
        f"experts: of {total:,} in {len(layers)} layers, {share('used')} were used, "
        f"{share('trained')} trained, {share('quantised')} quantised, {share('exported')} "
        f"exported; routers {' and '.join(routers)}",
        *((f"experts that no token was sent to: {'; '.join(idle[:4])}{_more(idle)}",) * bool(idle)),
    )


def listed(indices: Sequence[int]) -> str:
    """Name experts by their indices, the first eight of them."""
    return ", ".join(map(str, indices[:8])) + (f" and {len(indices) - 8} more" * (len(indices) > 8))


def _more(idle: Sequence[str]) -> str:
    return f"; and in {len(idle) - 4} more layers" if len(idle) > 4 else ""
