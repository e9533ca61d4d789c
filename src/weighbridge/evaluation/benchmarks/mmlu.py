"""MMLU (Hendrycks et al. 2021, arXiv:2009.03300): 57 subjects of four-choice questions.

Prompts and scoring are those of lm-evaluation-harness's `mmlu` v2 tasks, so that numbers agree: a
header naming the subject and the first K questions of `dev` as shots. Three protocols, which are
not to be mixed in one column:

- `loglikelihood` compares the likelihoods of the four letters after the prompt as plain text.
- `letter` compares the likelihoods of the four letters as the first token of a chat's reply: what
  an endpoint that reports log-probabilities can be asked, too.
- `generative` lets the model write one line, as `mmlu_generative` (version 3.0) does. In a chat it
  writes what it likes, reasons included, and the letter that it gives as its answer is read.

The mean over questions is the micro average, as the harness and the original report it; the mean
over subjects is the macro average. In a chat, header, shots and question are one user's turn; the
harness makes the header a system message and each shot two turns (`fewshot_as_multiturn`). The
original release's own code writes two spaces after "about" and drops shots that don't fit; its
numbers differ a little.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

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
from weighbridge.evaluation.scorers.choice_letter import score_choice_letter
from weighbridge.evaluation.scorers.reply_letter import score_letter_of_reply
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Message, Sample
from weighbridge.sources.tables import cells_of, parquet_rows
from weighbridge.sources.text_files import read_text

LETTERS = ("A", "B", "C", "D")

GROUPS = {
    "stem": (
        "abstract_algebra", "anatomy", "astronomy", "college_biology", "college_chemistry",
        "college_computer_science", "college_mathematics", "college_physics", "computer_security",
        "conceptual_physics", "electrical_engineering", "elementary_mathematics",
        "high_school_biology", "high_school_chemistry", "high_school_computer_science",
        "high_school_mathematics", "high_school_physics", "high_school_statistics",
        "machine_learning",
    ),
    "humanities": (
        "formal_logic", "high_school_european_history", "high_school_us_history",
        "high_school_world_history", "international_law", "jurisprudence", "logical_fallacies",
        "moral_disputes", "moral_scenarios", "philosophy", "prehistory", "professional_law",
        "world_religions",
    ),
    "social_sciences": (
        "econometrics", "high_school_geography", "high_school_government_and_politics",
        "high_school_macroeconomics", "high_school_microeconomics", "high_school_psychology",
        "human_sexuality", "professional_psychology", "public_relations", "security_studies",
        "sociology", "us_foreign_policy",
    ),
    "other": (
        "business_ethics", "clinical_knowledge", "college_medicine", "global_facts", "human_aging",
        "management", "marketing", "medical_genetics", "miscellaneous", "nutrition",
        "professional_accounting", "professional_medicine", "virology",
    ),
}  # fmt: skip
SUBJECTS = tuple(sorted(subject for group in GROUPS.values() for subject in group))


class _Question(TypedDict):
    question: str
    choices: list[str]
    answer: str


def _load(request: LoadRequest) -> list[Sample]:
    if request.data is None:
        raise InputError("mmlu was given no data", "a folder with dev/ and test/")
    shots = request.settings.shots
    if not 0 <= shots <= 5:
        raise InputError(f"--shots {shots}", "0 to 5: MMLU has five worked questions per subject")
    samples: list[Sample] = []
    for subject in _subjects(request.subset):
        worked = _read(request.data, "dev", subject)[:shots] if shots else []
        prefix = _prefix(subject, worked)
        rows = _read(request.data, "test", subject)[: request.settings.limit]
        samples.extend(
            Sample(
                id=f"{subject}/{index:04d}",
                messages=(Message("user", _ask(row["question"], row["choices"])),),
                target=row["answer"],
                cluster=subject,
                choices=tuple(row["choices"]),
                metadata={"prefix": prefix},
            )
            for index, row in enumerate(rows)
        )
    return samples


def _subjects(subset: str | None) -> tuple[str, ...]:
    if subset is None:
        return SUBJECTS
    if subset in GROUPS:
        return GROUPS[subset]
    if subset in SUBJECTS:
        return (subset,)
    raise UnknownName("MMLU subject or group", subset, (*GROUPS, *SUBJECTS))


def _prefix(subject: str, worked: list[_Question]) -> str:
    about = subject.replace("_", " ")
    header = f"The following are multiple choice questions (with answers) about {about}.\n\n"
    shots = (f"{_ask(row['question'], row['choices'])} {row['answer']}\n\n" for row in worked)
    return header + "".join(shots)


def _ask(question: str, choices: list[str]) -> str:
    listed = "".join(f"{letter}. {c}\n" for letter, c in zip(LETTERS, choices, strict=True))
    return f"{question.strip()}\n{listed}Answer:"


def _read(folder: Path, split: str, subject: str) -> list[_Question]:
    original = folder / split / f"{subject}_{split}.csv"
    if original.is_file():
        return list(_read_csv(original, folder))
    from_hub = sorted(folder.glob(f"{subject}/{split}-*.parquet"))
    if from_hub:
        return [row for path in from_hub for row in _read_parquet(path, folder)]
    raise InputError(
        f"no {split} questions on {subject} in {folder}",
        f"{split}/{subject}_{split}.csv (the original) or {subject}/{split}-*.parquet (the Hub's)",
        "check --data mmlu=PATH",
    )


def _read_csv(path: Path, folder: Path) -> Iterator[_Question]:
    # Fields may hold newlines, and line endings are mixed: csv must see the text untranslated. The
    # Hub's copy was read that way too, with "\r\n" inside a field kept as "\n".
    for line, row in cells_of(path, read_text(path, "MMLU's table", within=folder)):
        if len(row) != 6:
            saw, expected = f"{len(row)} columns", "6: question, four choices, answer"
            raise MalformedRow(path, line, saw, expected)
        question, *choices, answer = row
        if answer not in LETTERS:
            raise MalformedRow(path, line, f"{answer!r:.60}", "A, B, C or D", column=6)
        yield {"question": question, "choices": choices, "answer": answer}


def _read_parquet(path: Path, folder: Path) -> Iterator[_Question]:
    for line, row in parquet_rows(path, within=folder):
        if not {"question", "choices", "answer"} <= row.keys():
            raise MalformedRow(path, line, f"columns {sorted(row)}", "question, choices and answer")
        question, choices, answer = row["question"], row["choices"], row["answer"]
        if not isinstance(question, str):
            raise MalformedRow(path, line, repr(question)[:60], "text", "question")
        if not isinstance(choices, list) or len(choices) != 4:
            raise MalformedRow(path, line, repr(choices)[:60], "a list of four", "choices")
        if not isinstance(answer, int) or not 0 <= answer <= 3:
            raise MalformedRow(path, line, repr(answer)[:60], "0 to 3", "answer")
        yield {"question": question, "choices": choices, "answer": LETTERS[answer]}


def _prompt(sample: Sample, settings: Settings) -> Prompt:
    if not settings.chat_template:
        return Prompt(text=sample.text("prefix") + sample.question)
    return Prompt(messages=(Message("user", sample.text("prefix") + sample.question),))


def _continuations(sample: Sample, settings: Settings) -> tuple[str, ...]:
    space = "" if settings.chat_template else " "
    return tuple(space + letter for letter in LETTERS)


BENCHMARK = Benchmark(
    name="mmlu",
    version="4",
    about=About(
        title="MMLU",
        summary="57 subjects of four-choice questions: what a model knows.",
        licence="MIT",
        source="Hendrycks et al. 2021, arXiv:2009.03300; prompts as lm-evaluation-harness 0.4.13",
    ),
    asking=Asking(
        protocols=("loglikelihood", "letter", "generative"),
        load=_load,
        prompt=_prompt,
        continuations=_continuations,
        data=DataNeed(
            name="mmlu",
            hub="cais/mmlu",
            hub_files=("*/dev-*.parquet", "*/test-*.parquet"),
            get_it="hf download --repo-type dataset cais/mmlu",
        ),
        subsets=SUBJECTS,
        groups=GROUPS,
        sampling=Sampling(stop=("</s>", "\n")),
        chat_sampling=Sampling(max_tokens=512),
        unit_size=256,
    ),
    grading=Grading(
        gold=lambda sample: str(sample.target),
        grade=lambda sample, text: score_choice_letter(text, sample.target, sample.choices),
        grade_chat=lambda sample, text: score_letter_of_reply(text, sample.target, sample.choices),
    ),
)
