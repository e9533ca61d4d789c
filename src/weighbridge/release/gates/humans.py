"""Named people agreed to exactly these files, knowing that they can't be recalled."""

from datetime import timedelta

from weighbridge.release.case import Case
from weighbridge.release.gate import Finding, Gate, failed, insufficient, passed
from weighbridge.release.statement import Approval, utc


def _person(name: str) -> str:
    return " ".join(name.casefold().split())


def _decide(case: Case) -> Finding:
    trainer, asked = _person(case.statement.trainer), case.policy.humans
    ahead = [a.by for a in case.statement.approval if a.at > case.now]
    started = [(run.run_id, utc(run.provenance.started)) for run in case.measured]
    ahead += [name for name, at in started if at is not None and at > case.now]
    if ahead:
        why = f"dated after the decision ({case.now:%Y-%m-%d %H:%M} UTC): {', '.join(ahead)}"
        return failed(why, "a clock that is right")
    mine = [a for a in case.statement.approval if a.digest == case.digest]
    if any(_person(a.by) == trainer for a in mine):
        why = f"{case.statement.trainer} trained it and approves it"
        return failed(why, "approvals of people other than the trainer")
    first: dict[str, Approval] = {}
    for approval in sorted(mine, key=lambda a: a.at):
        if approval.irreversible and _person(approval.by):
            first.setdefault(_person(approval.by), approval)
    count = min(len(first), asked.approvers)
    turns = f'[[approval]] with digest = "{case.digest}" and irreversible = true'
    if count < asked.approvers:
        why = f"{count} of {asked.approvers} people agreed to these files, knowing it is final"
        return insufficient(why, turns, case.digest)
    last = sorted(a.at for a in first.values())[asked.approvers - 1]
    until = last + timedelta(hours=asked.cooling_off_hours)
    names = ", ".join(a.by for a in first.values())
    if case.now < until:
        why = f"{names} agreed; the cooling-off ends {until:%Y-%m-%d %H:%M} UTC"
        return insufficient(why, "waiting until then", case.digest)
    return passed(f"{names} agreed to these files, knowing that it is final", case.digest)


GATE = Gate("humans", "Did people other than the trainer agree, in time to think again?", _decide)
