"""Laws of the catalog, or of a user's own file, as forms that can be computed with."""

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
from weighbridge.planning.scaling.parametric import NAMES, ParametricFit
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
        name: As it was asked for.
        record: What the catalog says of it.
        law: The law.
        draws: The same with arrays of draws for fields, or None.
    """

    name: str
    record: LawRecord
    law: Allocates
    draws: Allocates | None


def known_law(name: str, effective_experts: float | None = None) -> KnownLaw:
    """Return a law by name or file.

    Args:
        name: In the catalog, or the path of a ``.json``.
        effective_experts: Ê, for joint laws.

    Raises:
        InputError: There is none, its constants are not those of its form, or Ê is missing.
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
        if effective_experts is None:
            raise InputError(
                f"{name} is a law in the number of experts",
                "--experts NUMBER",
                "give the effective number of experts",
            )
        law = law.with_experts(effective_experts)
        draws = None if draws is None else draws.with_experts(effective_experts)
    return KnownLaw(name, record, law, draws)


def record_of(fit: ParametricFit, points: Points, how: str) -> LawRecord:
    """Return a fit as a law's record, with at most a thousand draws in six figures.

    Args:
        fit: The fit.
        points: What it rests on.
        how: The command that made it.
    """
    draws = {}
    if fit.draws is not None:
        for name in NAMES:
            kept = np.asarray(getattr(fit.draws, name))[:_DRAWS_KEPT]
            draws[name] = [float(f"{value:.6g}") for value in kept]
    return LawRecord(
        title=f"fitted to {fit.points} runs of {points.source.rsplit('/', 1)[-1]}",
        form="chinchilla",
        constants={name: float(getattr(fit.law, name)) for name in NAMES},
        source=how,
        counts="all parameters",
        smallest_flops=float(points.flops.min()),
        largest_flops=float(points.flops.max()),
        notes="; ".join(points.notes),
        draws=draws,
        draws_source=f"{how}; the first {len(draws['A'])} resamples" if draws else "",
    )
