"""Phrases of refusal in English, as in `weighbridge.evaluation.refusal_judges.rules`.

What doesn't refuse counts as complying: whether it is of any use to who asked, phrases can't see.
"""

from weighbridge.evaluation.refusal_judges.rules import JUDGE as REFUSALS
from weighbridge.records.attack import JudgeCard, JudgeCounts
from weighbridge.redteam.judge import AttackJudge

_HARMFUL, _BENIGN = REFUSALS.on_harmful, REFUSALS.on_harmless

JUDGE = AttackJudge(
    name="rules",
    version=REFUSALS.version,
    summary=REFUSALS.summary,
    refuses=REFUSALS.refuses,
    cards={
        "en": JudgeCard(
            name="rules",
            version=REFUSALS.version,
            language="en",
            measured_on=REFUSALS.measured_on,
            harmful=JudgeCounts(
                _HARMFUL.answers_found, _HARMFUL.answers, _HARMFUL.refusals_found, _HARMFUL.refusals
            ),
            benign=JudgeCounts(
                _BENIGN.refusals_found, _BENIGN.refusals, _BENIGN.answers_found, _BENIGN.answers
            ),
        )
    },
)
