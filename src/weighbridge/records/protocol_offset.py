"""How much the protocol alone changes a figure: one model, the same items, two protocols."""

from dataclasses import dataclass

from weighbridge.records.comparison import Comparison


@dataclass(frozen=True)
class ProtocolOffset:
    """The paired difference of one model's two runs that differ in their protocol.

    Attributes:
        model: Whose.
        benchmark: What both ran.
        run_a: The run by the first protocol.
        run_b: The run by the second.
        protocol_a: The first.
        protocol_b: The second.
        mean_a: Mean by the first over the paired items.
        mean_b: Mean by the second.
        offset: mean_a - mean_b: what the first protocol adds.
        stderr: Of the offset, clustered.
        interval: 95 % interval of the offset.
        n: Paired items.
        scale: Lowest and highest value.
    """

    model: str
    benchmark: str
    run_a: str
    run_b: str
    protocol_a: str
    protocol_b: str
    mean_a: float
    mean_b: float
    offset: float
    stderr: float
    interval: tuple[float, float]
    n: int
    scale: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class AcrossProtocols:
    """Two runs whose protocols differ: the gap as it stands, and with the offset taken out.

    Attributes:
        raw: The gap as it stands; its verdict is always inconclusive, because a part of it, of
            unknown size, is the protocol's.
        offset: What the protocol is worth; None where it was never measured.
        corrected: The gap without it, its uncertainty included; None likewise.
        carried: Whether the offset is another model's, so that it is an assumption that it holds.
    """

    raw: Comparison
    offset: ProtocolOffset | None = None
    corrected: Comparison | None = None
    carried: bool = False
