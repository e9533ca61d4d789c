"""Trains a ladder: train the fitted rungs, fit, predict, train the held-out rungs, conclude.

The ladder's folder has these files: `ladder.json` states the settings and the text; `rungs.jsonl`
has a line for each finished model; `prediction.json` is written before the held-out models are
trained; `runs.csv` is what `scaling fit` reads; `checkpoints/` holds models that are being trained.
After a kill at any moment, the same command resumes.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.planning.scaling import parametric
from weighbridge.planning.scaling.ladder import LadderSettings, Rung, rungs
from weighbridge.planning.scaling.prediction import predict
from weighbridge.pretraining.corpus import Corpus, read_corpus
from weighbridge.pretraining.findings import BOOTSTRAPS, Ladder, TrainedRung, as_points, conclude
from weighbridge.pretraining.folder import (
    append_record,
    claim,
    kept_prediction,
    read_journal,
    write_runs,
)
from weighbridge.pretraining.workers import RungJob, train_all
from weighbridge.storage import sole_owner, storage_errors, sweep

MOST_EPOCHS = 4
"""Passes over a text after which more of them are worth clearly less than new text (Muennighoff et
al. 2023, arXiv:2305.16264)."""


def train_ladder(
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
        settings: The ladder's settings.
        corpus_path: A file or folder of text; None takes Python's standard library.
        pattern: Which files of the folder to read, such as ``*.md``; all where empty.
        folder: The ladder's folder.
        workers: Number of models trained at once; losses don't depend on it.
        on_flops: Called with the FLOPs done and the FLOPs in all.
        say: Called with the prediction, as a line of text, before the held-out rungs are trained.

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
        claim(folder, settings, corpus)
        job = RungJob(
            corpus_path, pattern, corpus.digest, settings.learning_rate, folder / "checkpoints"
        )
        ladder_run = LadderRun(folder, job, workers, planned, on_flops)
        fitted = [rung for rung in planned if not rung.role.startswith("held_out")]
        done = ladder_run.train(fitted)
        write_runs(folder, done)
        points = as_points(done, "dense", corpus.name)
        law = parametric.fit(points, bootstraps=BOOTSTRAPS, seed=settings.seed, threads=workers)
        held_out = next(rung for rung in planned if rung.role == "held_out")
        prediction = predict(
            law, points, held_out.shape.active_parameters, held_out.tokens, settings.seed
        )
        prediction = kept_prediction(folder, prediction, held_out)
        say(
            f"predicted before training: {prediction.loss:.3f} nats per byte, "
            f"95% interval {prediction.interval[0]:.3f} to {prediction.interval[1]:.3f}, for "
            f"{held_out.name}"
        )
        done = ladder_run.train(planned)
        table = write_runs(folder, done)
    return conclude(corpus, done, points, law, prediction, table, settings.seed)


def _check_apart(folder: Path, corpus: Path | None) -> None:
    """Refuse an output folder inside the corpus, whose files would become part of the text.

    Raises:
        InputError: The folder lies in the corpus, and in no hidden folder of it.
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
        InputError: The text is too short for one of these.
    """
    longest = max(rung.tokens for rung in planned)
    if len(corpus.train) * MOST_EPOCHS < longest:
        raise InputError(
            f"{corpus.name} has {len(corpus.train):,} bytes to train on, and the longest run takes "
            f"{longest:,}",
            f"enough text for at most {MOST_EPOCHS} passes, {longest // MOST_EPOCHS:,} bytes",
            "add text, or spend less with --largest",
        )
    context = planned[0].context_tokens
    if len(corpus.validation) < 100 * context:
        raise InputError(
            f"{corpus.name} leaves {len(corpus.validation):,} bytes to measure losses on",
            f"at least {100 * context:,}",
            "add text",
        )


class LadderRun:
    """Trains rungs of a ladder, and records those that are done in the ladder's folder."""

    def __init__(
        self,
        folder: Path,
        job: RungJob,
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

    def train(self, wanted: Sequence[Rung]) -> list[TrainedRung]:
        """Train the rungs that aren't done; return all wanted rungs, in order."""
        done = {trained.name: trained for trained in read_journal(self._journal)}
        left = [rung for rung in wanted if rung.name not in done]
        by_name = {rung.name: rung for rung in self._planned}
        for name in done.keys() & by_name.keys():  # a kill after the record leaves a checkpoint
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
        return [TrainedRung(rung, done[rung.name]) for rung in wanted]
