"""Finds starting points of a Chinchilla fit by closed-form projection over its exponents.

For given alpha and beta, L = E + A N^-alpha + B D^-beta is linear in A, B and E, so weighted least
squares on the raw loss solves for them directly (variable projection: Golub & Pereyra 1973). That
is done on a whole grid of exponents and for all resamples together: the sums it needs are matrix
products of the resamples' counts with tables that all share. The grid's local minima are the
*basins* from which the true objective is then minimised.

Weights of 1/L² make raw residuals relative, so that their squares are close to those of log
residuals. Where the projection gives E ≤ 0, it is repeated without E.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from weighbridge.planning.scaling.points import Array, Points

EXPONENTS = np.geomspace(0.03, 2.0, 32)
"""Exponents of the grid; the published grids of starting points reach from 0 to 2."""

_SMALLEST_E = 1e-3  # of the lowest loss: E's value where it is left out, so that log E exists


@dataclass(frozen=True, eq=False)
class ExponentGrid:
    """Tables over runs and exponents that all resamples share; G exponents.

    Attributes:
        log_n: Log parameters, centred, (n,).
        log_d: Log tokens, centred, (n,).
        loss: Losses, (n,).
    """

    log_n: Array
    log_d: Array
    loss: Array

    @classmethod
    def over(cls, points: Points) -> "ExponentGrid":
        """Build the tables for some runs."""
        log_n, log_d = np.log(points.parameters), np.log(points.tokens)
        return cls(log_n - log_n.mean(), log_d - log_d.mean(), points.loss)

    @cached_property
    def powers_n(self) -> Array:
        """N^-alpha, (n, G)."""
        return np.exp(-self.log_n[:, None] * EXPONENTS)

    @cached_property
    def powers_d(self) -> Array:
        """D^-beta, (n, G)."""
        return np.exp(-self.log_d[:, None] * EXPONENTS)

    @cached_property
    def both(self) -> Array:
        """N^-alpha D^-beta, (n, G²)."""
        return (self.powers_n[:, :, None] * self.powers_d[:, None, :]).reshape(len(self.loss), -1)

    def basins(self, weights: Array, count: int) -> Array:
        """Return the lowest local minima of each row's grid.

        Args:
            weights: Weights of the runs, (B, n): a resample's counts.
            count: Number of basins to return.

        Returns:
            Starting points, (B, count, 5): log A, alpha, log B, beta, log E, for centred
            logarithms; NaN where a row has fewer basins.
        """
        squares, scales = self._project(weights / self.loss**2)
        rows, side = len(weights), len(EXPONENTS)
        padded = np.pad(squares, ((0, 0), (1, 1), (1, 1)), constant_values=np.inf)
        lowest = np.isfinite(squares)
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                if i or j:
                    lowest &= squares <= padded[:, 1 + i : 1 + i + side, 1 + j : 1 + j + side]
        ranked = np.where(lowest, squares, np.inf).reshape(rows, -1)
        best = np.argpartition(ranked, count, axis=1)[:, :count]
        height = np.take_along_axis(ranked, best, axis=1)
        at_n, at_d = np.divmod(best, side)
        row = np.arange(rows)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            logs = [np.log(scale[row, at_n, at_d]) for scale in scales]
        starts = np.stack([logs[0], EXPONENTS[at_n], logs[1], EXPONENTS[at_d], logs[2]], axis=2)
        return np.where(np.isfinite(height)[:, :, None], starts, np.nan)

    def _project(self, weights: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        """Return the weighted sums of squares, (B, G, G), and the A, B and E that give them."""
        side = len(EXPONENTS)
        weighted = weights * self.loss
        total, s_l = weights.sum(axis=1), weighted.sum(axis=1)
        s_ll = np.einsum("bn,n->b", weighted, self.loss)
        s_u, s_v = weights @ self.powers_n, weights @ self.powers_d
        s_uu, s_vv = weights @ self.powers_n**2, weights @ self.powers_d**2
        s_ul, s_vl = weighted @ self.powers_n, weighted @ self.powers_d
        s_uv = (weights @ self.both).reshape(-1, side, side)

        with np.errstate(invalid="ignore", divide="ignore"):
            mean_u, mean_v, mean_l = (s / total[:, None] for s in (s_u, s_v, s_l[:, None]))
            centred = _two_terms(
                (s_uu - s_u * mean_u)[:, :, None],
                s_uv - s_u[:, :, None] * mean_v[:, None, :],
                (s_vv - s_v * mean_v)[:, None, :],
                (s_ul - s_u * mean_l)[:, :, None],
                (s_vl - s_v * mean_l)[:, None, :],
            )
            a, b = centred.first, centred.second
            e = mean_l[:, :, None] - a * mean_u[:, :, None] - b * mean_v[:, None, :]
            squares = (s_ll - s_l * mean_l[:, 0])[:, None, None] - centred.explained
            plain = _two_terms(
                s_uu[:, :, None], s_uv, s_vv[:, None, :], s_ul[:, :, None], s_vl[:, None, :]
            )
            floor = _SMALLEST_E * self.loss.min()
            without = ~(e > floor)
            a, b = np.where(without, plain.first, a), np.where(without, plain.second, b)
            squares = np.where(without, s_ll[:, None, None] - plain.explained, squares)
            e = np.where(without, floor, e)
            squares = np.where((a > 0) & (b > 0), squares, np.inf)
        return np.where(np.isnan(squares), np.inf, squares), (a, b, e)


@dataclass(frozen=True)
class _TwoTerms:
    first: Array
    second: Array
    explained: Array


def _two_terms(uu: Array, uv: Array, vv: Array, ul: Array, vl: Array) -> _TwoTerms:
    """Solve the normal equations of two regressors."""
    determinant = uu * vv - uv * uv
    first = (ul * vv - vl * uv) / determinant
    second = (vl * uu - ul * uv) / determinant
    return _TwoTerms(first, second, first * ul + second * vl)
