"""MT-Bench (Zheng et al. 2023, arXiv:2306.05685): 80 two-turn questions, answers judged by a model.

Questions, references and judge prompts are read from the original files. As in FastChat: the
temperatures by category, 1024 tokens, answers stripped before they are shown again, and references
for math, reasoning and coding alone. Not as there: answers are written with the model's own chat
template, each with a seed of its own; an answer without text is not shown to the judge, and counts
as the scale's lowest value.

Items are clustered by question, because its two turns share it.
"""

from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.benchmark import (
    About,
    Asking,
    Benchmark,
    DataNeed,
    Grading,
    LoadRequest,
    Settings,
)
from weighbridge.evaluation.fastchat import TURNS, Files, Question, read_files
from weighbridge.evaluation.judges import pairwise, single_answer
from weighbridge.evaluation.judging import reference_answers
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Message, Sample

TEMPERATURES = {
    "writing": 0.7, "roleplay": 0.7, "reasoning": 0.0, "math": 0.0, "coding": 0.0,
    "extraction": 0.0, "stem": 0.1, "humanities": 0.1,
}  # fmt: skip
OTHER_TEMPERATURE = 0.7
CATEGORIES = tuple(TEMPERATURES)


def _load(request: LoadRequest) -> list[Sample]:
    if request.data is None:
        raise InputError("mt_bench was given no data", "MT-Bench's folder")
    if request.subset is not None and request.subset not in CATEGORIES:
        raise UnknownName("MT-Bench category", request.subset, CATEGORIES)
    files = read_files(request.data)
    by_category: dict[str, list[Question]] = {}
    for question in files.questions:
        if request.subset in (None, question.category):
            by_category.setdefault(question.category, []).append(question)
    limit = request.settings.limit
    return [_item(files, q) for questions in by_category.values() for q in questions[:limit]]


def _item(files: Files, question: Question) -> Sample:
    return Sample(
        id=question.id,
        messages=tuple(Message("user", turn) for turn in question.turns),
        target=list(question.references) or None,
        cluster=question.id,
        metadata={
            "category": question.category,
            # All that the judge will read stands here, so that it is part of the item's digest.
            "judge_prompts": [
                {k: files.judge_prompt(k, question.category, turn) for k in ("single", "pair")}
                for turn in range(TURNS)
            ],
        },
    )


def _turn(item: Sample, turn: int) -> Sample:
    prompts = item.listed("judge_prompts")[turn]
    return Sample(
        id=f"{item.id}/{turn + 1}",
        messages=item.messages[: turn + 1],
        target=list(reference_answers(item)[: turn + 1]) or None,
        cluster=item.cluster,
        metadata={"category": item.text("category"), "judge_prompts": prompts},
    )


def _prompt(sample: Sample, settings: Settings) -> Prompt:
    if settings.chat_template is False:
        raise InputError(
            "mt_bench without a chat template", "one: its items are conversations",
            "leave --no-chat-template out",
        )  # fmt: skip
    return Prompt(messages=sample.messages)


def _labels(turn: Sample) -> dict[str, str]:
    return {"category": turn.text("category"), "turn": turn.id.rpartition("/")[2]}


BENCHMARK = Benchmark(
    name="mt_bench",
    version="1",
    about=About(
        title="MT-Bench",
        summary="80 open-ended conversations of two turns, rated from 1 to 10 by a judge.",
        licence="Apache-2.0",
        source="Zheng et al. 2023, arXiv:2306.05685; FastChat 0e6d3e4",
        labels=_labels,
    ),
    asking=Asking(
        protocols=("generative", "pairwise"),
        load=_load,
        prompt=_prompt,
        data=DataNeed(
            name="mt_bench",
            package="fastchat",  # carries its data where it is installed from a checkout
            package_file="llm_judge/data/mt_bench",
            get_it="git clone https://github.com/lm-sys/FastChat (and --data mt_bench=FastChat)",
        ),
        subsets=CATEGORIES,
        turns=TURNS,
        turn=_turn,
        sampling=Sampling(max_tokens=1024),
        temperature=lambda item: TEMPERATURES.get(item.text("category"), OTHER_TEMPERATURE),
        unit_size=20,
    ),
    grading=Grading(
        gold=lambda sample: next(
            iter(reference_answers(sample)), "Whatever the judge finds perfect."
        ),
        judges={"generative": single_answer.JUDGE, "pairwise": pairwise.JUDGE},
    ),
)
