"""Places labels so that no two overlap, each as near to what it names as the others let it."""

import math
from collections.abc import Sequence


def spread(ideal: Sequence[float], step: float, ends: tuple[float, float]) -> list[float]:
    """Return places in one column, in the order of the ideal ones and at least a step apart.

    Labels that would overlap form a stack around their mean, as do stacks that would: the places
    with the least sum of squared moves.

    Args:
        ideal: Where each label would stand alone, pixels from the top.
        step: Pixels from one label to the next.
        ends: The first and the last place there is; too many labels go past the last.

    >>> spread([50.0, 10.0, 52.0], 10, (0, 100))
    [46.0, 10.0, 56.0]
    """
    order = sorted(range(len(ideal)), key=lambda i: ideal[i])

    def top(stack: list[int]) -> float:
        middle = sum(ideal[i] for i in stack) / len(stack)
        height = step * (len(stack) - 1)
        return max(ends[0], min(middle - height / 2, ends[1] - height))

    stacks: list[list[int]] = []
    for i in order:
        stacks.append([i])
        while len(stacks) > 1 and top(stacks[-1]) < top(stacks[-2]) + step * len(stacks[-2]):
            last = stacks.pop()
            stacks[-1] += last
    places = [0.0] * len(ideal)
    for stack in stacks:
        for place, i in enumerate(stack):
            places[i] = top(stack) + step * place
    return places


def apart(places: Sequence[tuple[float, float]], width: float, height: float) -> list[float]:
    """Return ordinates at which labels that stand beside points are clear of one another.

    Only labels that would overlap move, up or down, around their mean.

    Args:
        places: (x, y) of each, pixels from the upper left corner.
        width: Of a label.
        height: Of a label.

    >>> apart([(0, 5.0), (10, 8.0), (90, 8.0)], 40, 12)
    [0.5, 12.5, 8.0]
    """

    def touch(i: int, j: int) -> bool:
        (x, y), (other_x, other_y) = places[i], places[j]
        return abs(x - other_x) < width and abs(y - other_y) < height

    groups: list[list[int]] = []
    for i in range(len(places)):
        touched = [group for group in groups if any(touch(i, j) for j in group)]
        groups = [group for group in groups if group not in touched]
        groups.append([j for group in touched for j in group] + [i])
    moved = [y for _, y in places]
    for group in groups:
        found = spread([places[i][1] for i in group], height, (-math.inf, math.inf))
        for i, y in zip(group, found, strict=True):
            moved[i] = y
    return moved
