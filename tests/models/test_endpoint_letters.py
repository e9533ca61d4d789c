"""The letters' chances as servers list them: texts twice, odd numbers, none at all."""

import math

import pytest

from scripted_server import Out, chat, replying
from weighbridge.models.protocol import Prompt, ScoreRequest
from weighbridge.records import Message


def tops(*shown):
    return [
        {"token": token, "logprob": logprob} | ({"bytes": list(spelt)} if spelt else {})
        for token, logprob, spelt in shown
    ]


def letters_of(opened, listed, letters=("A", "B", "C", "D"), drawn="A"):
    shown = {"content": [{"token": drawn, "logprob": -0.05, "top_logprobs": listed}]}
    with replying(
        lambda body, nth: Out(chat(drawn, "length", choice={"logprobs": shown}))
    ) as served:
        prompt = Prompt(messages=(Message("user", f"which? {listed}"),))
        model = opened(served)
        (result,) = model.score([ScoreRequest("s", prompt, letters)])
        # Read from disk again, it is the same.
        (again,) = opened(served).score([ScoreRequest("s", prompt, letters)])
        assert again == result or result.ungraded
        return result


def test_tokens_that_share_a_text_are_summed(opened):
    """The figures of vLLM's report (#44319), with letters for its words: A is right."""
    listed = tops(("A", -0.23307, b"A"), ("B", -1.57682, b"B"), ("C", -8.38932, b"C"),
                  ("A", -8.47526, b"A"), ("D", -9.1, b"D"))  # fmt: skip
    result = letters_of(opened, listed)
    together = math.log(math.exp(-0.23307) + math.exp(-8.47526))
    assert result.logprobs == pytest.approx((together, -1.57682, -8.38932, -9.1))
    assert result.greedy == (True, False, False, False)


def test_three_tokens_of_a_text_may_be_likelier_than_one_of_another(opened):
    listed = tops(("B", -1.0, None), ("A", -1.4, None), ("A", -1.5, None), ("A", -1.6, None))
    result = letters_of(opened, listed, ("A", "B"))
    assert result.logprobs[0] > result.logprobs[1]
    assert result.logprobs[0] == pytest.approx(
        math.log(sum(math.exp(-x) for x in (1.4, 1.5, 1.6))), abs=1e-9
    )


@pytest.mark.parametrize("spelt", [b"A", None])
def test_the_drawn_token_that_is_listed_twice_counts_once(opened, spelt):
    listed = tops(("A", -0.9, spelt), ("B", -0.8, b"B"), ("A", -0.9, spelt))
    assert letters_of(opened, listed, ("A", "B")).logprobs == pytest.approx((-0.9, -0.8))


def test_equal_chances_of_tokens_that_are_spelt_otherwise_are_two(opened):
    listed = tops(("A", -0.9, b"A"), ("B", -0.8, b"B"), ("A", -0.9, b" A"))
    assert letters_of(opened, listed, ("A", "B")).logprobs[0] == pytest.approx(-0.9 + math.log(2))


def test_letters_in_a_vocabulary_s_own_spelling_are_found(opened):
    listed = tops(("\u2581A", -0.9, None), ("\u0120B", -0.8, None))
    assert letters_of(opened, listed, ("A", "B")).logprobs == pytest.approx((-0.9, -0.8))


def test_a_token_of_half_a_character_is_read(opened):
    listed = tops(("\ud83d", -0.1, None), ("A", -1.0, None))
    assert letters_of(opened, listed, ("A",)).logprobs == pytest.approx((-1.0,))


@pytest.mark.parametrize("logprob", [float("nan"), 0.7, None, "-0.1", True, 10**400])
def test_what_can_be_no_log_probability_is_infrastructure(opened, logprob):
    result = letters_of(
        opened, [{"token": "A", "logprob": logprob}, {"token": "B", "logprob": -1.0}]
    )
    assert result.ungraded.reason == "infrastructure" and "log-probability" in result.ungraded.why


def test_minus_infinity_and_no_log_probabilities(opened):
    listed = tops(("A", -0.1, None), ("B", float("-inf"), None), ("C", -9999.0, None))
    result = letters_of(opened, listed, ("A", "B"))
    assert result.logprobs[0] == pytest.approx(-0.1) and math.isfinite(result.logprobs[1])
    result = letters_of(opened, tops(("A", -0.1, None), ("B", -(10**400), None)), ("A", "B"))
    assert math.isfinite(result.logprobs[1])
    for none in ([], None):
        result = letters_of(opened, none)
        assert result.ungraded.reason == "infrastructure"
        assert "without log-probabilities" in result.ungraded.why


def test_a_letter_with_a_space_before_it_is_that_letter_too(opened):
    """A server that draws " B" answers B, whatever little chance a bare "B" has beside it."""
    listed = tops((" B", -0.4, None), ("A", -1.3, None), ("B", -6.0, None), ("\u0120C", -7.0, None))
    result = letters_of(opened, listed, ("A", "B", "C"), drawn=" B")
    together = math.log(math.exp(-0.4) + math.exp(-6.0))
    assert result.logprobs == pytest.approx((-1.3, together, -7.0))
    assert result.greedy == (False, True, False)
