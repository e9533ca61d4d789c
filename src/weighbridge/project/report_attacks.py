"""What a report says of attacks, made from their sealed runs again whenever it is verified."""

from datetime import date

from weighbridge.comparison.attack_delta import attack_delta
from weighbridge.evidence import RunStore
from weighbridge.evidence.payloads.attacks import PAYLOAD
from weighbridge.project.report_facts import ReportFacts
from weighbridge.records.attack import AttackDelta


def attack_deltas(facts: ReportFacts, store: RunStore) -> tuple[AttackDelta, ...]:
    """Return what tuning changed of how the model stands attacks; empty without campaigns."""
    return tuple(
        attack_delta(
            store.read_as(PAYLOAD, one.before),
            store.read_as(PAYLOAD, one.again),
            store.read_as(PAYLOAD, one.after),
            date.fromisoformat(facts.generated[:10]),
        )
        for one in facts.attacked or ()
    )
