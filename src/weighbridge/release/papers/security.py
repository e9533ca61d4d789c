"""`SECURITY.md`: where flaws are reported, what a report holds, and what its sender can expect."""

from weighbridge.release.case import Case
from weighbridge.release.decision import Decision
from weighbridge.release.paper import Paper

_TEXT = """# Reporting a flaw of {name}

Write to {contact}. You may stay anonymous.

Please say, as far as you know it:

- the model's digest: `{digest}` (`weighbridge release verify` prints it);
- the conversation, with the system prompt, and how answers were sampled (temperature, seed);
- how often it came out: in k of n attempts;
- what harm could follow, and whom it would meet;
- whether the base, or other models made of it, do the same.

We confirm that we have your report within 3 days, and say within 10 how grave we think it is.
Please give us 90 days before you publish it; we will say so if we need less. Who looks for flaws in
good faith, and reports them here, has nothing to fear from us. Don't send material whose possession
is a crime: say where it came out instead.

Released weights can't be called back. What we can do is tell everybody who has them, and release a
better version.
"""


def _files(case: Case, decision: Decision) -> dict[str, bytes]:
    stated = case.statement
    text = _TEXT.format(
        name=f"{stated.name} {stated.version}", contact=stated.contact, digest=decision.model
    )
    return {"SECURITY.md": text.encode()}


PAPER = Paper("security", "where flaws are reported", _files)
