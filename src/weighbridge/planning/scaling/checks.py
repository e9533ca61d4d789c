"""Checks of a table of runs: each refuses one kind of mistake before a fit could hide it."""

from collections.abc import Sequence

import numpy as np

from weighbridge.errors import InputError
from weighbridge.planning.scaling.points import FEWEST, FLOPS_PER_PARAMETER_TOKEN, Points

_SMALLEST_MODEL = 1e3
_LARGEST = {"parameters": 1e14, "tokens": 1e16, "FLOPs": 1e30}
"""A hundred times what anyone has trained; a larger value means that a unit was applied twice."""
_SMALLEST = 100.0
_MOST_TOKENS_PER_PARAMETER = 1e6
_HIGHEST_LOSS = 20.0  # nats: a uniform guess over half a billion tokens
_MAX_COMPUTE_RATIO = 4.0  # between C and 6ND: attention and embeddings explain less than that


def check(points: Points, lines: Sequence[int], entropy_floor: float, tokens_given: bool) -> None:
    """Refuse values that can't be right.

    Args:
        points: The runs.
        lines: The line of each run in the file.
        entropy_floor: Lowest loss that is accepted, in nats per token.
        tokens_given: Whether tokens were read from the table, not computed.

    Raises:
        InputError: A value can't be right.
    """
    _units(points, lines)
    _losses(points, lines, entropy_floor)
    _compute(points, lines)
    if tokens_given:
        _swapped(points)


def check_enough(points: Points) -> None:
    """Refuse runs that no law can be fitted to.

    Raises:
        InputError: The runs are too few or too similar.
    """
    if len(points) < FEWEST:
        raise InputError(
            f"{points.source} has {len(points)} runs",
            f"at least {FEWEST} to fit 5 unknowns",
            "add runs of other sizes and budgets",
        )
    spent = points.flops.mean()
    spread = float(points.flops.max() / points.flops.min())
    if spread < 2:
        raise InputError(
            f"all {len(points)} runs of {points.source} spend about {spent:.2g} FLOPs",
            "at least two budgets, a factor of 2 or more apart: at a single one parameters and "
            "tokens can't be told apart",
            "add runs at other budgets",
        )
    for name, values in (("sizes", points.parameters), ("numbers of tokens", points.tokens)):
        if (distinct := len(np.unique(np.round(np.log(values), 3)))) < 3:
            raise InputError(
                f"{points.source} has {distinct} different {name}", "at least 3", "add runs"
            )


def _units(points: Points, lines: Sequence[int]) -> None:
    for name, values in (("parameters", points.parameters), ("tokens", points.tokens)):
        if points.loss.min() > 1e3 and values.max() < _HIGHEST_LOSS:
            raise InputError(
                f"losses up to {points.loss.max():.3g} and {name} up to {values.max():.3g}",
                f"losses below 20 and {name} in the thousands or more",
                "the two columns seem to be swapped: rename them",
            )
    if float(np.median(points.parameters)) > float(np.median(points.flops)):
        raise InputError(
            f"{points.parameters.max():.3g} parameters for {points.flops.max():.3g} FLOPs",
            "far more FLOPs than parameters",
            "the two columns seem to be swapped: rename them",
        )
    for name, values in (("parameters", points.parameters), ("tokens", points.tokens)):
        if float(np.median(values)) < _SMALLEST_MODEL:
            raise InputError(
                f"{name} from {values.min():.3g} to {values.max():.3g}",
                "plain counts, such as 70000000000",
                "the unit seems to be missing: write 70e9 or 70B",
            )
    counts = {"parameters": points.parameters, "tokens": points.tokens, "FLOPs": points.flops}
    for name, values in counts.items():
        largest, smallest = int(np.argmax(values)), int(np.argmin(values))
        if values[largest] > _LARGEST[name]:
            raise InputError(
                f"{points.source}, line {lines[largest]}: {values[largest]:.3g} {name}",
                f"at most {_LARGEST[name]:.0e}",
                "the unit in the header and the numbers contradict each other: correct one",
            )
        if values[smallest] < _SMALLEST:
            raise InputError(
                f"{points.source}, line {lines[smallest]}: {values[smallest]:.3g} {name}",
                f"at least {_SMALLEST:g}",
                "the unit seems to be missing in this row: write 70e9 or 70B",
            )
    ratio = float(np.median(points.tokens / points.parameters))
    if ratio > _MOST_TOKENS_PER_PARAMETER:
        raise InputError(
            f"{points.source} has {ratio:.3g} tokens for each parameter",
            f"at most {_MOST_TOKENS_PER_PARAMETER:.0e}",
            "a unit seems to be missing: write 70e9 or 70B, or name it in the header: Params (M)",
        )


def _losses(points: Points, lines: Sequence[int], entropy_floor: float) -> None:
    highest, lowest = int(np.argmax(points.loss)), int(np.argmin(points.loss))
    if points.loss[highest] > _HIGHEST_LOSS:
        raise InputError(
            f"{points.source}, line {lines[highest]}: a loss of {points.loss[highest]:.4g}",
            f"nats per token, below {_HIGHEST_LOSS:g}",
            "give the log loss, not the perplexity, and check that no columns are swapped",
        )
    if points.loss[lowest] < entropy_floor:
        raise InputError(
            f"{points.source}, line {lines[lowest]}: a loss of {points.loss[lowest]:.4g}",
            f"nats per token, at least {entropy_floor:g}: real text can't be predicted better",
            "convert bits per byte or accuracy to nats per token, or set --entropy-floor",
        )


def _compute(points: Points, lines: Sequence[int]) -> None:
    ratio = points.flops / (FLOPS_PER_PARAMETER_TOKEN * points.parameters * points.tokens)
    worst = int(np.argmax(np.abs(np.log(ratio))))
    if not 1 / _MAX_COMPUTE_RATIO < ratio[worst] < _MAX_COMPUTE_RATIO:
        many = int(np.sum((ratio <= 1 / _MAX_COMPUTE_RATIO) | (ratio >= _MAX_COMPUTE_RATIO)))
        raise InputError(
            f"{points.source}, line {lines[worst]}: FLOPs are {ratio[worst]:.3g} times 6ND "
            f"({many} of {len(points)} rows are off)",
            f"within a factor of {_MAX_COMPUTE_RATIO:g}",
            "correct units, or leave out the flops or the tokens column",
        )


def _swapped(points: Points) -> None:
    share = float(np.mean(points.tokens < points.parameters))
    ratio = float(np.median(points.tokens / points.parameters))
    if share > 0.9 and ratio < 1e-3:
        raise InputError(
            f"{points.source} has {ratio:.3g} tokens for each parameter",
            "more tokens than parameters",
            "a unit is missing, or the two columns are swapped: write 300e9 or 300B",
        )
    if share > 0.9:
        raise InputError(
            f"{share:.0%} of the runs of {points.source} have fewer tokens than parameters",
            "most runs with more tokens than parameters",
            "the two columns seem to be swapped: rename them",
        )
