"""Pairwise judgments made with FastChat (`model_judgment/JUDGE_pair.jsonl`), seen from one model.

A row holds one pair judged twice: in `g1` model_1 is assistant A, in `g2` model_2 is. A model wins
or loses where both say so; a tie, or two that disagree, counts half; an `error` in either is no
judgment. So the mean over judgments is FastChat's `win_rate_adjusted` (`show_result.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import MalformedRow
from weighbridge.evaluation.fastchat import TURNS, rows
from weighbridge.evaluation.judges.pairwise import BETWEEN, NO_VERDICT, parse_verdict
from weighbridge.records import Graded, Json, Score, Ungraded

KEYS = frozenset({"question_id", "turn", "model_1", "model_2", "g1_winner", "g2_winner"})
_WINNERS = ("model_1", "model_2", "tie", "error")
_TEXTS = ("g1_judgment", "g2_judgment")
_BY_LETTER = (
    {"A": "model_1", "B": "model_2", "tie": "tie"},
    {"A": "model_2", "B": "model_1", "tie": "tie"},
)


@dataclass(frozen=True)
class PairJudgment:
    """One line: two models' answers to one turn, judged in both orders.

    Attributes:
        line: 1-based.
        question_id: The question's.
        turn: 1-based.
        models: The first and the second.
        judge: Who judged.
        winners: Of both orders: `model_1`, `model_2`, `tie` or `error`.
        shown: What the judge read; empty where the file leaves it out.
        texts: What it wrote, likewise.
    """

    line: int
    question_id: str
    turn: int
    models: tuple[str, str]
    judge: str
    winners: tuple[str, str]
    shown: tuple[str, str]
    texts: tuple[str, str]

    def opponent(self, model: str) -> str:
        """Whom a model was judged against."""
        return self.models[1] if model == self.models[0] else self.models[0]

    def score(self, model: str) -> Score:
        """What the judgment is worth for one of both models."""
        why = BETWEEN.join(self.texts)
        if "error" in self.winners:
            return Ungraded("unparsed", f"{NO_VERDICT}: {why}")
        own = "model_1" if model == self.models[0] else "model_2"
        first, second = (
            "tie" if winner == "tie" else "win" if winner == own else "loss"
            for winner in self.winners
        )
        value = {"win": 1.0, "loss": 0.0}.get(first, 0.5) if first == second else 0.5
        parts = {"position_consistent": float(first == second)}
        return Graded(value, f"{first}, swapped {second}", why, parts)


def read_pairs(path: Path) -> Iterator[PairJudgment]:
    """Read a file of pairwise judgments.

    Raises:
        MalformedRow: A row is something else, or names another winner than its text does.
    """
    for number, row in rows(path):
        yield _pair(path, number, row)


def _pair(path: Path, number: int, row: dict[str, Json]) -> PairJudgment:
    models = _model(path, number, row, "model_1"), _model(path, number, row, "model_2")
    if models[0] == models[1]:
        raise MalformedRow(path, number, f"{models[0]} twice", "two models", "model_2")
    turn, question = row.get("turn"), row.get("question_id")
    if not isinstance(turn, int) or not 1 <= turn <= TURNS:
        raise MalformedRow(path, number, repr(turn)[:60], f"1 to {TURNS}", "turn")
    if not isinstance(question, (int, str)) or isinstance(question, bool):
        raise MalformedRow(path, number, repr(question)[:60], "a number", "question_id")
    for place, key in enumerate(("g1_winner", "g2_winner")):
        if row.get(key) not in _WINNERS:
            raise MalformedRow(path, number, repr(row.get(key)), " or ".join(_WINNERS), key)
        text = row.get(_TEXTS[place])
        verdict = parse_verdict(text) if isinstance(text, str) else None
        if verdict is not None and row[key] not in (_BY_LETTER[place][verdict], "error"):
            saw = f"{row[key]}, while the judge's text says {_BY_LETTER[place][verdict]}"
            raise MalformedRow(path, number, saw, "the winner that the text names", key)
    judge = row.get("judge")
    named = judge[0] if isinstance(judge, list) and judge else judge
    return PairJudgment(
        number, str(question), turn, models, str(named or "unknown"),
        (str(row["g1_winner"]), str(row["g2_winner"])),
        (str(row.get("g1_user_prompt") or ""), str(row.get("g2_user_prompt") or "")),
        (str(row.get("g1_judgment") or ""), str(row.get("g2_judgment") or "")),
    )  # fmt: skip


def _model(path: Path, number: int, row: dict[str, Json], key: str) -> str:
    name = row.get(key)
    if not isinstance(name, str) or not name:
        raise MalformedRow(path, number, repr(name)[:60], "a model's name", key)
    return name
