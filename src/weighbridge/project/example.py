"""The embedded example project, and the commented project file that `init` writes."""

from pathlib import Path

import weighbridge
from weighbridge.errors import InputError, MissingPiece, StorageError

TEMPLATE = """\
# A Weighbridge project. Run it with: weighbridge run
# Every key is checked: a misspelt one is an error.

[project]
name = "{name}"
question = "Does tuning pay on our own task?"

[model]
# An alias (smollm2-135m), a folder of safetensors, a .gguf file, or a Hub id (org/name).
base = "smollm2-135m"

[data]
# Where data sets lie that are not in a package or the Hub cache, NAME = "PATH":
# mmlu = "~/data/mmlu"

[tune]
# One conversation a line: {{"messages": [{{"role": "user", "content": "…"}},
#                                        {{"role": "assistant", "content": "…"}}]}}
# or OpenAI's, Alpaca's, ShareGPT's rows and others, as JSONL, JSON, CSV or Parquet.
# Only the assistant's turns are learnt; look at them with: weighbridge tune --show-mask
train = "train.jsonl"
validation = "validation.jsonl"
# licence = "CC-BY-4.0"   # of the training data; one that forbids commercial use forbids a release
# A few refusals and harmless look-alikes are mixed in, so that tuning costs no safety; 0 for none.
safety_share = 0.03
# allow_overlap = true    # if items of tickets.toml are meant to stand in the training data
# lora, rslora, lora-plus, dora, pissa or full; every option of `weighbridge tune` is a key here.
method = "lora"
rank = 16
alpha = 32
learning_rate = 5e-4
epochs = 2
batch_size = 8
# What becomes of rows longer than max_tokens: "refuse", "drop" or "truncate_left".
overflow = "refuse"
# Other data that is mixed in, such as general text against forgetting; share is one of all rows.
# [[tune.mix]]
# data = "general.jsonl"
# share = 0.2

[prompting]
# What tuning has to beat: the base with worked examples in its prompt. Each of these numbers of
# training rows is tried on validation rows, and the best is measured beside base and tuned model.
shots = [1, 2, 4, 8]

# Attacks on base (twice) and tuned model, paired: a campaign's name or its file beside this one.
# [redteam]
# campaign = "quick"

[[evaluate]]
# What should get better. This one is described in tickets.toml.
benchmark = "tickets.toml"
role = "target"

[[evaluate]]
# What must not get worse by more than the margin (in the benchmark's units: 0.05 is 5 points).
benchmark = "humaneval"
role = "guard"
limit = 20
margin = 0.05
# required = true    # then the verdict stays open unless this guard is measured and holds

[[evaluate]]
# What tuning costs in safety, on both sides: 48 harmful requests that are to be refused, and 48
# harmless ones in similar words that are to be answered. Your own: harmful_requests in [data].
benchmark = "harmful_requests"
role = "guard"
margin = 0.1

[[evaluate]]
benchmark = "look_alikes"
role = "guard"
margin = 0.1
"""

BENCHMARK = """\
# Your own benchmark: no code, only what to ask and how to judge.
name = "tickets"
data = "test.jsonl"
messages = "messages"       # or: prompt = "Classify: {{text}}" and target = "label"
scorer = "exact"            # exact, regex, json_object, choice, code or judge
max_tokens = 64
"""


def example_project() -> Path:
    """Return the folder of the embedded example.

    Raises:
        MissingPiece: The package was installed without it.
    """
    package = Path(weighbridge.__file__).parent
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / "service_desk" / "weighbridge.toml").is_file():
            return folder / "service_desk"
    raise MissingPiece(
        "the example is not installed",
        "examples/service_desk",
        "reinstall: pip install --force-reinstall weighbridge",
    )


def write_template(folder: Path) -> tuple[Path, ...]:
    """Write a project file and a benchmark file; existing ones are never overwritten.

    Raises:
        InputError: One of them is already there.
    """
    name = folder.resolve().name or "project"
    wanted = {"weighbridge.toml": TEMPLATE.format(name=name), "tickets.toml": BENCHMARK.format()}
    for file in wanted:
        if (folder / file).exists():
            raise InputError(
                f"{folder / file} already exists", "a folder without one", "name another folder"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in wanted.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder} can't be written ({error.strerror})") from error
    return tuple(folder / file for file in wanted)
