"""Agreement, kappa and rank correlation: against other packages, and by simulation."""

import csv
import math

import numpy as np
import pytest
from scipy import stats

from weighbridge.statistics.agreement import agreement_rate, cohen_kappa, rank_correlation


@pytest.mark.parametrize("model", ["llama2new", "llama2orig", "mistralinstruct"])
def test_two_people_s_labels_of_xstest(real_data, model):
    """XSTest's two annotators (Röttger et al. 2023): agreement as their files say, kappa as
    statsmodels computes it."""
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    path = real_data / f"xstest/xstest_v2_completions_{model}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first, second = ([row[f"annotation_{n}"] for row in rows] for n in (1, 2))
    items = [row["id"] for row in rows]
    rate = agreement_rate(first, second, items)
    assert rate.rate == np.mean([a == b for a, b in zip(first, second, strict=True)])
    found = cohen_kappa(first, second, items)
    names = sorted(set(first) | set(second))
    table = np.zeros((len(names), len(names)))
    for a, b in zip(first, second, strict=True):
        table[names.index(a), names.index(b)] += 1
    theirs = inter_rater.cohens_kappa(table)
    assert found.rate == pytest.approx(theirs.kappa)
    assert found.interval[0] == pytest.approx(theirs.kappa_low, abs=0.02)
    assert found.interval[1] == pytest.approx(theirs.kappa_upp, abs=0.02)


def test_perfect_agreement_is_not_certain():
    found = cohen_kappa(list("ABABAB"), list("ABABAB"), list("123456"))
    assert found.rate == 1.0 and found.interval[0] < 0.6 and found.interval[1] == 1.0


def test_who_always_says_the_same_has_no_kappa():
    assert cohen_kappa(["A"] * 5, ["A"] * 5, list("12345")) is None


@pytest.mark.parametrize(("skill", "n"), [(0.5, 40), (0.8, 40), (0.95, 150)])
def test_kappa_covers(skill, n):
    """Each says the truth with a chance, else a guess: kappa is then skill²."""
    rng = np.random.default_rng(5)
    rounds, held, names = 600, 0, np.array(["A", "B", "tie"])
    for _ in range(rounds):
        truth = rng.integers(0, 3, n)
        said = [np.where(rng.random(n) < skill, truth, rng.integers(0, 3, n)) for _ in range(2)]
        found = cohen_kappa(*(names[s].tolist() for s in said), [str(i) for i in range(n)])
        held += found.interval[0] <= skill**2 <= found.interval[1]
    assert abs(held / rounds - 0.95) <= 3 * math.sqrt(0.95 * 0.05 / rounds) + 0.01


@pytest.mark.parametrize(("rho", "n"), [(0.0, 20), (0.5, 40), (0.8, 60)])
def test_rank_correlation_covers(rho, n):
    rng = np.random.default_rng(6)
    truth = 6 / math.pi * math.asin(rho / 2)  # Spearman's of a bivariate normal (Pearson 1907)
    rounds, held = 600, 0
    for _ in range(rounds):
        x = rng.normal(size=n)
        y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n)
        found = rank_correlation(x, y, [str(i) for i in range(n)])
        assert found.rate == pytest.approx(stats.spearmanr(x, y).statistic)
        held += found.interval[0] <= truth <= found.interval[1]
    assert abs(held / rounds - 0.95) <= 3 * math.sqrt(0.95 * 0.05 / rounds) + 0.01


def test_turns_of_one_question_count_once():
    x, y = list(range(20)), [v + (v % 3) for v in range(20)]
    alone = rank_correlation(x, y, [str(i) for i in range(20)])
    paired = rank_correlation(x, y, [str(i // 2) for i in range(20)])
    assert paired.interval[0] < alone.interval[0]
    assert rank_correlation(x[:3], y[:3], list("abc")) is None
    assert rank_correlation([1] * 9, list(range(9)), list("abcdefghi")) is None
