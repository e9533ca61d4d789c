"""The functional forms of scaling laws. A field may be a number, or an array of bootstrap draws.

L is in nats per token, N in parameters, D in tokens, C in FLOPs with C = 6ND.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from weighbridge.planning.scaling.points import FLOPS_PER_PARAMETER_TOKEN, Array

Values = float | Array


class Allocates(Protocol):
    """A law that says how many parameters are optimal for a compute budget."""

    @property
    def optimal_exponent(self) -> Values:
        """Exponent a in N_opt ∝ C^a."""
        ...

    def optimal_parameters(self, flops: Values) -> Values:
        """Return N that has the lowest loss at a budget, D being C / 6N."""
        ...


def tokens_at(flops: Values, parameters: Values) -> Values:
    """Return D = C / 6N."""
    return flops / (FLOPS_PER_PARAMETER_TOKEN * parameters)


@dataclass(frozen=True)
class Chinchilla:
    """L = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, equation 2).

    Attributes:
        A: Scale of the loss from too few parameters.
        B: Scale of the loss from too few tokens.
        E: Irreducible loss.
        alpha: Exponent of parameters.
        beta: Exponent of tokens.
    """

    A: Values
    B: Values
    E: Values
    alpha: Values
    beta: Values

    @property
    def optimal_exponent(self) -> Values:
        """Exponent a in N_opt ∝ C^a (equation 4)."""
        return self.beta / (self.alpha + self.beta)

    def loss(self, parameters: Values, tokens: Values) -> Values:
        """Return the loss of a run."""
        return self.E + self.A * parameters**-self.alpha + self.B * tokens**-self.beta

    def optimal_parameters(self, flops: Values) -> Values:
        """Return N_opt = G (C/6)^a with G = (alpha A / beta B)^(1 / (alpha + beta))."""
        power = 1 / (self.alpha + self.beta)
        scale = (self.alpha * self.A / (self.beta * self.B)) ** power
        return scale * (flops / FLOPS_PER_PARAMETER_TOKEN) ** self.optimal_exponent

    def flops_where_optimal(self, parameters: Values) -> Values:
        """Return the budget at which N parameters are optimal."""
        power = 1 / (self.alpha + self.beta)
        scale = (self.alpha * self.A / (self.beta * self.B)) ** power
        return FLOPS_PER_PARAMETER_TOKEN * (parameters / scale) ** (1 / self.optimal_exponent)

    def tokens_for(self, loss: Values, parameters: Values) -> Values:
        """Return the D at which N parameters reach a loss; infinite where they never do."""
        left = loss - self.E - self.A * parameters**-self.alpha
        reachable = np.where(left > 0, left, np.nan)
        found = (self.B / reachable) ** (1 / self.beta)
        return np.where(np.isnan(found), np.inf, found)


@dataclass(frozen=True)
class PowerAllocation:
    """N_opt = k C^a, as approaches 1 and 2 give it; it does not predict the loss.

    Attributes:
        coefficient: k.
        exponent: a.
    """

    coefficient: Values
    exponent: Values

    @property
    def optimal_exponent(self) -> Values:
        """Exponent a in N_opt ∝ C^a."""
        return self.exponent

    def optimal_parameters(self, flops: Values) -> Values:
        """Return N_opt."""
        return self.coefficient * flops**self.exponent


@dataclass(frozen=True)
class Kaplan:
    """L = ((Nc/N)^(alpha_n/alpha_d) + Dc/D)^alpha_d (Kaplan et al. 2020, equation 1.5).

    It has no irreducible loss. Without one of the terms it is L(N) = (Nc/N)^alpha_n or
    L(D) = (Dc/D)^alpha_d. N does not count embeddings.

    Attributes:
        critical_parameters: Nc.
        critical_tokens: Dc.
        alpha_n: Exponent of parameters.
        alpha_d: Exponent of tokens.
    """

    critical_parameters: Values
    critical_tokens: Values
    alpha_n: Values
    alpha_d: Values

    @property
    def optimal_exponent(self) -> Values:
        """Exponent a in N_opt ∝ C^a of models trained on all their data: 1 / (1 + alpha_n/alpha_d).

        Kaplan's own 0.73 differs, because it is for training that stops early, by L(N, S).
        """
        return self.alpha_d / (self.alpha_n + self.alpha_d)

    def loss(self, parameters: Values, tokens: Values) -> Values:
        """Return the loss of a run."""
        size = (self.critical_parameters / parameters) ** (self.alpha_n / self.alpha_d)
        return (size + self.critical_tokens / tokens) ** self.alpha_d

    def optimal_parameters(self, flops: Values) -> Values:
        """Return N at which the derivative of the loss along C = 6ND is zero."""
        ratio = self.alpha_n / self.alpha_d
        balance = ratio * self.critical_parameters**ratio / self.critical_tokens
        return (balance * flops / FLOPS_PER_PARAMETER_TOKEN) ** (1 / (1 + ratio))


@dataclass(frozen=True)
class JointMixture:
    """L = a Ê^delta N^(alpha + gamma ln Ê) + b Ê^omega D^(beta + zeta ln Ê) + c.

    Dense and mixture-of-experts models in one law (Ludziejewski et al. 2025, arXiv:2502.05172); N
    counts active parameters, Ê is the paper's effective number of experts. Exponents are negative,
    as the paper writes them.

    Attributes:
        a: Scale of the parameters' term.
        alpha: Exponent of N in the parameters' term.
        delta: Exponent of Ê in the parameters' term.
        gamma: Factor of ln Ê that is added to alpha.
        b: Scale of the tokens' term.
        beta: Exponent of D in the tokens' term.
        omega: Exponent of Ê in the tokens' term.
        zeta: Factor of ln Ê that is added to beta.
        c: Irreducible loss.
    """

    a: Values
    alpha: Values
    delta: Values
    gamma: Values
    b: Values
    beta: Values
    omega: Values
    zeta: Values
    c: Values

    def with_experts(self, effective_experts: Values) -> Chinchilla:
        """Return the law of models with a given number of effective experts."""
        log_experts = np.log(effective_experts)
        return Chinchilla(
            A=self.a * effective_experts**self.delta,
            B=self.b * effective_experts**self.omega,
            E=self.c,
            alpha=-(self.alpha + self.gamma * log_experts),
            beta=-(self.beta + self.zeta * log_experts),
        )

    def loss(self, parameters: Values, tokens: Values, effective_experts: Values) -> Values:
        """Return the loss of a run."""
        return self.with_experts(effective_experts).loss(parameters, tokens)
