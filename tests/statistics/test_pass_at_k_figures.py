"""pass@k of whole runs: the unbiased estimator, intervals over problems, what n does not allow."""

import itertools
import math
import random

import numpy as np
import pytest

from weighbridge.errors import InputError
from weighbridge.records import Graded, ScoredSample, Ungraded
from weighbridge.statistics import estimate, mean_interval, pass_at_k


def answers(passed_of, n, lost=()):
    """Samples of a run: problem i passes `passed_of[i]` of n times."""
    for i, passed in enumerate(passed_of):
        for repeat in range(n):
            score = Graded(float(repeat < passed), "")
            if (i, repeat) in lost:
                score = Ungraded("infrastructure", "lost")
            yield ScoredSample(
                f"p{i}",
                repeat,
                None,
                "sha256:",
                "sha256:",
                "?",
                "!",
                "x",
                (),
                "end",
                1,
                1,
                0,
                score,
            )


@pytest.mark.parametrize("n", [1, 5, 10, 20, 100, 200])
def test_every_figure_that_n_allows_is_there(n):
    passed = [0, n // 3, n // 2, n, min(n, 2)]
    found = estimate(answers(passed, n), "pass_at_1")
    allowed = [k for k in (10, 100) if k <= n]
    assert list(found.beside) == [f"pass_at_{k}" for k in allowed]
    for k in allowed:
        figure = found.beside[f"pass_at_{k}"]
        each = [pass_at_k(n, c, k) for c in passed]
        assert figure.mean == pytest.approx(math.fsum(each) / 5, rel=1e-12)
        assert figure.interval == mean_interval(each) and figure.n == 5
        assert figure.interval[0] <= figure.mean <= figure.interval[1]
        assert estimate(answers(passed, n), f"pass_at_{k}").mean == figure.mean
    assert found.mean == pytest.approx(sum(passed) / n / 5)


def test_more_than_n_is_refused():
    with pytest.raises(InputError, match="20 answers; expected at least 100 for pass_at_100"):
        estimate(answers([3, 4], 20), "pass_at_100")
    with pytest.raises(InputError, match="pass@21 of 20 samples"):
        pass_at_k(20, 3, 21)


def test_it_is_the_mean_over_all_draws_of_k():
    """Against counting every one of the C(n, k) draws (Chen et al. 2021, equation 1)."""
    for n, c, k in ((6, 2, 3), (7, 1, 2), (5, 5, 4), (8, 0, 3), (10, 4, 7)):
        draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-15)


def test_a_problem_that_lost_too_many_answers_is_left_out_of_the_figure():
    lost = {(0, repeat) for repeat in range(11)}
    found = estimate(answers([20, 20, 0], 20, lost), "pass_at_1")
    assert (found.n, found.beside["pass_at_10"].n) == (3, 2)
    assert found.beside["pass_at_10"].mean == 0.5


def test_intervals_over_problems_cover_as_often_as_they_say():
    """1,000 simulated runs of 40 problems, 20 answers each; Monte-Carlo error 0.7 points."""
    rng = np.random.default_rng(7)
    chance = rng.beta(0.4, 0.9, 200_000)
    truth = float(np.mean(1 - (1 - chance) ** 10))
    covered = 0
    for _ in range(1000):
        passed = rng.binomial(20, rng.choice(chance, 40))
        low, high = mean_interval([pass_at_k(20, int(c), 10) for c in passed])
        covered += low <= truth <= high
    assert 0.93 <= covered / 1000 <= 0.975, covered


def test_order_does_not_matter():
    samples = list(answers([1, 2, 15], 20))
    first = estimate(samples, "pass_at_1")
    random.Random(1).shuffle(samples)
    again = estimate(samples, "pass_at_1")
    assert again.beside["pass_at_10"].mean == pytest.approx(first.beside["pass_at_10"].mean)
