"""Collects what is known of a model's folder: files, record of origin, runs, training data."""

from datetime import datetime
from pathlib import Path

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.evidence.checked import check
from weighbridge.evidence.document import load, with_samples
from weighbridge.evidence.listing import run_names
from weighbridge.evidence.payload import UNNAMED
from weighbridge.evidence.payloads.attacks import PAYLOAD as ATTACKS
from weighbridge.records import EvalRun, ModelRef
from weighbridge.records.attack import AttackRun
from weighbridge.release.case import Case, base_identity, is_base, is_model
from weighbridge.release.data_scan import DataScan, scan_data
from weighbridge.release.inventory import Inventory, digest_in, take_inventory
from weighbridge.release.policy import Policy
from weighbridge.release.statement import Statement
from weighbridge.sources.artefacts import artefact_digest
from weighbridge.tuning.lineage import LineageStep, read_lineage


def case_of(
    folder: Path,
    runs: Path,
    policy: Policy,
    statement: Statement,
    now: datetime,
    data: Path | DataScan | None = None,
) -> Case:
    """Collect everything that the gates weigh.

    Args:
        folder: The model's.
        runs: Where runs are kept; each that is used is verified first, from its bytes.
        policy: The thresholds.
        statement: What people state.
        now: When it is decided.
        data: The training data, or what was found in them.

    Raises:
        InputError: The folder is none, or the data can't be read.
    """
    inventory = take_inventory(folder)
    return case_of_inventory(folder, inventory, runs, policy, statement, now, data)


def case_of_inventory(
    folder: Path,
    inventory: Inventory,
    runs: Path,
    policy: Policy,
    statement: Statement,
    now: datetime,
    data: Path | DataScan | None = None,
) -> Case:
    """Do what `case_of` does for a folder whose files have been read."""
    digest = artefact_digest(folder, digest_in(folder, inventory.files))
    lineage = _lineage(folder)
    found, rounds, refused = _evidence(runs, digest, lineage, statement)
    mine = [run for run in found if is_model(run.model, digest)]
    scan = scan_data(data, mine) if isinstance(data, Path) else data
    return Case(digest, inventory, lineage, found, policy, statement, scan, now, refused, rounds)


def _lineage(folder: Path) -> tuple[LineageStep, ...]:
    try:
        return read_lineage(folder)
    except InputError:  # the inventory says so
        return ()


def _evidence(
    root: Path, digest: str, lineage: tuple[LineageStep, ...], statement: Statement
) -> tuple[tuple[EvalRun, ...], tuple[AttackRun, ...], tuple[str, ...]]:
    """Return verified runs and rounds that bear on a model, and what was wrong with others."""
    runs, rounds, refused = list[EvalRun](), list[AttackRun](), list[str]()
    for name in run_names(root):
        if not (root / name / "seal.json").is_file():
            continue
        try:
            sealed = load(root / name)
            model, kind = sealed.envelope.model, sealed.payload.name
            if model is None or kind not in (UNNAMED, ATTACKS.name):
                continue
            if not _bears(model, digest, lineage, statement):
                continue
            check(sealed)
            (runs if kind == UNNAMED else rounds).append(with_samples(sealed))
        except WeighbridgeError as error:
            refused.append(f"{name}: {error.saw}")
    return tuple(runs), tuple(rounds), tuple(refused)


def _bears(
    model: ModelRef, digest: str, lineage: tuple[LineageStep, ...], statement: Statement
) -> bool:
    """Whether evidence of a model bears on another's release."""
    if is_model(model, digest) or is_base(model.identity, lineage):
        return True
    if statement.incumbent and model.name == statement.incumbent:
        return True
    # The model, or its base, that somebody tuned to do harm, to see what others could do.
    adapters = {name for one in statement.worst_case for name in (one.model, one.base)}
    known = (model.revision, model.weights_digest)
    of_these = digest in known or base_identity(lineage).get("weights_digest") in known
    return model.adapter_digest in adapters and of_these
