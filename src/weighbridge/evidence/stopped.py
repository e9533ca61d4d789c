"""Checks a run that could stop early: its rule, the order of its items, and its verdict."""

from collections.abc import Callable

from weighbridge.errors import EvidenceError
from weighbridge.records import EvalRun, Json
from weighbridge.records.digest import ListDigest
from weighbridge.statistics import compare
from weighbridge.statistics.conditions import ANYTHING
from weighbridge.statistics.sequential import place_in_order

RecomputedCheck = tuple[str, Json, Json]
"""Name of a check, the stated value, and the recomputed one."""


def stopping_checks(
    run: EvalRun, read: Callable[[str], tuple[EvalRun, str]], fields: dict[str, Json]
) -> list[RecomputedCheck]:
    """Recompute how a run ended, from its samples and those of its reference.

    Args:
        run: The run, with its samples.
        read: Reads a run by its id; returns it with its samples, and their digest.
        fields: The fields of the run's identity.

    Raises:
        WeighbridgeError: The reference is missing or can't be read, or the run states no stop rule.
    """
    rule, stopped = run.asked.stop, run.stopped
    if stopped is None:
        return []
    if rule is None:
        raise EvidenceError("settings.stop is missing", "the rule by which the run ended")
    reference, digest = read(rule.reference)
    again = compare(run, reference, margin=rule.margin, accepted=ANYTHING)
    order = _order(run, reference)
    asked = {sample.sample_id for sample in run.samples}
    decided = again.verdict in rule.until
    return [
        ("stop rule", run.asked.stated["stop"], fields.get("stop")),
        ("stop: reference", rule.reference_samples, digest),
        ("stop: verdict", stopped.verdict, again.verdict),
        ("stop: difference", stopped.difference, again.difference),
        ("stop: interval", list(stopped.interval), list(again.interval)),
        ("stop: decided or at the end", True, decided or not stopped.early),
        ("stop: asked items begin the seeded order", True, asked == set(order[: len(asked)])),
        ("stop: items in the seeded order", fields["items"], _digest_in(order, reference)),
        ("stop: answers asked for", stopped.asked_samples, len(run.samples)),
    ]


def _order(run: EvalRun, reference: EvalRun) -> list[str]:
    """Return all items in the order in which the run had to ask them."""
    seed = run.asked.seed
    clusters = {sample.sample_id: sample.cluster for sample in reference.samples}
    return sorted(clusters, key=lambda name: place_in_order(seed, clusters[name], name))


def _digest_in(order: list[str], reference: EvalRun) -> str:
    digests = {sample.sample_id: sample.sample_digest for sample in reference.samples}
    return ListDigest(digests[name] for name in order).so_far()
