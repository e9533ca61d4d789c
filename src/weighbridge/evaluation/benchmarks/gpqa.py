"""GPQA (Rein et al. 2023, arXiv:2311.12022): graduate-level questions with four choices.

Subsets `main` (448 questions, the default), `extended` (546) and `diamond` (198). The authors ask
that questions never stand in plain text where crawlers find them: they are decrypted in memory, and
evidence, reports, messages and `--show-prompt` hold none of them. That goes for what a model wrote,
too, which may quote them: evidence keeps the letter read from it.

Prompts and text rules are those of lm-evaluation-harness's `gpqa_*_zeroshot` and
`gpqa_*_cot_zeroshot` (2.2). What differs, on purpose:

- The order of the choices is a function of the run's seed and the item's id alone, and stands in
  the evidence; the harness draws it from a generator that everything else draws from, too.
- An answer that names no choice is ungraded; letters beyond D are no choice. The harness goes on to
  look for a choice's text.
- Reasoning may have 1,024 tokens; the harness's own limit is 256.

In a chat the letter that the reply gives as its answer is read, however it is worded; the harness's
two filters stand beside it. There are no few-shot variants here.
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.benchmark import (
    About,
    Asking,
    Benchmark,
    DataNeed,
    Grading,
    LoadRequest,
    Settings,
)
from weighbridge.evaluation.scorers.reply_letter import score_letter_of_reply
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import (
    Generation,
    Graded,
    Message,
    Sample,
    Score,
    Ungraded,
    canonical_digest,
)
from weighbridge.sources.archives import open_archive
from weighbridge.sources.regular_files import SETTINGS_BYTES
from weighbridge.sources.tables import Row, parquet_rows
from weighbridge.sources.text_files import decoded, read_bytes, read_text

SUBSETS = ("main", "extended", "diamond")
LETTERS = ("(A)", "(B)", "(C)", "(D)")
# In the harness's order, the right one last.
ANSWERS = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3", "Correct Answer")
COLUMNS = ("Record ID", "Question", *ANSWERS)

_STRICT = re.compile(r"The answer is \(?([A-D])\)?(?!\w)", re.IGNORECASE)
_FLEXIBLE = re.compile(r"\(([A-D])\)")


def choice_order(seed: int, item_id: str) -> tuple[int, ...]:
    """Return which of `ANSWERS` is shown first, second, third and last."""
    return tuple(sorted(range(4), key=lambda k: canonical_digest(["gpqa", seed, item_id, k])))


def _load(request: LoadRequest) -> list[Sample]:
    if request.data is None:
        raise InputError("gpqa was given no data", "the authors' dataset.zip, or the Hub's files")
    if request.settings.shots:
        raise InputError(f"--shots {request.settings.shots}", "0: gpqa is asked without examples")
    subset = request.subset or SUBSETS[0]
    if subset not in SUBSETS:
        raise UnknownName("subset of gpqa", subset, SUBSETS)
    seed = request.settings.seed
    samples = [_sample(*row, seed) for row in _read(request.data, f"gpqa_{subset}")]
    if not samples:
        raise InputError(f"{request.data} holds no questions", "CSV with GPQA's columns")
    return samples[: request.settings.limit]


def _sample(path: Path, line: int, row: Row, seed: int) -> Sample:
    for column in COLUMNS:
        if column not in row or not isinstance(row[column] or "", str):
            # What stands there may be a question: it is not shown.
            raise MalformedRow(path, line, "no such text", "GPQA's columns", column)
    name = str(row["Record ID"])
    order = choice_order(seed, name)
    return Sample(
        id=name,
        messages=(Message("user", row["Question"]),),
        target=LETTERS[order.index(ANSWERS.index("Correct Answer"))],
        choices=tuple(_tidy(row[ANSWERS[k]]) for k in order),
        metadata={"order": list(order)},
    )


def _tidy(text: str | None) -> str:
    """Tidy a choice as the harness's `preprocess` does: double spaces are replaced once."""
    if not text:
        return " "
    return text.strip().replace(" [title]", ". ").replace("  ", " ")


def _read(data: Path, name: str) -> Iterator[tuple[Path, int, Row]]:
    """Yield rows from an archive, a folder that holds one, or the Hub's CSV or Parquet files."""
    if data.is_dir():
        for path in (data / f"{name}.csv", data / "dataset" / f"{name}.csv"):
            if path.is_file():
                yield from _rows_of_csv(path, read_bytes(path, within=data))
                return
        if tables := sorted(data.glob(f"{name}/*.parquet")):
            for path in tables:
                rows = parquet_rows(path, within=data)
                yield from ((path, line, row) for line, row in rows)
            return
        data = data / "dataset.zip"
    if not data.is_file():
        raise InputError(
            f"no questions in {data.parent}",
            f"dataset.zip (the authors'), {name}.csv or {name}/*.parquet (the Hub's)",
            "check --data gpqa=PATH",
        )
    yield from _rows_of_csv(data, _decrypted(data, f"{name}.csv"))


def _decrypted(archive: Path, name: str) -> bytes:
    """Read one file of the archive into memory; nothing is unpacked to disk."""
    sidecar = archive.with_name("password.txt")
    password = read_text(sidecar, limit=SETTINGS_BYTES).strip() if sidecar.is_file() else ""
    try:
        with open_archive(archive, "GPQA's archive") as opened:
            inside = [entry for entry in opened.names if Path(entry).name == name]
            if inside:
                return opened.read(inside[0], password.encode() or None)
    except (RuntimeError, InputError):
        # A wrong password is told as damage of one kind or another; its words add nothing.
        raise InputError(
            f"{archive} can't be opened" + ("" if password else f", and there is no {sidecar}"),
            "GPQA's archive with its password in password.txt beside it",
            "write the password that the authors publish with the archive into that file",
        ) from None
    raise InputError(f"{archive} holds no {name}", "GPQA's archive", "fetch it again")


def _rows_of_csv(path: Path, data: bytes) -> Iterator[tuple[Path, int, Row]]:
    reader = csv.DictReader(io.StringIO(decoded(path, data), newline=""))
    try:
        for row in reader:
            yield path, reader.line_num, row
    except csv.Error:
        raise MalformedRow(path, reader.line_num, "no CSV", "CSV with GPQA's columns") from None


def _prompt(sample: Sample, settings: Settings) -> Prompt:
    listed = "".join(f"{a} {c}\n" for a, c in zip(LETTERS, sample.choices, strict=True))
    ending = "Let's think step by step: " if settings.protocol == "generative" else "Answer:"
    asked = f"What is the correct answer to this question:{sample.question}\nChoices:\n"
    text = asked + listed + ending
    return Prompt(messages=(Message("user", text),)) if settings.chat_template else Prompt(text)


def _continuations(sample: Sample, settings: Settings) -> tuple[str, ...]:
    space = "" if settings.chat_template else " "
    return tuple(space + letter for letter in LETTERS)


def grade_choice(sample: Sample, generation: Generation) -> Score:
    """Read "The answer is (B)", else the last (A) to (D); `parts` has the harness's two filters."""
    stated, named = _STRICT.search(generation.text), _FLEXIBLE.findall(generation.text)
    if stated is None and generation.stop == "length":
        return Ungraded("truncated", "the token limit came before the answer")
    if stated is None and not named:
        return Ungraded("unparsed", "the text names no choice from (A) to (D)")
    strict = f"({stated[1].upper()})" if stated else None
    flexible = f"({named[-1]})" if named else None
    answer = strict or flexible or ""
    return Graded(
        value=float(answer == sample.target),
        answer=answer,
        parts={
            "strict_match": float(strict == sample.target),
            "flexible_extract": float(flexible == sample.target),
        },
    )


def grade_choice_of_reply(sample: Sample, generation: Generation) -> Score:
    """Read the letter that a chat's reply gives as its answer; `parts` as for completions."""
    of_completion = grade_choice(sample, generation)
    target = sample.target_text.strip("()")
    score = score_letter_of_reply(generation, target, sample.choices)
    if isinstance(score, Ungraded):
        return score
    parts = of_completion.parts if isinstance(of_completion, Graded) else {}
    nothing = {"strict_match": 0.0, "flexible_extract": 0.0}
    return Graded(score.value, f"({score.answer})", parts=nothing | dict(parts))


BENCHMARK = Benchmark(
    name="gpqa",
    version="3",
    about=About(
        title="GPQA",
        summary="Graduate-level questions of physics, chemistry and biology with four choices.",
        licence="CC BY 4.0",
        source="Rein et al. 2023, arXiv:2311.12022; prompts as lm-evaluation-harness 0.4.13, "
        "gpqa 2.2",
        publishes_questions=False,
        shown_as=lambda sample: "choices in order " + " ".join(map(str, sample.listed("order"))),
    ),
    asking=Asking(
        protocols=("loglikelihood", "generative"),
        load=_load,
        prompt=_prompt,
        continuations=_continuations,
        data=DataNeed(
            name="gpqa",
            hub="Idavidrein/gpqa",
            hub_files=("*.csv",),
            get_it="accept the terms of Idavidrein/gpqa on the Hub, or --data gpqa=dataset.zip",
        ),
        subsets=SUBSETS,
        sampling=Sampling(max_tokens=1024, stop=("</s>",)),
        unit_size=32,
    ),
    grading=Grading(
        gold=lambda sample: f"The answer is {sample.target}.",
        grade=grade_choice,
        grade_chat=grade_choice_of_reply,
    ),
)
