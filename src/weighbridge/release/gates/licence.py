"""What the base's licence asks of whoever passes a model on."""

from collections.abc import Iterator

from weighbridge.catalog.licence_duties import LicenceDuties, duties_of, plain_name
from weighbridge.release.case import Case
from weighbridge.release.gate import Finding, Gate, every, failed, insufficient, passed
from weighbridge.release.statement import Statement


def _decide(case: Case) -> Finding:
    stated = case.statement
    duties = duties_of(stated.base.licence)
    if duties is None:
        why = f"the duties of the base's licence {stated.base.licence} are not known here"
        return insufficient(why, "a licence whose duties the catalog knows")
    return every((*_owed(stated, duties), *_own(stated)))


def _owed(stated: Statement, duties: LicenceDuties) -> Iterator[Finding]:
    whose = f"the base's licence ({duties.licence})"
    if duties.same_licence and plain_name(stated.licence) != duties.licence:
        why = f"{whose} must be passed on, and the release is under {stated.licence}"
        yield failed(why, f'licence = "{duties.licence}" in the statement')
    if duties.name_begins and not stated.name.lower().startswith(duties.name_begins.lower()):
        why = f"{whose} asks for a name that begins with {duties.name_begins}, not {stated.name}"
        yield failed(why, "another name")
    if duties.built_with and duties.built_with not in stated.built_with:
        why = f'{whose} asks for "{duties.built_with}", which is not stated'
        yield failed(why, f'built_with = "{duties.built_with}" in the statement')
    if duties.notice and not stated.notice.strip():
        yield failed(f"{whose} asks for a notice, and there is none", "notice in the statement")
    if duties.use_policy and not stated.use_policy.strip():
        why = f"{whose} passes a use policy on, and there is none"
        yield failed(why, "use_policy in the statement, with the base's")
    yield passed(f"the duties of {duties.licence} are met")


def _own(stated: Statement) -> Iterator[Finding]:
    own = duties_of(stated.licence)
    if own is None:
        why = f"the release's own licence {stated.licence} is not known here"
        yield insufficient(why, "a licence that the catalog knows")
    elif own.forbids_use_limits and stated.use_policy.strip():
        why = f"{own.licence} imposes no limits of use, and the release has a use policy"
        yield failed(why, "another licence, or no use policy")


GATE = Gate("licence", "Are the duties of the base's licence met?", _decide)
