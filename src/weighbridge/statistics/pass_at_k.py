"""pass@k: the chance that at least one of k draws passes."""

import math

from weighbridge.errors import InputError


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Estimate pass@k without bias from n samples of which c passed.

    1 - C(n - c, k) / C(n, k), Chen et al. 2021 (arXiv:2107.03374), equation 1.

    Raises:
        InputError: k is larger than the number of samples, or a count is impossible.

    >>> pass_at_k(10, 3, 1)
    0.3
    """
    if not 1 <= k <= samples:
        raise InputError(
            f"pass@{k} of {samples} samples", f"at least {k} samples", "raise --repeats"
        )
    if not 0 <= passed <= samples:
        raise InputError(f"{passed} of {samples} samples passed", f"0 to {samples}")
    if samples - passed < k:
        return 1.0
    draws = math.comb(samples, k)  # whole numbers until the one division: no rounding, any n
    return (draws - math.comb(samples - passed, k)) / draws
