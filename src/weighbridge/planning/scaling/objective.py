"""The objective of approach 3, its gradient and its Hessian, for many weightings at once.

The logarithm of a predicted loss is a log-sum-exp of linear forms, log L̂ = log Σ_j exp(X_j θ_j),
because the logarithm of a power law is linear in its log factor and its exponents. So Chinchilla's
form and the joint form of mixtures of experts differ only in their design matrices. The objective
is Σ_i w_i huber_δ(log L̂_i - log L_i)
(Hoffmann et al. 2022, equation 3); a bootstrap resample is a row of counts w.

Shapes: B rows of weights, n runs, p unknowns.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from weighbridge.planning.scaling.points import Array


@dataclass(frozen=True, eq=False)
class SumOfPowers:
    """Designs of the terms that add up to a loss.

    Attributes:
        designs: X_j, each (n, p_j); θ holds the unknowns of one term after the other.
        log_loss: Logarithms of the measured losses, (n,).
    """

    designs: tuple[Array, ...]
    log_loss: Array

    @cached_property
    def blocks(self) -> tuple[slice, ...]:
        """The slice of θ that holds each term's unknowns."""
        ends = accumulate((design.shape[1] for design in self.designs), initial=0)
        return tuple(slice(start, end) for start, end in pairwise(ends))

    @cached_property
    def products(self) -> dict[tuple[int, int], Array]:
        """Products of the columns of two terms, (n, p_j p_k): the Hessian is sums over them."""
        return {
            (j, k): (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)
            for j, first in enumerate(self.designs)
            for k, second in enumerate(self.designs)
            if j <= k
        }

    def shares(self, theta: Array) -> tuple[Array, list[Array]]:
        """Return residuals log L̂ - log L, (B, n), and each term's share of L̂.

        An extreme θ gives infinite residuals and an infinite objective, so no step goes there.
        """
        terms = [
            np.exp(theta[:, block] @ design.T - self.log_loss)
            for block, design in zip(self.blocks, self.designs, strict=True)
        ]
        total = terms[0].copy()
        for term in terms[1:]:
            total += term
        for term in terms:
            term /= total
        return np.log(total, out=total), terms


@dataclass(frozen=True)
class Expansion:
    """The objective's second-order expansion at θ.

    Attributes:
        value: The objective, (B,).
        gradient: The gradient, (B, p).
        hessian: The Hessian, (B, p, p), with the Huber function's curvature, which is 0 beyond δ.
    """

    value: Array
    gradient: Array
    hessian: Array

    def take(self, rows: npt.NDArray[np.bool_]) -> "Expansion":
        """Return the rows where the mask is true."""
        return Expansion(self.value[rows], self.gradient[rows], self.hessian[rows])


def huber(residual: Array, delta: float) -> Array:
    """Return r²/2 within δ and δ(|r| - δ/2) beyond."""
    clipped = np.clip(residual, -delta, delta)
    return clipped * (residual - 0.5 * clipped)


def expand(model: SumOfPowers, theta: Array, weights: Array, delta: float) -> Expansion:
    """Return value, gradient and Hessian.

    With s_j a term's share, ∇r = Σ_j s_j X_j and ∇²r = Σ_j s_j X_j X_jᵀ - ∇r ∇rᵀ.
    """
    residual, shares = model.shares(theta)
    slope = np.clip(residual, -delta, delta)
    found = np.einsum("bn,bn->b", weights, slope * (residual - 0.5 * slope))
    inside = slope == residual
    slope *= weights  # ψ, weighted
    bend = np.where(inside, weights, 0.0)
    bend -= slope
    rows, size = theta.shape
    gradient = np.empty((rows, size))
    hessian = np.empty((rows, size, size))
    for j, (block, share) in enumerate(zip(model.blocks, shares, strict=True)):
        pulled = slope * share
        gradient[:, block] = pulled @ model.designs[j]
        bent = bend * share
        for k in range(j, len(shares)):
            both = bent * shares[k]
            if j == k:
                both += pulled
            other = model.blocks[k]
            square = both @ model.products[j, k]
            sides = block.stop - block.start, other.stop - other.start
            hessian[:, block, other] = square.reshape(rows, *sides)
            hessian[:, other, block] = hessian[:, block, other].transpose(0, 2, 1)
    return Expansion(found, gradient, hessian)
