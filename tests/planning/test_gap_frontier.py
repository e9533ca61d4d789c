"""Best-so-far staircases and the time between them, against brute force and by their properties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.planning.gap.frontier import every_day, frontier, lags

few = settings(max_examples=50)
scored = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 30)), min_size=1, max_size=12
)  # few scores, so that ties occur


def made(rows):
    return frontier(np.array([float(d) for d, _ in rows]), np.array([float(v) for _, v in rows]))


def brute_lag(leader, follower, day):
    """Walk back from a day until the leader was no better than the follower is on that day."""

    def best(rows, until):
        return max((v for d, v in rows if d <= until), default=-math.inf)

    led, followed = best(leader, day), best(follower, day)
    if -math.inf in (led, followed):
        return math.nan
    if led == followed:
        return 0.0
    (ahead, level), sign = ((leader, followed), 1) if led > followed else ((follower, led), -1)
    return sign * (day - min(d for d, v in ahead if v > level))


@few
@given(scored, scored)
def test_the_lag_is_what_walking_back_finds(leader, follower):
    days = every_day(0, 450, 17)
    found = lags(made(leader), made(follower), days).days
    expected = [brute_lag(leader, follower, day) for day in days]
    np.testing.assert_array_equal(found, expected)


@few
@given(scored, scored)
def test_changing_sides_changes_the_sign(leader, follower):
    days = every_day(0, 450, 17)
    one = lags(made(leader), made(follower), days).days
    other = lags(made(follower), made(leader), days).days
    np.testing.assert_array_equal(one, -other)


@few
@given(scored, scored)
def test_only_the_order_of_scores_matters(leader, follower):
    days = every_day(0, 450, 17)
    plain = lags(made(leader), made(follower), days).days
    bent = [[(d, math.exp(v / 7)) for d, v in rows] for rows in (leader, follower)]
    np.testing.assert_array_equal(plain, lags(*map(made, bent), days).days)


@few
@given(scored, st.integers(1, 60))
def test_the_same_models_later_are_behind_by_as_much(rows, later):
    """Where a record is beaten; where none is, both stand still and are level in the end."""
    copied = [(d + later, v) for d, v in rows]
    days = every_day(0, 450)
    found = lags(made(rows), made(copied), days)
    known = np.isfinite(found.days)
    records = made(rows)
    for day, lag in zip(days[known], found.days[known], strict=True):
        started = day - later  # where the copy is, the original was then
        beaten = records.days[(records.days > started) & (records.days <= day)]
        assert lag == (day - beaten[0] if beaten.size else 0)
        assert 0 <= lag < later or lag == 0


@few
@given(scored, scored, st.integers(0, 400))
def test_a_model_that_breaks_no_record_changes_nothing(leader, follower, day):
    weak = [*follower, (day, min(v for _, v in follower))]
    if day < min(d for d, _ in follower):
        return
    days = every_day(0, 450, 17)
    np.testing.assert_array_equal(
        lags(made(leader), made(follower), days).days, lags(made(leader), made(weak), days).days
    )


def test_a_leader_that_began_above_gives_a_lower_bound():
    found = lags(made([(0, 10), (50, 20)]), made([(20, 5), (60, 15)]), every_day(20, 80, 30))
    assert found.days.tolist() == [20, 50, 30]
    assert found.at_least.tolist() == [True, True, False]
    assert found.mean_days == pytest.approx(100 / 3)
