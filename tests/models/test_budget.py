"""`--memory` is kept by the real model on the longest prompts there are, or refused beforehand."""

import json
import subprocess
import sys

import pytest

from weighbridge.cli.options import parse_memory
from weighbridge.errors import InputError
from weighbridge.models.budget import MOST_PACK_TOKENS, share_out
from weighbridge.models.convert import as_safetensors
from weighbridge.models.open_weights import load
from weighbridge.sources.packages import package_file
from weighbridge.sources.weights import ALIASES, find_weights


def smollm2_file():
    alias = ALIASES["smollm2-135m"]
    if package_file(alias.package, alias.file) is None:
        pytest.skip(f"weights are not installed: {alias.get_it}")
    return find_weights("smollm2-135m")


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4_000_000_000), ("1.5 gb", 1_500_000_000), ("512MiB", 512 << 20), ("2G", 2 * 10**9),
     ("7000000", 7_000_000), ("", None)],
)  # fmt: skip
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["much", "-1GB", "0", "4 XB", "1,5GB", "48"])
def test_other_sizes_are_refused(text):
    with pytest.raises(InputError, match="4GB"):
        parse_memory(text)


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(tiny_model, cache):
    with pytest.raises(InputError, match=r"--memory is 0\.10 GB"):
        load(find_weights(str(tiny_model)), cache=cache, memory_bytes=100_000_000)


@pytest.mark.slow
def test_less_memory_means_smaller_passes(smollm2):
    unlimited = share_out(smollm2.network, None)
    tight = share_out(smollm2.network, 1_400_000_000)
    assert unlimited.pack_tokens == MOST_PACK_TOKENS
    assert tight.key_value_bytes < unlimited.key_value_bytes
    with pytest.raises(InputError, match=r"at least 1\.\d\d GB"):
        share_out(smollm2.network, 1_100_000_000)


@pytest.mark.slow
def test_prompts_of_2500_tokens_stay_within_the_limit(real_data, tmp_path):
    # A cache of its own: a page that another process has mapped, too, can't be given back.
    as_safetensors(smollm2_file(), tmp_path / "cache")
    done = subprocess.run(
        [
            sys.executable, "-m", "weighbridge", "evaluate", "smollm2-135m",
            "-b", "mmlu:high_school_us_history", "--shots", "5", "--limit", "3",
            "--memory", "1300MB", "--data", f"mmlu={real_data / 'mmlu'}", "--json",
            "--cache", tmp_path / "cache", "--runs", tmp_path / "runs",
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    record = json.loads((tmp_path / "runs" / run["run"] / "run.json").read_text())
    assert record["provenance"]["peak_memory_bytes"] < 1_300_000_000
    longest = max(
        json.loads(line).get("input_tokens", 0)
        for line in (tmp_path / "runs" / run["run"] / "samples.jsonl").read_text().splitlines()
    )
    assert longest > 2000
