"""A ladder from beginning to end: train, fit, predict, train what was held out, conclude.

The folder's files: `ladder.json` says what is trained on what; `rungs.jsonl` has a line for each
model that is done; `prediction.json` is written before the held-out models are trained; `runs.csv`
is what `scaling fit` reads. Killed at any moment, the same command goes on.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError
from weighbridge.planning.scaling import equal_compute, isoflop, mixture, parametric
from weighbridge.planning.scaling.equal_compute import EqualCompute
from weighbridge.planning.scaling.isoflop import IsoFlopFit
from weighbridge.planning.scaling.ladder import LadderSettings, Rung, rungs
from weighbridge.planning.scaling.mixture import MixtureFit
from weighbridge.planning.scaling.parametric import ParametricFit
from weighbridge.planning.scaling.points import Points
from weighbridge.planning.scaling.prediction import Prediction, predict
from weighbridge.records import canonical_digest
from weighbridge.tuning.ladder.corpus import Corpus, read_corpus
from weighbridge.tuning.ladder.training import Trained
from weighbridge.tuning.ladder.workers import Job, train_all
from weighbridge.tuning.storage import sole_owner, storage_errors, sweep, write_whole

MOST_EPOCHS = 4
"""Passes over a text after which more of them are worth clearly less than new text (Muennighoff et
al. 2023, arXiv:2305.16264)."""

RECIPE = 1
"""Counted up whenever decoder, optimizer or batches change, so that one ladder has one recipe."""

BOOTSTRAPS = 2000
_SAME = 1e-3  # of a prediction made again: another machine rounds otherwise
DELTA = parametric.DELTA


@dataclass(frozen=True)
class Climbed:
    """A rung and what it came to."""

    rung: Rung
    trained: Trained


@dataclass(frozen=True, eq=False)
class Ladder:
    """What a ladder says.

    Attributes:
        corpus: The text's name.
        corpus_bytes: Bytes to train on.
        digest: Of the text.
        climbed: Every rung, in the ladder's order.
        points: The dense runs that the law is fitted to.
        law: Approach 3 on them.
        isoflops: Approach 2 on them; None where the budgets don't give it.
        why_no_isoflops: Why.
        joint: The joint form of dense models and mixtures; None without mixtures.
        pairs: Dense against mixture, by budget.
        prediction: Of the held-out dense run, made before it was trained.
        held_out: The loss that it came to.
        held_out_mixture: The loss of the mixture beside it; None without mixtures.
        runs: The CSV of all runs.
        seconds: Of training, over all processes.
    """

    corpus: str
    corpus_bytes: int
    digest: str
    climbed: tuple[Climbed, ...]
    points: Points
    law: ParametricFit
    isoflops: IsoFlopFit | None
    why_no_isoflops: str
    joint: MixtureFit | None
    pairs: tuple[EqualCompute, ...]
    prediction: Prediction
    held_out: float
    held_out_mixture: float | None
    runs: Path
    seconds: float


def climb(
    settings: LadderSettings,
    corpus_path: Path | None,
    pattern: str,
    folder: Path,
    workers: int,
    on_flops: Callable[[float, float], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> Ladder:
    """Train a ladder, or what is left of it, and conclude.

    Args:
        settings: What it is made of.
        corpus_path: The text; None is Python's standard library.
        pattern: Files of it.
        folder: Where it is kept.
        workers: Models trained at once; losses don't depend on it.
        on_flops: Told of FLOPs done, of all.
        say: Told of each finished stage.

    Raises:
        InputError: The text is too short, or the folder holds another ladder.
        StorageError: The disk is full or can't be written, or another process has the folder.
    """
    _check_apart(folder, corpus_path)
    corpus = read_corpus(corpus_path, pattern)
    planned = rungs(settings)
    check_length(corpus, planned)
    with sole_owner(folder):
        sweep(folder)
        _claim(folder, settings, corpus)
        job = Job(
            corpus_path, pattern, corpus.digest, settings.learning_rate, folder / "checkpoints"
        )
        site = _Site(folder, job, workers, planned, on_flops)
        fitted = [rung for rung in planned if not rung.role.startswith("held_out")]
        done = site.train(fitted)
        _write_runs(folder, done)
        points = as_points(done, "dense", corpus.name)
        law = parametric.fit(
            points, delta=DELTA, bootstraps=BOOTSTRAPS, seed=settings.seed, threads=workers
        )
        held_out = next(rung for rung in planned if rung.role == "held_out")
        prediction = predict(
            law, points, held_out.shape.active_parameters, held_out.tokens, settings.seed
        )
        prediction = _kept_prediction(folder, prediction, held_out)
        say(
            f"predicted before training: {prediction.loss:.3f} nats per byte, "
            f"95% interval {prediction.interval[0]:.3f} to {prediction.interval[1]:.3f}, for "
            f"{held_out.name}"
        )
        done = site.train(planned)
        table = _write_runs(folder, done)
    return _concluded(corpus, done, points, law, prediction, table, settings.seed)


def _check_apart(folder: Path, corpus: Path | None) -> None:
    """Refuse a folder whose files would become part of the text.

    Raises:
        InputError: It lies in the corpus, and not in a hidden folder of it.
    """
    if corpus is None or not folder.resolve().is_relative_to(corpus.resolve()):
        return
    inside = folder.resolve().relative_to(corpus.resolve())
    if not any(part.startswith(".") for part in inside.parts):
        raise InputError(
            f"the ladder's folder {folder} lies in its text, {corpus}",
            "a folder outside, or a hidden one",
            "choose another with --out",
        )


def check_length(corpus: Corpus, planned: Sequence[Rung]) -> None:
    """Refuse a text that would be repeated too often, or is too short to measure a loss on.

    Raises:
        InputError: It is.
    """
    longest = max(rung.tokens for rung in planned)
    if len(corpus.train) * MOST_EPOCHS < longest:
        raise InputError(
            f"{corpus.name} has {len(corpus.train):,} bytes to train on, and the longest run takes "
            f"{longest:,}",
            f"text enough for at most {MOST_EPOCHS} passes, {longest // MOST_EPOCHS:,} bytes",
            "add text, or spend less with --largest",
        )
    context = planned[0].context_tokens
    if len(corpus.validation) < 100 * context:
        raise InputError(
            f"{corpus.name} leaves {len(corpus.validation):,} bytes to measure losses on",
            f"at least {100 * context:,}",
            "add text",
        )


def as_points(climbed: Iterable[Climbed], kind: str, source: str) -> Points:
    """Return runs as points of a fit.

    Args:
        climbed: Runs.
        kind: ``dense`` leaves mixtures out; ``all`` takes both. None takes what was held out.
        source: What to call them.
    """
    kinds = {"dense": ("dense",), "all": ("dense", "mixture")}[kind]
    taken = [one for one in climbed if one.rung.role in kinds]
    over = [one.rung.flops / (6 * one.rung.shape.active_parameters * one.rung.tokens)
            for one in taken]  # fmt: skip
    note = (
        f"FLOPs are {min(over):.2f} to {max(over):.2f} times 6ND (attention); the exponent "
        "is that of 6ND"
    )
    return Points(
        parameters=np.array([one.rung.shape.active_parameters for one in taken], float),
        tokens=np.array([one.rung.tokens for one in taken], float),
        loss=np.array([one.trained.loss for one in taken], float),
        flops=np.array([one.rung.flops for one in taken], float),
        budgets=np.array([one.rung.budget for one in taken], float),
        experts=np.array([one.rung.shape.experts for one in taken], float),
        source=source,
        notes=(note, "tokens are bytes: a law of bytes doesn't say how many tokens to buy"),
    )


class _Site:
    """The folder of a ladder that is being trained."""

    def __init__(
        self,
        folder: Path,
        job: Job,
        workers: int,
        planned: Sequence[Rung],
        on_flops: Callable[[float, float], None],
    ) -> None:
        self._journal = folder / "rungs.jsonl"
        self._job, self._workers, self._planned = job, workers, planned
        self._on_flops = on_flops
        self._total = sum(rung.flops for rung in planned)
        with storage_errors(job.checkpoints):
            job.checkpoints.mkdir(exist_ok=True)
        sweep(job.checkpoints)

    def train(self, wanted: Sequence[Rung]) -> list[Climbed]:
        """Train those that aren't done; return all that are wanted, in their order."""
        done = {trained.name: trained for trained in read_journal(self._journal)}
        left = [rung for rung in wanted if rung.name not in done]
        by_name = {rung.name: rung for rung in self._planned}
        for name in done.keys() & by_name.keys():  # left where a kill came after the record
            self._job.checkpoint(by_name[name]).unlink(missing_ok=True)
        ended = sum(by_name[name].flops for name in done if name in by_name)
        partly = 0.0

        def progressed(more: float) -> None:
            nonlocal partly
            partly += more
            self._on_flops(min(ended + partly, self._total), self._total)

        with closing(train_all(left, self._job, self._workers, progressed)) as ending:
            for trained in ending:
                append_record(self._journal, trained)
                done[trained.name] = trained
                self._job.checkpoint(by_name[trained.name]).unlink(missing_ok=True)
        return [Climbed(rung, done[rung.name]) for rung in wanted]


def read_journal(path: Path) -> list[Trained]:
    """Return the rungs that are done. A last line that was cut off is taken out of the file.

    Raises:
        InputError: Another line is no record of a rung.
    """
    if not path.exists():
        return []
    with storage_errors(path):
        data = path.read_bytes()
        if not data.endswith(b"\n") and data:
            data = data[: data.rfind(b"\n") + 1]
            with path.open("r+b") as file:
                file.truncate(len(data))
    reader = TypeAdapter(Trained)
    done = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            done.append(reader.validate_json(line))
        except ValidationError as error:
            raise InputError(
                f"{path}, line {number} is no record of a trained model",
                "lines that this command wrote",
                "remove the line, and that model is trained again",
            ) from error
    return done


def append_record(path: Path, trained: Trained) -> None:
    """Append a rung and hand it to the disk."""
    with storage_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(trained), allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _claim(folder: Path, settings: LadderSettings, corpus: Corpus) -> None:
    """Make a folder this ladder's own.

    Raises:
        InputError: It holds another one.
    """
    import torch

    asked = {
        "recipe": RECIPE,
        "settings": asdict(settings),
        "corpus": {"digest": corpus.digest, "bytes": len(corpus.train)},
        "torch": torch.__version__,
    }
    identity = canonical_digest(asked)
    path = folder / "ladder.json"
    if not path.exists():
        if (folder / "rungs.jsonl").exists():
            raise InputError(
                f"{folder} holds trained models but no ladder.json that says what they are",
                "a ladder's whole folder, or an empty one",
                "choose another with --out",
            )
        kept = asked | {"identity": identity, "text": corpus.name}
        write_whole(path, json.dumps(kept, indent=2) + "\n")
        return
    with storage_errors(path):
        try:
            held = dict(json.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{path} can't be read", "a ladder's own record", "choose another folder"
            ) from error
    if held.get("identity") == identity:
        return
    differing = [name for name in asked if held.get(name) != asked[name]] or ["identity"]
    raise InputError(
        f"{folder} holds another ladder; what differs: {', '.join(differing)}",
        "a folder of its own for each ladder",
        "choose another with --out, or remove this one",
    )


def _kept_prediction(folder: Path, made: Prediction, rung: Rung) -> Prediction:
    """Write the prediction before its run begins; return the one that was written first.

    Raises:
        InputError: What is written is not what the smaller models say.
    """
    path = folder / "prediction.json"
    if not path.exists():
        write_whole(path, json.dumps({"rung": rung.name} | asdict(made), indent=2) + "\n")
        return made
    try:
        with storage_errors(path):
            fields = json.loads(path.read_bytes())
        written = TypeAdapter(Prediction).validate_python(
            {name: value for name, value in fields.items() if name != "rung"}
        )
        same = fields.get("rung") == rung.name and np.allclose(
            (written.loss, *written.interval), (made.loss, *made.interval), rtol=_SAME
        )
    except (ValueError, AttributeError):
        same = False
    if not same:
        raise InputError(
            f"{path} is not what the smaller models of this ladder predict",
            "a prediction that nothing changed since",
            "remove the folder and train the ladder again",
        )
    return written


def _write_runs(folder: Path, done: Sequence[Climbed]) -> Path:
    text = io.StringIO()
    columns = (
        "name", "role", "experts", "active_parameters", "total_parameters", "tokens", "flops",
        "budget", "loss", "loss_stderr", "seed", "hidden", "layers", "seconds",
    )  # fmt: skip
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for one in done:
        rung, trained = one.rung, one.trained
        table.writerow((
            rung.name, rung.role, rung.shape.experts, rung.shape.active_parameters,
            rung.shape.parameters, rung.tokens, f"{rung.flops:.0f}", f"{rung.budget:.0f}",
            f"{trained.loss:.6f}", f"{trained.loss_stderr:.6f}", rung.seed, rung.shape.hidden,
            rung.shape.layers, f"{trained.seconds:.2f}",
        ))  # fmt: skip
    path = folder / "runs.csv"
    write_whole(path, text.getvalue())
    return path


def _concluded(
    corpus: Corpus,
    done: Sequence[Climbed],
    points: Points,
    law: ParametricFit,
    prediction: Prediction,
    table: Path,
    seed: int,
) -> Ladder:
    isoflops, why_not = None, ""
    try:
        isoflops = isoflop.fit(points, bootstraps=BOOTSTRAPS, seed=seed)
    except InputError as error:
        why_not = error.saw
    together = as_points(done, "all", corpus.name)
    joint = None
    if any(one.rung.shape.experts > 1 for one in done):
        with suppress(InputError):
            joint = mixture.fit(together, bootstraps=200, seed=seed)
    apart = {one.rung.role: one.trained.loss for one in done if "held_out" in one.rung.role}
    return Ladder(
        corpus=corpus.name,
        corpus_bytes=len(corpus.train),
        digest=corpus.digest,
        climbed=tuple(done),
        points=points,
        law=law,
        isoflops=isoflops,
        why_no_isoflops=why_not,
        joint=joint,
        pairs=tuple(_pairs(done, law)),
        prediction=prediction,
        held_out=apart["held_out"],
        held_out_mixture=apart.get("held_out_mixture"),
        runs=table,
        seconds=sum(one.trained.seconds for one in done),
    )


def _pairs(done: Sequence[Climbed], law: ParametricFit) -> Iterable[EqualCompute]:
    """Set each mixture that was trained with several seeds beside the dense model of its shape."""
    by_run: dict[tuple[float, int, int], dict[bool, dict[int, Climbed]]] = {}
    for one in done:
        key = (one.rung.budget, one.rung.shape.hidden, one.rung.shape.layers)
        sides = by_run.setdefault(key, {False: {}, True: {}})
        sides[one.rung.shape.experts > 1][one.rung.seed] = one
    for (flops, _, _), sides in sorted(by_run.items()):
        seeds = sorted(sides[False].keys() & sides[True].keys())
        if len(seeds) < 2:
            continue
        dense, mixed = ([side[seed].trained.loss for seed in seeds] for side in sides.values())
        differences = [b - a for a, b in zip(dense, mixed, strict=True)]
        interval = equal_compute.paired_interval(differences)
        mean = float(np.mean(differences))
        shapes = [side[seeds[0]].rung.shape for side in sides.values()]
        yield EqualCompute(
            flops=flops,
            parameters=shapes[0].parameters,
            active_parameters=shapes[1].active_parameters,
            total_parameters=shapes[1].parameters,
            dense=tuple(dense),
            mixture=tuple(mixed),
            difference=mean,
            interval=interval,
            worth=equal_compute.worth_in_compute(
                law.law, shapes[0].parameters, sides[False][seeds[0]].rung.tokens, mean
            ),
            lower=equal_compute.lower_of(interval),
        )
