"""`weighbridge plan serve` as a person types it: figures, goals, and one line for what is wrong."""

import json

import pytest

from commands import weighbridge

KEYS = (
    "output_tokens_per_second", "interval", "kv_cache_bytes", "max_batch",
    "usd_per_million_output_tokens", "calibration", "offline", "server", "conditions",
)  # fmt: skip


def serve(*words, **options):
    return weighbridge("plan", "serve", *map(str, words), **options)


def figures(*words):
    done = serve(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(*words):
    done = serve(*words)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.fixture
def log(tmp_path):
    def write(text, name="log.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_keys_that_scripts_rely_on():
    found = figures("llama-2-70b", "--gpu", "h200-nvl", "--gpus", 8, "--precision", "fp8",
                    "--input-tokens", 294, "--output-tokens", 294)  # fmt: skip
    assert set(KEYS) <= set(found)
    for scenario in ("offline", "server"):
        low, high = found[scenario]["interval"]
        assert low < found[scenario]["tokens_per_second"] < high
    assert found["server"]["tokens_per_second"] <= found["offline"]["tokens_per_second"]
    assert found["calibration"]["support"] == "calibrated"
    assert any("speculative decoding" in said for said in found["conditions"])


def test_names_of_the_design_work_too():
    words = ["--precision", "fp8", "--as-of", "2026-11-30"]
    one = figures("llama-3.1-8b", "--accelerator", "l40s", "--count", 2, *words)
    other = figures("llama-3.1-8b", "--gpu", "L40S", "--gpus", 2, *words)
    assert one == other


def test_a_models_name_in_mlperf_is_understood():
    words = ("--gpu", "b200", "--gpus", 8, "--precision", "fp4", "--as-of", "2026-11-30")
    assert figures("llama2-70b", *words) == figures("llama-2-70b", *words)
    assert figures("deepseek-r1", *words)["calibration"]["support"] == "calibrated"


def test_mlperfs_own_figures_lie_within():
    """MLPerf v5.1, Llama-2-70B offline a GPU: H200 4,306-4,415; MI325X 4,083-4,320; B200 9,808."""
    for gpu, precision, least, most in (
        ("h200", "fp8", 4306, 4415), ("mi325x", "fp8", 4083, 4320), ("b200", "fp4", 9808, 12864),
        ("rtx-pro-6000", "fp4", 3276, 3276),
    ):  # fmt: skip
        found = figures("llama-2-70b", "--gpu", gpu, "--gpus", 8, "--precision", precision,
                        "--input-tokens", 294, "--output-tokens", 294)  # fmt: skip
        low, high = (end / 8 for end in found["interval"])
        assert low < least <= most < high, gpu
        assert found["tokens_per_second_per_gpu"] == pytest.approx((least + most) / 2, rel=0.2)


def test_the_text_fits_eighty_columns_and_says_what_it_rests_on():
    words = ("mixtral-8x7b", "--gpu", "mi325x", "--gpus", 2, "--precision", "fp8")
    text = serve(*words, "--usd-per-hour", 1.4, "--tpot", 0.1).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "Calibrated: " in text and "OUTSIDE" not in text
    assert "95% interval" in text and "Software gets faster" in text and "a million" in text
    little = serve(words[0], "--gpu", "mi300x", *words[3:]).stdout
    assert "OUTSIDE CALIBRATED CELLS: nothing or little was measured of mixture" in " ".join(
        little.split()
    )
    outside = serve("llama-3.1-8b", "--gpu", "a100").stdout
    assert "OUTSIDE CALIBRATED CELLS: nothing was measured on a100-sxm" in " ".join(outside.split())


def test_goals_choose_the_batch(real_data):
    trace = real_data / "economics" / "splitwise_conv.csv"
    words = ("llama-3.3-70b", "--gpu", "h200", "--gpus", 2, "--precision", "fp8",
             "--usd-per-hour", 1.6, "--trace", trace, "--ttft", 2)  # fmt: skip
    strict, loose = (figures(*words, "--tpot", tpot)["goal"] for tpot in (0.03, 0.1))
    for one, tpot in ((strict, 0.03), (loose, 0.1)):
        assert one["met"] and one["requests"] == 19_366
        assert one["at_batch_tpot_seconds"] <= tpot and one["at_batch_ttft_seconds"] <= 2
        assert 0.5 < one["share_of_requests_met"] <= 1
        every = one["at_batch_usd_per_million_output_tokens"]
        assert one["usd_per_million_good_output_tokens"] >= every
    assert strict["largest_batch"] < loose["largest_batch"]


def test_a_goal_that_nothing_meets_is_a_negative_answer():
    done = serve("llama-3.1-405b", "--gpu", "h100", "--gpus", 8, "--precision", "fp8",
                 "--tpot", 0.0001, "--json")  # fmt: skip
    assert done.returncode == 1 and json.loads(done.stdout)["goal"]["met"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("llama-3.3-70b", "--gpu", "h20"), "did you mean"),
        (("lama-3.3-70b", "--gpu", "h200"), "did you mean llama-3.3-70b"),
        (("llama-3.3-70b", "--gpu", "h100", "--gpus", 8, "--precision", "fp4"), "has no fp4"),
        (("llama-3.3-70b", "--gpu", "h100", "--precision", "fp5"), "unknown precision 'fp5'"),
        (("deepseek-v3", "--gpu", "l4"), "do not fit"),
        (
            ("llama-3.3-70b", "--gpu", "h200", "--gpus", 8, "--tensor-parallel", 3),
            "expected one of 1, 2, 4, 8",
        ),
        (("llama-3.1-8b", "--gpu", "h200", "--ttft", 0), "seconds above 0"),
        (("llama-3.1-8b", "--gpu", "h200", "--as-of", "soon"), "a day such as 2026-11-30"),
        (("llama-3.1-8b", "--gpu", "h200", "--cache-bits", 12), "8 or 16"),
        (("llama-3.1-8b", "--gpu", "h200", "--usd-per-hour", "inf"), "dollars, such as 2.5"),
        (("llama-3.1-8b", "--gpu", "h200", "--usd-per-hour", -1), "greater than or equal to 0"),
        (("llama-3.1-8b", "--gpu", "h200", "--gpus", 0), "greater than or equal to 1"),
    ],
)
def test_what_can_t_be_is_one_line(words, said):
    assert said in refused(*words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt_tokens,completion_tokens\n10,5\n,7\n", "line 3, column prompt_tokens: nothing"),
        ("prompt_tokens,completion_tokens\n10,-5\n", "whole number of tokens"),
        ("prompt_tokens,cost\n10,5\n", "no column of output tokens"),
        ("prompt_tokens,completion_tokens\n", "holds no request"),
        (
            "timestamp,prompt_tokens,completion_tokens\n2026-01-01T00:00:00Z,10,5\n"
            "2026-01-01T01:00:00Z,10,5\n2026-01-03T01:00:00Z,10,5\n",
            "no request for 48.0 hours after 2026-01-01 01:00 UTC",
        ),
        (
            "timestamp,prompt_tokens,completion_tokens\n2026-01-01T00:00:00Z,10,5\n"
            "2199-01-01T00:00:00Z,10,5\n",
            "in the future",
        ),
        ("timestamp,prompt_tokens,completion_tokens\nnoon,10,5\n", "seconds, or a time such as"),
    ],
)
def test_a_log_that_is_not_whole_is_one_line(log, text, said):
    line = refused("llama-3.1-8b", "--gpu", "h200", "--trace", log(text))
    assert said in line


def test_a_log_of_ones_own_in_jsonl(log):
    rows = [{"input_tokens": 500, "output_tokens": 100, "time": i * 10} for i in range(30)]
    path = log("\n".join(map(json.dumps, rows)) + "\n", "log.jsonl")
    found = figures("llama-3.1-8b", "--gpu", "l4", "--trace", path, "--tpot", 0.2)
    assert (found["input_tokens"], found["output_tokens"]) == (500, 100)
    assert found["goal"]["offered_share_of_capacity"] > 0
