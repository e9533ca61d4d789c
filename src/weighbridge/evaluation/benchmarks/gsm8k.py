"""GSM8K (Cobbe et al. 2021, arXiv:2110.14168): grade-school mathematics in words.

The prompt of plain text and the two readings of the answer are those of lm-evaluation-harness's
`gsm8k` (version 3.0): `Question: …` and `Answer:`, worked solutions with their calculator marks,
greedy. The score is the last number, read for what it says; both of the harness's figures
(`flexible_extract`, the last number as text, and `strict_match`, after `####`) stand beside it as
parts. Three things differ, on purpose:

- Shots are the first K of `train` (8 unless named), the same for every question, so that they are
  computed once; the harness draws its 5 anew for each question.
- Answers may have 512 tokens; the harness's own limit is 256 (`--max-tokens 256`).
- An answer without a number is ungraded, not wrong; and so is one whose number could be read in two
  ways ("70.000"), of which the less likely one is right.

With `--chat-template` and no shots the question is asked in one turn, after an instruction. A
chat's reply is read by the number that it gives as its answer: after `####`, in a box, in a last
line "The answer is …", else the last one.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import (
    About,
    Asking,
    Benchmark,
    DataNeed,
    Grading,
    LoadRequest,
    Settings,
)
from weighbridge.evaluation.scorers.final_number import score_final_number, score_number_of_reply
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Message, Sample
from weighbridge.sources.tables import Row, jsonl_rows, parquet_rows

INSTRUCTION = (
    "Solve this problem step by step. End with a line that holds #### and the final number, "
    "without its unit, and nothing else.\n\n"
)
SHOTS = 8
STOPS = ("Question:", "</s>", "<|im_end|>")

_TARGET = re.compile(r"####[ \t]*(-?[\d,]*\.?\d+)\s*\Z")


def _load(request: LoadRequest) -> list[Sample]:
    if request.data is None:
        raise InputError("gsm8k was given no data", "a folder with train.jsonl and test.jsonl")
    if request.subset is not None:
        raise InputError(f"gsm8k:{request.subset}", "gsm8k, which has no parts")
    prefix = _prefix(request.data, request.settings.shots)
    samples = [
        Sample(
            id=f"test/{number:04d}",
            messages=(Message("user", row["question"]),),
            target=_target(path, line, row),
            metadata={"prefix": prefix},
        )
        for number, (path, line, row) in enumerate(_read(request.data, "test"))
    ]
    return samples[: request.settings.limit]


def _prefix(folder: Path, shots: int) -> str:
    if not shots:
        return ""
    worked = list(_read(folder, "train")) if shots > 0 else []
    if not 0 < shots <= len(worked):
        raise InputError(f"--shots {shots}", f"0 to {len(worked)}, the size of train")
    return "".join(f"{_ask(row['question'])} {row['answer']}\n\n" for *_, row in worked[:shots])


def _ask(question: str) -> str:
    return f"Question: {question}\nAnswer:"


def _read(folder: Path, split: str) -> Iterator[tuple[Path, int, Row]]:
    original = folder / f"{split}.jsonl"
    from_hub = sorted(folder.glob(f"main/{split}-*.parquet"))
    if not original.is_file() and not from_hub:
        raise InputError(
            f"no {split} questions in {folder}",
            f"{split}.jsonl (the original) or main/{split}-*.parquet (the Hub's)",
            "check --data gsm8k=PATH",
        )
    for path in [original] if original.is_file() else from_hub:
        read = jsonl_rows if path is original else parquet_rows
        for line, row in read(path, within=folder):
            for key in ("question", "answer"):
                if not isinstance(row.get(key), str):
                    raise MalformedRow(path, line, "no such text", "question and answer", key)
            yield path, line, row


def _target(path: Path, line: int, row: Row) -> str:
    found = _TARGET.search(row["answer"])
    if found is None:
        raise MalformedRow(path, line, "no final number", "#### and a number at its end", "answer")
    return found[1].replace(",", "")


def _prompt(sample: Sample, settings: Settings) -> Prompt:
    text = sample.text("prefix") + _ask(sample.question)
    if not settings.chat_template:
        return Prompt(text=text)
    asked = text if settings.shots else INSTRUCTION + sample.question
    return Prompt(messages=(Message("user", asked),))


BENCHMARK = Benchmark(
    name="gsm8k",
    version="3",
    about=About(
        title="GSM8K",
        summary="1,319 word problems of grade-school mathematics, judged by the final number.",
        licence="MIT",
        source="Cobbe et al. 2021, arXiv:2110.14168; prompts as lm-evaluation-harness 0.4.13, "
        "gsm8k 3",
    ),
    asking=Asking(
        protocols=("generative",),
        load=_load,
        prompt=_prompt,
        data=DataNeed(
            name="gsm8k",
            hub="openai/gsm8k",
            hub_files=("main/*.parquet",),
            get_it="hf download --repo-type dataset openai/gsm8k",
        ),
        sampling=Sampling(max_tokens=512, stop=STOPS),
        chat_sampling=Sampling(max_tokens=512),
        default_shots=SHOTS,
        unit_size=32,
    ),
    grading=Grading(
        gold=lambda sample: f"#### {sample.target}",
        grade=lambda sample, generation: score_final_number(generation, sample.target),
        grade_chat=lambda sample, generation: score_number_of_reply(generation, sample.target),
    ),
)
