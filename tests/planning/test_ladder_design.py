"""Which models a ladder trains: budgets kept, sizes in bounds, pairs alike but for experts."""

from collections import defaultdict

import pytest

from weighbridge.errors import InputError
from weighbridge.planning.scaling.ladder import (
    LARGEST,
    SMALLEST,
    LadderSettings,
    check_experts,
    nearest_shape,
    rungs,
)

DEFAULT = rungs(LadderSettings())


@pytest.mark.parametrize("settings", [LadderSettings(), LadderSettings(largest_flops=3e14)])
def test_every_model_spends_its_budget_and_is_between_ten_thousand_and_five_million(settings):
    for rung in rungs(settings):
        assert rung.flops == pytest.approx(rung.budget, rel=0.005), rung.name
        if rung.shape.experts == 1:
            assert SMALLEST <= rung.shape.parameters <= LARGEST


def test_the_default_ladder_holds_dense_models_and_mixtures_from_10k_to_half_a_million():
    sizes = [rung.shape.parameters for rung in DEFAULT]
    assert min(sizes) < 11_000
    assert max(sizes) > 300_000
    assert len({rung.name for rung in DEFAULT}) == len(DEFAULT)
    assert any(rung.shape.experts > 1 for rung in DEFAULT)


def test_each_budget_has_sizes_on_both_sides_of_its_middle():
    dense = defaultdict(set)
    for rung in DEFAULT:
        if rung.role == "dense":
            dense[rung.budget].add(rung.shape.parameters)
    assert len(dense) == 4
    for budget, sizes in dense.items():
        assert len(sizes) >= 5, budget
        assert max(sizes) / min(sizes) > 5, budget


def test_a_mixture_and_its_dense_model_spend_alike_and_share_their_seeds():
    dense = {(r.budget, r.shape.hidden, r.shape.layers, r.seed): r for r in DEFAULT
             if r.shape.experts == 1}  # fmt: skip
    mixtures = [rung for rung in DEFAULT if rung.shape.experts > 1]
    for mixture in mixtures:
        twin = dense[mixture.budget, mixture.shape.hidden, mixture.shape.layers, mixture.seed]
        assert mixture.flops == pytest.approx(twin.flops, rel=0.005)
        assert mixture.shape.active_parameters == pytest.approx(
            twin.shape.active_parameters, rel=0.03
        )
        assert mixture.shape.parameters > 1.8 * twin.shape.parameters
    by_run = defaultdict(set)
    for mixture in mixtures:
        by_run[mixture.budget, mixture.shape].add(mixture.seed)
    assert sorted(len(seeds) for seeds in by_run.values())[-2:] == [5, 5]


def test_the_held_out_models_are_beyond_all_others_and_last():
    *fitted, dense, mixture = DEFAULT
    assert (dense.role, mixture.role) == ("held_out", "held_out_mixture")
    assert dense.flops > 2.5 * max(rung.flops for rung in fitted)


def test_without_experts_there_are_dense_models_alone():
    planned = rungs(LadderSettings(experts=0))
    assert {rung.shape.experts for rung in planned} == {1}
    assert [rung.role for rung in planned].count("held_out") == 1


@pytest.mark.parametrize("target", [10_000, 35_000, 150_000, 1_000_000, 4_900_000])
def test_shapes_are_found_near_a_size(target):
    assert nearest_shape(target).parameters == pytest.approx(target, rel=0.2)


@pytest.mark.parametrize("flops", [1e8, 1e19])
def test_a_budget_whose_models_are_too_small_or_too_large_is_refused(flops):
    with pytest.raises(InputError, match="between 10,000 and 5,000,000 parameters"):
        rungs(LadderSettings(largest_flops=flops))


def test_two_experts_of_which_a_token_meets_two_are_no_mixture():
    check_experts(0)
    check_experts(3)
    with pytest.raises(InputError, match="--experts 2; expected at least 3"):
        check_experts(2)
