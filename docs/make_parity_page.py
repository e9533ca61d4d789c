"""Write docs/explanation/parity-on-published-answers.md from HELM's published answers.

    python docs/make_parity_page.py --data PATH     # PATH holds mmlu/ and mmlu_helm_predictions/

Every figure and every verdict on the page is computed here by the library; only the words between
them are written by hand. `--to FOLDER` writes it elsewhere, for a test that compares.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK, GROUPS
from weighbridge.evidence import RunStore
from weighbridge.evidence.importing import ImportRequest, import_runs
from weighbridge.records import Comparison, EvalRun, Graded, ScoredSample
from weighbridge.reports import charts, wording
from weighbridge.statistics import compare, estimate
from weighbridge.storage import replace_file

NAME = "parity-on-published-answers"
ANSWERS = Path("mmlu_helm_predictions/outputs/original_helm_combined")
OPEN = "meta_llama-3-70b"
PROPRIETARY = (
    "openai_gpt-4-1106-preview",
    "openai_gpt-4o-2024-05-13",
    "anthropic_claude-3-opus-20240229",
)
OPEN_WEIGHTS = (OPEN, "mistralai_mixtral-8x22b")
PUBLISHED = {
    "anthropic_claude-3-opus-20240229": 0.8458,
    "openai_gpt-4o-2024-05-13": 0.8415,
    "openai_gpt-4-0613": 0.8242,
    "openai_gpt-4-1106-preview": 0.7954,
    "meta_llama-3-70b": 0.7930,
    "mistralai_mixtral-8x22b": 0.7774,
}
"""HELM MMLU, mean over 57 subjects, as published with aryopg/mmlu-redux @ 4563cfa79b65."""
MARGINS = (0.01, 0.02)
SURE = {
    "superior": "**better**",
    "equivalent": "**equivalent**",
    "non_inferior": "**not worse** beyond it",
    "inferior": "**worse** beyond it",
    "inconclusive": "can't be told",
}
Keep = Callable[[ScoredSample], bool]


@dataclass(frozen=True)
class Pair:
    """One comparison, at each margin, over some of the answers."""

    reference: str
    found: tuple[Comparison, ...]

    @property
    def first(self) -> Comparison:
        """At the smallest margin; difference and interval are the same at each."""
        return self.found[0]


def main() -> int:
    """Read the data, write page and chart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "explanation")
    asked = parser.parse_args()
    try:
        runs = read_runs(asked.data)
    except InputError as error:
        sys.stderr.write(f"make_parity_page: {error}\n")
        return error.exit_code
    page, drawing = make(runs)
    for name, content in ((f"{NAME}.svg", drawing), (f"{NAME}.md", page)):
        replace_file(asked.to / name, content.encode("utf-8"))
        sys.stdout.write(f"{asked.to / name}\n")
    return 0


def read_runs(data: Path) -> dict[str, EvalRun]:
    """Import every model's answers, as `weighbridge import helm` does."""
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        request = ImportRequest(
            data / ANSWERS,
            gold=lambda: BENCHMARK.asking.load(LoadRequest(data / "mmlu", None, Settings())),
            benchmark="mmlu",
        )
        runs, _ = import_runs("helm", request, store, "")
        return {run.model.name: store.read(run.run_id) for run in runs}


def make(runs: dict[str, EvalRun]) -> tuple[str, str]:
    """Return the page and its chart."""
    every = [_pair(runs, name) for name in PROPRIETARY]
    parsed = [_pair(runs, name, both_parsed(runs[OPEN], runs[name])) for name in PROPRIETARY]
    parsed = [p for p, all_ in zip(parsed, every, strict=True) if p.first.n < all_.first.n]
    alone = [_pair(_unclustered(runs), name) for name in PROPRIETARY]
    drawing = _chart(every, parsed)
    count = len(runs[OPEN].samples)
    parts = [
        _opening(count),
        _means_table(runs),
        _unparsed(runs),
        _identical(runs),
        "## Llama 3 70B against three proprietary models\n",
        f"![{drawing.description}]({NAME}.svg)\n",
        _pairs_table(
            f"All {_n(count)} answers; an answer that is no letter counts as wrong", every
        ),
        _pairs_table(
            "Only questions to which both wrote a letter, for models that did not always do so",
            parsed,
        ),
        _conclusion(every, parsed),
        _clusters(every, alone),
        _groups(runs),
        _limits(),
    ]
    return "\n".join(parts), drawing.svg


def both_parsed(a: EvalRun, b: EvalRun) -> Keep:
    """Keep the questions to which both models gave an answer that could be read."""
    read = [{s.sample_id for s in run.samples if isinstance(s.score, Graded)} for run in (a, b)]
    shared = read[0] & read[1]
    return lambda sample: sample.sample_id in shared


def _pair(runs: dict[str, EvalRun], reference: str, keep: Keep = lambda _: True) -> Pair:
    a, b = (
        replace(run, samples=tuple(filter(keep, run.samples)))
        for run in (runs[OPEN], runs[reference])
    )
    return Pair(reference, tuple(compare(a, b, margin=margin) for margin in MARGINS))


def _unclustered(runs: dict[str, EvalRun]) -> dict[str, EvalRun]:
    return {
        name: replace(run, samples=tuple(replace(s, cluster=None) for s in run.samples))
        for name, run in runs.items()
        if name in (OPEN, *PROPRIETARY)
    }


def _chart(every: Sequence[Pair], parsed: Sequence[Pair]) -> charts.Drawing:
    rows = [
        (f"{_short(pair.reference)}, {what}", pair.found[-1])
        for pairs, what in ((every, "all answers"), (parsed, "both parsed"))
        for pair in pairs
    ]
    return charts.differences(rows, NAME, charts.WIDE_PX)


def _opening(count: int) -> str:
    return f"""# Parity on published answers

*Made by `make parity-page`; every figure is computed from single answers. Do not edit by hand.*

The article says that open-weight models "routinely match or exceed proprietary systems on standard
benchmarks", and shows it on MMLU. There the answers of proprietary models to each single question
have been published: HELM's, of ten models, {_n(count)} questions each
(aryopg/mmlu-redux @ 4563cfa79b65, CC BY 4.0). So the claim can be tested as one would test a
replacement: question by question, with an interval, at a margin stated beforehand.

```sh
weighbridge import helm PATH/original_helm_combined --gold PATH/mmlu
weighbridge compare mmlu--meta-llama-3-70b mmlu--openai-gpt-4o --margin 0.01 --html flips.html
```

## The published means are reproduced
"""


def _means_table(runs: dict[str, EvalRun]) -> str:
    lines = [
        "| model | weights | published | mean over subjects | over questions | no letter | "
        "over questions, letters only |",
        "|---|---|---|---|---|---|---|",
    ]
    ordered = sorted(runs.values(), key=lambda run: -(run.estimate.macro_mean or 0))
    for run in ordered:
        figures, name = run.estimate, run.model.name
        published = f"{PUBLISHED[name]:.4f}" if name in PUBLISHED else "–"
        kind = "open" if name in OPEN_WEIGHTS else "closed"
        lines.append(
            f"| {_short(name)} | {kind} | {published} | {figures.macro_mean:.4f} | "
            f"{figures.mean:.4f} | {_n(figures.ungraded['unparsed'])} | "
            f"{figures.mean_graded:.4f} |"
        )
    return "\n".join(lines) + "\n"


def _unparsed(runs: dict[str, EvalRun]) -> str:
    run = runs["openai_gpt-4-1106-preview"]
    graded = estimate(s for s in run.samples if isinstance(s.score, Graded))
    unparsed = _n(run.estimate.ungraded["unparsed"])
    counted, read = f"{run.estimate.macro_mean:.4f}", f"{graded.macro_mean:.4f}"
    return f"""HELM lets a model write one token and compares it with the letter. gpt-4-1106 began
to reason ("To", "Let", "The") in {unparsed} of its answers. The published {counted} counts those
as wrong; its mean over subjects, letters only, is {read}. The first figure describes the model
under this protocol, the second only its answers that follow the protocol. No missing answer is
imputed here: an unparsed answer is `Ungraded("unparsed")`, and each comparison is made with those
questions and without them.
"""


def _identical(runs: dict[str, EvalRun]) -> str:
    first, second = runs["writer_palmyra-x-v3"], runs["google_text-unicorn@001"]
    said = {s.sample_id: s.output for s in first.samples}
    same = sum(said[s.sample_id] == s.output for s in second.samples)
    return f"""The files contain an oddity: the columns of palmyra-x-v3 and text-unicorn agree in
{_n(same)} of {_n(len(said))} answers, which is not expected of models from two makers. One column
may be a copy of the other. Neither is used below.
"""


def _pairs_table(title: str, pairs: Sequence[Pair]) -> str:
    margins = " | ".join(f"at {100 * margin:g} point{'s' * (margin > 0.01)}" for margin in MARGINS)
    lines = [
        f"**{title}.**",
        "",
        f"| against | questions | Llama 3 70B | reference | difference, points | {margins} |",
        "|---|---|---|---|---|" + "---|" * len(MARGINS),
    ]
    for pair in pairs:
        c = pair.first
        verdicts = " | ".join(SURE[found.verdict] for found in pair.found)
        lines.append(
            f"| {_short(pair.reference)} | {_n(c.n)} | {100 * c.mean_a:.1f} % | "
            f"{100 * c.mean_b:.1f} % | {_difference(c)} | {verdicts} |"
        )
    return "\n".join(lines) + "\n"


def _conclusion(every: Sequence[Pair], parsed: Sequence[Pair]) -> str:
    read = {pair.reference: pair for pair in parsed}
    sentences = [_sentence(pair, read.get(pair.reference)) for pair in every]
    shown = [f for pair in (*every, *parsed) for f in pair.found]
    parity = [f for f in shown if f.verdict in ("superior", "equivalent", "non_inferior")]
    worse = [f for f in shown if f.verdict == "inferior"]
    return (
        "### What these answers support\n\n"
        + "\n".join(f"- {sentence}" for sentence in sentences)
        + f"\n\nOf {len(shown)} readings ({len(every)} references at two margins, and without the "
        f"unparsed answers where there are any), {len(parity)} support parity and {len(worse)} "
        f"{'says' if len(worse) == 1 else 'say'} that the open model is worse by more than the "
        "margin. Where it can't be told, that is not parity: missing evidence never passes. These "
        f"are {len(every) + len(parsed)} comparisons; no interval is adjusted for that.\n"
    )


def _sentence(pair: Pair, without: Pair | None) -> str:
    flips = pair.first.flips
    lost = sum(flip.difference < 0 for flip in flips)
    unparsed = sum(not isinstance(flip.score_b, Graded) for flip in flips if flip.difference > 0)
    told = (
        f"**{_short(pair.reference)}**: the open model loses {_n(lost)} questions and wins "
        f"{_n(len(flips) - lost)}"
    )
    if unparsed:
        told += f", {_n(unparsed)} of them only because the other wrote no letter"
    if without is None:
        return f"{told}; both always wrote a letter. {_meaning(pair, 'All answers')}"
    return f"{told}. {_meaning(pair, 'All answers')} {_meaning(without, 'Letters only')}"


def _meaning(pair: Pair, what: str) -> str:
    small, large = pair.found
    what = f"{what}, {_difference(pair.first)}"
    if small.verdict == large.verdict:
        meaning = {
            "inferior": "worse by more than either margin",
            "inconclusive": "can't be told at either margin",
        }.get(small.verdict, "parity at both margins")
        return f"{what}: {meaning}."
    return (
        f"{what}: {SURE[small.verdict].replace('*', '')} at 1 point, "
        f"{SURE[large.verdict].replace('*', '')} at 2."
    )


def _clusters(every: Sequence[Pair], alone: Sequence[Pair]) -> str:
    lines = [
        "## Why so wide an interval\n",
        "Results on the questions of one subject are correlated: a model that is weak in moral",
        "scenarios is weak in many of its 895 questions. The interval above treats the 57 subjects",
        "as a sample of all that could be asked (clustered, t with 56 degrees of freedom), which",
        "is right for someone who will ask about other subjects, too. Treating these 57 subjects",
        "as the only ones, and questions as independent, gives a narrower interval:\n",
        "| against | clustered by subject | questions independent | at 1 point | at 2 points |",
        "|---|---|---|---|---|",
    ]
    for clustered, plain in zip(every, alone, strict=True):
        verdicts = " | ".join(SURE[found.verdict] for found in plain.found)
        lines.append(
            f"| {_short(plain.reference)} | {_difference(clustered.first)} | "
            f"{_difference(plain.first)} | {verdicts} |"
        )
    return "\n".join(lines) + "\n"


def _groups(runs: dict[str, EvalRun]) -> str:
    lines = [
        "## Where the difference lies\n",
        "Llama 3 70B minus the reference, points, all answers, by MMLU's groups of subjects:\n",
        "| against | " + " | ".join(name.replace("_", " ") for name in GROUPS) + " |",
        "|---|" + "---|" * len(GROUPS),
    ]
    for reference in PROPRIETARY:
        cells = [
            _difference(_pair(runs, reference, lambda s, m=members: s.cluster in m).first)
            for members in GROUPS.values()
        ]
        lines.append(f"| {_short(reference)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _limits() -> str:
    return """## What this page can't tell

- These are models of spring 2024, and the article speaks of 2026. The page tests the claim on the
  proprietary answers that are published; for newer models, answers to single questions are needed.
- One benchmark, one prompt, one token. HELM's files don't tell the prompts; MMLU's own errors are
  in (aryopg/mmlu-redux counts them), and any of these models may have seen the questions.
- HELM's name of the open model is that of the base model, not of the chat model.
- An answer that is no letter may be due to the model or to the protocol; the files don't tell
  which.
"""


def _difference(c: Comparison) -> str:
    low, high = c.interval
    return f"{wording.signed(c.difference)} [{wording.signed(low)}, {wording.signed(high)}]"


def _short(name: str) -> str:
    return name.partition("_")[2].removesuffix("-preview") or name


def _n(number: int) -> str:
    return f"{number:,}"


if __name__ == "__main__":
    sys.exit(main())
