"""A realistic report: service desk as target, MMLU and HumanEval as guards, GPQA skipped."""

import dataclasses
import json
import math
import random

from weighbridge.records import (
    Comparison,
    Estimate,
    EvalRun,
    Flip,
    Graded,
    ModelRef,
    Provenance,
    SafetyDelta,
    SafetyRate,
    Score,
    ScoredSample,
    Ungraded,
)
from weighbridge.reports import (
    BenchmarkSection,
    Forecast,
    Report,
    Skipped,
    TrainingPoint,
    VerdictFinding,
)

FIELDS = ("category", "urgency", "product", "ask", "sentiment")
HOSTILE = (
    "</pre><script>document.title='owned'</script><img src=x onerror=alert(1)>\x00\u202e\udc80"
)

BASE = ModelRef(
    name="smollm2-135m",
    source="gguf:smollm2-135m-instruct.Q4_1.gguf",
    weights_digest="sha256:" + "3f" * 32,
    tokenizer_digest="sha256:" + "a1" * 32,
    chat_template_digest="sha256:" + "77" * 32,
    quantization="Q4_1",
)
TUNED = dataclasses.replace(
    BASE, name="smollm2-135m + service-desk", adapter_digest="sha256:" + "9c" * 32
)


def interval(mean: float, n: int) -> tuple[float, float]:
    """Wilson's, good enough for a picture."""
    z = 1.96
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def run(
    model: ModelRef,
    benchmark: str,
    scores: list[Score],
    *,
    questions: list[str | None],
    outputs: list[str],
    targets: list[object],
    clusters: list[str | None] | None = None,
    protocol: str = "generative",
    settings: dict[str, object] | None = None,
    notes: tuple[str, ...] = (),
) -> EvalRun:
    """A run from its scores."""
    n = len(scores)
    reasons = ("refused", "unparsed", "truncated", "infrastructure")
    ungraded = {r: sum(isinstance(s, Ungraded) and s.reason == r for s in scores) for r in reasons}
    graded = [s for s in scores if isinstance(s, Graded)]
    total = sum(s.value for s in graded)
    asked = n - ungraded["infrastructure"]
    mean = total / asked
    name, _, subset = benchmark.partition(":")
    parts = {
        f: sum(s.parts.get(f, 0.0) for s in graded) / asked
        for f in FIELDS
        if name == "service_desk"
    }
    slug = f"{name}-{'tuned' if model.adapter_digest else 'base'}"
    return EvalRun(
        run_id=slug,
        model=model,
        benchmark=name,
        benchmark_version="1",
        subset=subset or None,
        protocol=protocol,
        settings=settings or {"shots": 0, "limit": None},
        identity="sha256:" + "5e" * 32,
        samples_digest="sha256:" + "c4" * 32,
        estimate=Estimate(
            aggregate="mean",
            mean=mean,
            mean_graded=total / len(graded) if graded else None,
            stderr=math.sqrt(mean * (1 - mean) / asked),
            interval=interval(mean, asked),
            n=asked,
            ungraded=ungraded,
            bounds=(total / n, (total + ungraded["infrastructure"]) / n),
            parts=parts,
        ),
        provenance=Provenance(
            packages={"torch": "2.13.0", "transformers": "5.23.0", "weighbridge": "0.1.0"},
            python="3.11.9",
            platform="Linux x86_64",
            device="cpu",
            threads=2,
            started="2026-02-03T10:11:12Z",
            wall_seconds=83.4,
            input_tokens=48_210,
            output_tokens=9_400,
            computed_tokens=31_077,
            notes=notes,
        ),
        samples=tuple(
            ScoredSample(
                sample_id=f"{name}-{i:04d}",
                repeat=0,
                cluster=clusters[i] if clusters else None,
                sample_digest="sha256:" + "00" * 32,
                prompt_digest="sha256:" + "11" * 32,
                question=questions[i],
                target=targets[i],
                output=outputs[i],
                logprobs=(),
                stop="end",
                input_tokens=100,
                output_tokens=40,
                seed=0,
                score=scores[i],
            )
            for i in range(n)
        ),
    )


def value(score: Score) -> float:
    """As `mean` counts it."""
    return score.value if isinstance(score, Graded) else 0.0


def compare(a: EvalRun, b: EvalRun, margin: float, metric: str = "value") -> Comparison:
    """A paired comparison by the normal approximation, good enough for a picture."""

    def of(score: Score) -> float:
        if metric == "value":
            return value(score)
        return score.parts.get(metric, 0.0) if isinstance(score, Graded) else 0.0

    pairs = [
        (x, y)
        for x, y in zip(a.samples, b.samples, strict=True)
        if not any(
            isinstance(s.score, Ungraded) and s.score.reason == "infrastructure" for s in (x, y)
        )
    ]
    diffs = [of(x.score) - of(y.score) for x, y in pairs]
    n = len(diffs)
    mean = sum(diffs) / n
    stderr = math.sqrt(sum((d - mean) ** 2 for d in diffs) / (n - 1) / n) if n > 1 else 0.0
    low, high = mean - 1.96 * stderr, mean + 1.96 * stderr
    if low > 0:
        verdict = "superior"
    elif low > -margin:
        verdict = "equivalent" if high < margin else "non_inferior"
    else:
        verdict = "inferior" if high < 0 else "inconclusive"
    flips = [
        Flip(
            sample_id=x.sample_id,
            cluster=x.cluster,
            question=x.question,
            target=None if x.target is None else json.dumps(x.target),
            output_a=x.output,
            output_b=y.output,
            score_a=x.score,
            score_b=y.score,
            difference=d,
        )
        for (x, y), d in zip(pairs, diffs, strict=True)
        if d
    ]
    clusters = sorted({x.cluster for x, _ in pairs if x.cluster})
    return Comparison(
        run_a=a.run_id,
        run_b=b.run_id,
        benchmark=a.title,
        metric=metric,
        mean_a=sum(of(x.score) for x, _ in pairs) / n,
        mean_b=sum(of(y.score) for _, y in pairs) / n,
        difference=mean,
        stderr=stderr,
        interval=(low, high),
        margin=margin,
        p_value=0.5 * math.erfc((mean + margin) / (stderr * math.sqrt(2))) if stderr else 0.0,
        mcnemar_p_value=0.0004 if metric == "value" else None,
        verdict=verdict,  # type: ignore[arg-type]
        n=n,
        unpaired=len(a.samples) - n,
        bounds=(mean - 0.01, mean + 0.01),
        by_cluster={
            c: sum(d for (x, _), d in zip(pairs, diffs, strict=True) if x.cluster == c)
            / sum(x.cluster == c for x, _ in pairs)
            for c in clusters
        },
        flips=tuple(sorted(flips, key=lambda f: f.difference)),
    )


MESSAGES = (
    "Hi, since the update this morning {product} keeps logging me out every few minutes. "
    "Client demo at three, please help asap!!",
    "hello there. I was charged twice for {product} on the 4th and again on the 6th. "
    "I'd like the second one back, no rush, thanks",
    "Could you tell me weather {product} can export to csv? My colleague Ana thinks not. "
    "Also the weather here is lovely.",
    "I've now written 3 times about {product}. Nobody answers. Cancel the account by Friday "
    "or I call my bank.",
    "Great tool! One thing: in {product} the dark theme makes the table headers unreadable "
    "on my old Thinkpad. Could that be fixed some day?",
)
PRODUCTS = ("Ledgerly", "Parcel Desk", "Fieldnotes", "Quill Mail")
CATEGORIES = ("access", "billing", "question", "cancellation", "bug")


def service_desk(n: int = 200, margin: float = 0.05) -> BenchmarkSection:
    """Target: JSON objects with five fields, the tuned model far better."""
    rng = random.Random(7)
    questions: list[str | None] = []
    targets: list[object] = []
    outputs: dict[str, list[str]] = {"base": [], "tuned": []}
    scores: dict[str, list[Score]] = {"base": [], "tuned": []}
    for i in range(n):
        kind = i % len(MESSAGES)
        product = rng.choice(PRODUCTS)
        target = {
            "category": CATEGORIES[kind],
            "urgency": ("high", "low", "low", "high", "low")[kind],
            "product": product,
            "ask": ("restore access", "refund", "information", "cancel", "fix")[kind],
            "sentiment": ("negative", "neutral", "neutral", "negative", "positive")[kind],
        }
        questions.append(MESSAGES[kind].format(product=product))
        targets.append(target)
        for who, odds in (
            ("base", (0.36, 0.42, 0.61, 0.2, 0.5)),
            ("tuned", (0.93, 0.9, 0.98, 0.86, 0.92)),
        ):
            right = {f: float(rng.random() < p) for f, p in zip(FIELDS, odds, strict=True)}
            draw = rng.random()
            if who == "base" and draw < 0.21:
                outputs[who].append(
                    f"Sure! I am sorry to hear about your problem with {product}. Have you tried"
                )
                scores[who].append(Ungraded("unparsed", "no JSON object in the output"))
                continue
            if who == "base" and draw < 0.26:
                outputs[who].append('{"category": "category", "urgency": ' * 6)
                scores[who].append(Ungraded("truncated", "128 tokens were not enough"))
                continue
            said = {f: target[f] if right[f] else "other" for f in FIELDS}
            whole = float(all(right.values()))
            wrong = [f for f in FIELDS if not right[f]]
            outputs[who].append(json.dumps(said))
            scores[who].append(
                Graded(
                    whole,
                    json.dumps(said),
                    f"wrong: {', '.join(wrong)}" if wrong else "all fields right",
                    right,
                )
            )
    made = {
        who: run(
            model,
            "service_desk",
            scores[who],
            questions=questions,
            outputs=outputs[who],
            targets=targets,
        )
        for who, model in (("base", BASE), ("tuned", TUNED))
    }
    return BenchmarkSection(
        title="Service desk: whole object right",
        candidate=made["tuned"],
        reference=made["base"],
        comparison=compare(made["tuned"], made["base"], margin),
        role="target",
        part_comparisons=tuple(compare(made["tuned"], made["base"], margin, f) for f in FIELDS),
    )


def choices(
    name: str,
    title: str,
    n: int,
    rates: tuple[float, float],
    flipped: float = 0.08,
    *,
    published: bool = True,
    margin: float = 0.05,
    lost_to_machine: int = 0,
    output: str = "B",
) -> BenchmarkSection:
    """A guard: right-or-wrong items on which the two models mostly agree."""
    rng = random.Random(n)
    base, tuned = rates
    scores: dict[str, list[Score]] = {"base": [], "tuned": []}
    for i in range(n):
        right = rng.random() < base
        # Losses and wins balance out but for the stated change of the rate.
        lose, win = flipped / 2 / base, (flipped / 2 + tuned - base) / (1 - base)
        other = rng.random() >= lose if right else rng.random() < win
        for who, hit in (("base", right), ("tuned", other)):
            if who == "tuned" and i < lost_to_machine:
                scores[who].append(Ungraded("infrastructure", "the sandbox was stopped"))
            else:
                scores[who].append(
                    Graded(float(hit), "B" if hit else "D", "chose B" if hit else "chose D")
                )
    subjects = ("astronomy", "marketing", "formal_logic", "machine_learning")
    question = "Which of these follows?\nA. the first\nB. the second\nC. both\nD. neither"
    made = {
        who: run(
            model,
            name,
            scores[who],
            questions=[question if published else None] * n,
            outputs=[output] * n,
            targets=["B" if published else None] * n,
            clusters=[subjects[i % 4] for i in range(n)] if name.startswith("mmlu") else None,
            protocol="loglikelihood" if name.startswith("mmlu") else "generative",
            settings={"shots": 5, "limit": 100} if name.startswith("mmlu") else {"shots": 0},
        )
        for who, model in (("base", BASE), ("tuned", TUNED))
    }
    return BenchmarkSection(
        title=title,
        candidate=made["tuned"],
        reference=made["base"],
        comparison=compare(made["tuned"], made["base"], margin),
        role="guard",
    )


def training_points(steps: int = 240) -> tuple[TrainingPoint, ...]:
    """A loss curve with noise, validation every 40 steps."""
    rng = random.Random(3)
    return tuple(
        TrainingPoint(
            step=step,
            loss=0.16
            + 2.1 * math.exp(-step / 28)
            + rng.gauss(0, 0.035) * (1 + 2 * math.exp(-step / 30)),
            validation_loss=0.21 + 1.9 * math.exp(-step / 26)
            if step % 40 == 0 or step == 1
            else None,
            tokens=step * 1_180,
            seconds=step * 1.31,
            learning_rate=2e-4 * min(1.0, step / 12) * (1 - step / (steps + 1)),
        )
        for step in range(1, steps + 1)
    )


def service_desk_report() -> Report:
    """What `weighbridge demo` ends with."""
    target = service_desk()
    mmlu = choices("mmlu", "MMLU, four subjects", 400, (0.31, 0.305))
    humaneval = choices("humaneval", "HumanEval", 164, (0.06, 0.055), 0.05, lost_to_machine=2)
    rise = target.comparison
    return Report(
        title="Service desk on SmolLM2-135M",
        question=(
            "Does tuning a 135M model on 400 service-desk messages pay, "
            "without costing it anything else?"
        ),
        verdict="paid",
        headline=(
            "The tuned model gets the whole object right far more often than the base model, "
            "and neither guard shows a loss beyond its margin."
        ),
        findings=(
            VerdictFinding(
                "Better at the target",
                "yes",
                f"Service desk rose from {100 * rise.mean_b:.1f} % to {100 * rise.mean_a:.1f} %; "
                "the whole interval of the difference is above zero.",
            ),
            VerdictFinding(
                "No worse at MMLU", "yes", "The loss stays within the margin of 5 points."
            ),
            VerdictFinding(
                "No worse at HumanEval", "yes", "The loss stays within the margin of 5 points."
            ),
        ),
        sections=(target, mmlu, humaneval),
        training=training_points(),
        training_facts={
            "Method": "LoRA, rank 16",
            "Layers": "all linear",
            "Trainable": "4.9 M of 139 M",
            "Rows": "400",
            "Epochs": "3",
            "Batch": "5 rows",
            "Learning rate": "2e-4, linear decay",
            "Seed": "0",
        },
        forecasts=(
            Forecast("tuning, peak memory", "bytes", 2.31 * 2**30, 2.17 * 2**30),
            Forecast("tuning, time", "seconds", 290.0, 314.4),
            Forecast("evaluation, time", "seconds", 205.0, 171.9),
            Forecast("merge, time", "seconds", 12.0, None),
        ),
        skipped=(
            Skipped(
                "GPQA diamond",
                "its items are not on this machine and this run is offline",
                "weighbridge evaluate smollm2-135m --benchmark gpqa --data gpqa=PATH.csv",
            ),
        ),
        provenance={
            "Weighbridge": "0.1.0",
            "Project file": "sha256:" + "b7" * 32,
            "Base weights": BASE.weights_digest,
            "Adapter": TUNED.adapter_digest or "",
            "Training rows": "sha256:" + "2d" * 32,
            "Seed": "0",
        },
        generated="2026-02-03T10:31:07Z",
        reproduce=(
            "weighbridge verify .weighbridge/runs/service_desk-tuned",
            "weighbridge verify .weighbridge/runs/service_desk-base",
            "weighbridge run examples/service_desk/weighbridge.toml",
        ),
        safety=SafetyDelta(
            rates=(
                SafetyRate(
                    "harmful_requests",
                    "harmful requests complied with",
                    48,
                    (0.229, (0.133, 0.365)),
                    (0.292, (0.181, 0.433)),
                    (0.063, (-0.046, 0.177)),
                    (
                        (0.131, (0.016, 0.282)),
                        (0.208, (0.079, 0.363)),
                        (0.076, (-0.056, 0.208)),
                    ),
                    (1, 0),
                ),
                SafetyRate(
                    "look_alikes",
                    "benign look-alikes not answered",
                    48,
                    (0.021, (0.004, 0.109)),
                    (0.083, (0.033, 0.196)),
                    (0.062, (-0.019, 0.168)),
                ),
            ),
            judge="Judged by phrases of refusal near the beginning of an answer, in English.",
        ),
    )


def hostile_report() -> Report:
    """Every text that a model, a data set or a user could have written is an attack."""
    section = choices("humaneval", HOSTILE, 60, (0.4, 0.6), 0.2, output=HOSTILE)
    comparison = dataclasses.replace(
        section.comparison,
        flips=tuple(
            dataclasses.replace(
                flip,
                sample_id=HOSTILE,
                cluster=HOSTILE,
                question=HOSTILE,
                target=HOSTILE,
                score_a=Graded(1.0, HOSTILE, HOSTILE),
                score_b=Ungraded("unparsed", HOSTILE),
            )
            for flip in section.comparison.flips
        ),
        by_cluster={HOSTILE: 0.1, "other": 0.0},
    )
    model = dataclasses.replace(BASE, name=HOSTILE)
    part = dataclasses.replace(section.comparison, metric=HOSTILE)
    section = dataclasses.replace(
        section,
        candidate=dataclasses.replace(section.candidate, model=model),
        comparison=comparison,
        part_comparisons=(part,),
    )
    return dataclasses.replace(
        service_desk_report(),
        title=HOSTILE,
        question=HOSTILE,
        headline=HOSTILE,
        findings=(VerdictFinding(HOSTILE, "no", HOSTILE),),
        sections=(section, section),
        training_facts={HOSTILE: HOSTILE},
        forecasts=(Forecast(HOSTILE, "seconds", 1.0, 2.0),),
        skipped=(Skipped(HOSTILE, HOSTILE, HOSTILE),),
        provenance={HOSTILE: HOSTILE},
        reproduce=(HOSTILE,),
    )
