"""Reads laws of the catalog, or of a user's own file, into forms that compute."""

from dataclasses import dataclass, fields

import numpy as np

from weighbridge.catalog.laws import LawRecord, read_law
from weighbridge.errors import InputError
from weighbridge.planning.scaling.forms import (
    Allocates,
    Chinchilla,
    JointMixture,
    Kaplan,
    PowerAllocation,
)
from weighbridge.planning.scaling.mixture import effective_experts
from weighbridge.planning.scaling.points import Points

FORMS: dict[str, type] = {
    "chinchilla": Chinchilla,
    "power": PowerAllocation,
    "kaplan": Kaplan,
    "joint-mixture": JointMixture,
}
_DRAWS_KEPT = 1000


@dataclass(frozen=True, eq=False)
class KnownLaw:
    """A law with its draws.

    Attributes:
        name: The name by which it was asked for.
        record: The catalog's record of the law.
        law: The law.
        draws: The same law with arrays of draws as fields; None where it has no draws.
    """

    name: str
    record: LawRecord
    law: Allocates
    draws: Allocates | None


def known_law(name: str, experts: float | None = None) -> KnownLaw:
    """Return a law by name or file.

    Args:
        name: A name in the catalog, or the path of a ``.json`` file.
        experts: Number of experts, 1 for a dense model, for joint laws; other laws ignore it.

    Raises:
        InputError: No such law, constants that don't belong to its form, or experts are missing.
    """
    record = read_law(name)
    form = FORMS[record.form]
    try:
        law = form(**record.constants)
        draws = (
            form(**{key: np.asarray(values) for key, values in record.draws.items()})
            if record.draws
            else None
        )
    except TypeError as error:
        raise InputError(
            f"{name}: the constants {', '.join(record.constants)}",
            f"those of the form {record.form}: {', '.join(f.name for f in fields(form))}",
        ) from error
    if isinstance(law, JointMixture):
        if experts is None:
            raise InputError(
                f"{name} is a law in the number of experts",
                "--experts NUMBER",
                "give the number of experts, 1 for a dense model",
            )
        counted = effective_experts(
            np.asarray(experts), record.experts_at_one or 1.0, record.experts_at_most or np.inf
        )
        law = law.with_experts(counted)
        draws = None if draws is None else draws.with_experts(counted)
    return KnownLaw(name, record, law, draws)


def record_of(
    law: Chinchilla | JointMixture,
    draws: Chinchilla | JointMixture | None,
    points: Points,
    how: str,
) -> LawRecord:
    """Return a fit as a law's record, with at most a thousand draws in six figures.

    Args:
        law: The fitted law.
        draws: The law's draws; None without resamples.
        points: The runs that it was fitted to.
        how: The command that fitted it.
    """
    names = [field.name for field in fields(law)]
    kept = {}
    if draws is not None:
        for name in names:
            drawn = np.asarray(getattr(draws, name))[:_DRAWS_KEPT]
            kept[name] = [float(f"{value:.6g}") for value in drawn]
    joint = isinstance(law, JointMixture)
    return LawRecord(
        title=f"fitted to {len(points)} runs of {points.source.rsplit('/', 1)[-1]}",
        form="joint-mixture" if joint else "chinchilla",
        constants={name: float(np.asarray(getattr(law, name))) for name in names},
        source=how,
        counts="active parameters" if joint else "all parameters",
        smallest_flops=float(points.flops.min()),
        largest_flops=float(points.flops.max()),
        notes="; ".join(points.notes),
        draws=kept,
        draws_source=f"{how}; the first {len(kept[names[0]])} resamples" if kept else "",
    )
