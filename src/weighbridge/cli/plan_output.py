"""Plans as text of at most 80 columns and as a document."""

import textwrap
from dataclasses import dataclass

from weighbridge.cli.output import wrapped
from weighbridge.cli.scaling_output import amount, between
from weighbridge.documents import ABSENT
from weighbridge.documents.training_plan import (
    RepeatedDataPlan,
    ServingPlan,
    TrainingPlanDocument,
)
from weighbridge.planning.scaling.allocation import (
    FAR_BEYOND,
    Allocation,
    Bill,
    RepeatedPlan,
    ServedPlan,
)
from weighbridge.planning.scaling.published import KnownLaw


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """All that `plan train` says.

    Attributes:
        known: The law.
        allocation: What it buys.
        served: The split that is cheapest over a lifetime, if asked for.
        repeated: The split where tokens run out, if asked for.
        bill: Hours and dollars.
        accelerator: Its name.
        utilization: Share of the peak, assumed.
        price: In words; empty where there is none.
    """

    known: KnownLaw
    allocation: Allocation
    served: ServedPlan | None
    repeated: RepeatedPlan | None
    bill: Bill
    accelerator: str
    utilization: float
    price: str


def warnings(plan: TrainingPlan) -> list[str]:
    """Return what must not be overlooked."""
    found = []
    beyond, record = plan.allocation.beyond, plan.known.record
    if beyond is not None and beyond > FAR_BEYOND:
        found.append(
            f"EXTRAPOLATED: this budget is {beyond:.3g} times the largest of the law's data "
            f"({record.largest_flops:.2g} FLOPs). Beyond {FAR_BEYOND:g} times, "
            "intervals say how well the data fix the law, not whether the law still holds."
        )
    if beyond is None:
        found.append(
            "How far this reaches is not known: the compute of this law's data is not recorded."
        )
    if record.smallest_flops and plan.allocation.flops * FAR_BEYOND < record.smallest_flops:
        found.append(
            f"EXTRAPOLATED: the law's data begin at {record.smallest_flops:.2g} FLOPs, more than "
            f"{FAR_BEYOND:g} times this budget."
        )
    if record.notes:
        found.append(record.notes)
    return found


def uncertainty(plan: TrainingPlan) -> str:
    """Return in a plain sentence what is uncertain."""
    bought = plan.allocation
    sizes, losses = bought.intervals["parameters"], bought.intervals["loss"]
    if sizes is None:
        return f"{plan.known.name} comes without draws, so none of these figures has an interval."
    said = f"The data fix the best size only to within a factor of {sizes[1] / sizes[0]:.2g}"
    if losses is not None and bought.regret is not None:
        known_to = (losses[1] - losses[0]) / 2
        weight = "hardly matters" if bought.regret < known_to / 4 else "matters"
        said += (
            f", which {weight}: at worst {bought.regret:.3f} nats are lost by it, while the loss "
            f"itself is known to {known_to:.3f}"
        )
    return said + ". Other data, tokenizers and architectures have other laws."


def plan_text(plan: TrainingPlan) -> str:
    """Return a plan as lines."""
    bought = plan.allocation
    lines = [f"{bought.flops:.4g} FLOPs by {plan.known.name}", f"  {plan.known.record.title}"]
    rows = [
        ("parameters", amount(bought.parameters), amount),
        ("tokens", amount(bought.tokens), amount),
        ("tokens_per_parameter", f"{bought.tokens_per_parameter:.3g}", lambda v: f"{v:.3g}"),
    ]
    if bought.loss is not None:
        rows.append(("loss", f"{bought.loss:.3f}", lambda v: f"{v:.3f}"))
    for key, value, show in rows:
        told = key.replace("_per_parameter", " a parameter")
        lines.append(f"  {told:<20} {value:>7}   {between(bought.intervals[key], show)}".rstrip())
    hours = f"{plan.bill.hours:,.0f}" if plan.bill.hours >= 10 else f"{plan.bill.hours:.2g}"
    lines.append(f"  {hours} hours of {plan.accelerator} at {plan.utilization:.0%} of peak")
    lines.append("  for dollars give --usd-per-hour")
    if plan.bill.usd is not None:
        usd = f"{plan.bill.usd:,.0f}" if plan.bill.usd >= 10 else f"{plan.bill.usd:.2g}"
        lines.pop()
        lines += wrapped(f"${usd} at {plan.price}", "  ")
    if plan.served:
        lines += _served(plan.served, bought)
    if plan.repeated:
        lines += _repeated(plan.repeated)
    for paragraph in (*warnings(plan), uncertainty(plan)):
        lines += textwrap.wrap(paragraph, 78, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines)


def _served(served: ServedPlan, bought: Allocation) -> list[str]:
    return [
        f"  to serve {amount(served.lifetime_tokens)} tokens at the same loss: "
        f"{amount(served.parameters)} parameters, {amount(served.tokens)} tokens",
        f"    {between(served.parameters_interval, amount)}".rstrip(),
        f"    training takes {served.training_flops / bought.flops:.2f} times the FLOPs, training "
        f"and serving {served.saved:.0%} fewer",
    ]


def _repeated(repeated: RepeatedPlan) -> list[str]:
    return [
        f"  with {amount(repeated.unique_tokens)} unique tokens: {amount(repeated.parameters)} "
        f"parameters, {amount(repeated.tokens)} tokens, {repeated.epochs:.3g} epochs",
        f"    loss {repeated.loss:.3f}, against {repeated.loss_if_unique:.3f} if no token repeated",
    ]


def plan_document(plan: TrainingPlan) -> TrainingPlanDocument:
    """Return a plan as the document that scripts rely on."""
    bought = plan.allocation
    return TrainingPlanDocument(
        flops=bought.flops,
        law=plan.known.name,
        parameters=bought.parameters,
        tokens=bought.tokens,
        tokens_per_parameter=bought.tokens_per_parameter,
        loss=bought.loss,
        intervals=bought.intervals,
        regret=bought.regret,
        beyond=bought.beyond,
        accelerator=plan.accelerator,
        utilization=plan.utilization,
        accelerator_hours=plan.bill.hours,
        usd=plan.bill.usd,
        warnings=tuple(warnings(plan)),
        uncertainty=uncertainty(plan),
        source=plan.known.record.source,
        serving=_serving_document(plan.served) if plan.served else ABSENT,
        repeated=_repeated_document(plan.repeated) if plan.repeated else ABSENT,
    )


def _serving_document(served: ServedPlan) -> ServingPlan:
    return ServingPlan(
        lifetime_tokens=served.lifetime_tokens,
        parameters=served.parameters,
        parameters_interval=served.parameters_interval,
        tokens=served.tokens,
        training_flops=served.training_flops,
        serving_flops=served.serving_flops,
        saved=served.saved,
    )


def _repeated_document(repeated: RepeatedPlan) -> RepeatedDataPlan:
    return RepeatedDataPlan(
        unique_tokens=repeated.unique_tokens,
        parameters=repeated.parameters,
        tokens=repeated.tokens,
        epochs=repeated.epochs,
        loss=repeated.loss,
        loss_if_unique=repeated.loss_if_unique,
    )
