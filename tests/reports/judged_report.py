"""A report on a judged benchmark: GPT-4's published judgments of two models, audited."""

import dataclasses
from pathlib import Path

from sample_report import choices, service_desk_report

from weighbridge.comparison.judge_evidence import audit_sentences, readings
from weighbridge.comparison.two_runs import compare_with_evidence, without_samples
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.mt_bench import BENCHMARK
from weighbridge.evaluation.judged_elsewhere import seal_judgments
from weighbridge.evaluation.runner import RunContext
from weighbridge.evidence import RunStore
from weighbridge.records import HumanLabel, ProtocolOffset
from weighbridge.reports import BenchmarkSection, Report, VerdictFinding

FILE = "published/model_judgment/gpt-4_single.jsonl"


def judged_section(home: Path, folder: Path, noise: float = 0.0) -> BenchmarkSection:
    """The two models, with a person's ratings of 24 answers of each, one lower than GPT-4's.

    Args:
        home: MT-Bench's folder.
        folder: For the evidence.
        noise: What the judge's passes are said to share, to show a widened interval.
    """
    place = RunContext(RunStore(folder), threads=1, started="2026-01-01T00:00:00+00:00")
    sealed = seal_judgments(home / FILE, BENCHMARK, place, LoadRequest(home, None, Settings()))
    runs = {run.model.name: place.store.read(run.run_id) for run in sealed}
    a, b = runs["mistral-orpo-trl"], runs["mistral-orpo-mix"]
    labels = tuple(
        HumanLabel(sample.sample_id, run.model.name, max(1.0, sample.score.value - less))
        for run, less in ((a, 1.0), (b, 0.0))
        for sample in run.samples[:48:2]
    )
    found = compare_with_evidence(a, b, None, labels=labels)
    comparison, audit = found.comparison, found.audit
    if noise:
        low, high = comparison.interval
        wide = (low - noise, high + noise)
        comparison = dataclasses.replace(comparison, interval=wide, judge_stderr=noise / 2)
    return BenchmarkSection(
        title="MT-Bench",
        candidate=without_samples(a),
        reference=without_samples(b),
        comparison=comparison,
        role="target",
        audit=audit_sentences(audit, comparison),
        readings=readings(audit, comparison),
    )


def judged_report(home: Path, folder: Path) -> Report:
    """MT-Bench beside a guard in percent, and what a protocol is worth."""
    section = judged_section(home, folder, noise=0.3)
    offset = ProtocolOffset(
        "smollm2-135m", "mmlu", "one", "other", "loglikelihood", "generative",
        0.31, 0.24, 0.07, 0.011, (0.048, 0.092), 400,
    )  # fmt: skip
    return dataclasses.replace(
        service_desk_report(),
        title="A judged benchmark",
        findings=(
            VerdictFinding("Better at the target", "yes", "MT-Bench rose from 6.00 to 7.17."),
        ),
        sections=(section, choices("mmlu", "MMLU, four subjects", 400, (0.31, 0.305))),
        training=(),
        training_facts={},
        forecasts=(),
        offsets=(offset,),
    )
