"""Reads people's ratings and preferences from a JSONL file, to compare a judge with them.

    {"sample_id": "81/1", "model": "mistral-orpo-mix", "rating": 7}
    {"sample_id": "81/1", "preference": "mistral-orpo-mix"}

A preference is a model's name, "A" or "B" (candidate and reference, as compared), or "tie".
MT-Bench's public human judgments (lmsys/mt_bench_human_judgments as JSONL: question_id, turn,
model_a, model_b, winner) are read as they are. Several people may label one item.
"""

from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.fastchat import rows
from weighbridge.records import HumanLabel, Json
from weighbridge.records.scale import Scale, named

_WINNERS = ("model_a", "model_b", "tie")


def read_human_labels(path: Path, scale: Scale) -> tuple[HumanLabel, ...]:
    """Read a file of people's labels.

    Args:
        path: The file.
        scale: Lowest and highest rating.

    Raises:
        InputError: No file, or nothing in it; MalformedRow names a row that is wrong.
    """
    if not path.is_file():
        raise InputError(f"no file at {path}", "a JSONL of people's labels", "check the path")
    labels = tuple(_label(path, number, row, scale) for number, row in rows(path))
    if not labels:
        raise InputError(f"{path} holds no labels", 'lines such as {"sample_id": …, "rating": …}')
    return labels


def _label(path: Path, number: int, row: dict[str, Json], scale: Scale) -> HumanLabel:
    if {"winner", "model_a", "model_b"} <= row.keys():
        return _winner(path, number, row)
    sample_id, model = row.get("sample_id"), row.get("model")
    if not isinstance(sample_id, str) or not sample_id:
        raise MalformedRow(path, number, repr(sample_id), "an item's id, such as 81/1", "sample_id")
    if model is not None and not isinstance(model, str):
        raise MalformedRow(path, number, repr(model), "a model's name", "model")
    said = [key for key in ("rating", "preference") if row.get(key) is not None]
    if len(said) != 1:
        saw = " and ".join(said) or "neither rating nor preference"
        raise MalformedRow(path, number, saw, "one of rating and preference")
    if said == ["rating"]:
        return HumanLabel(sample_id, model, _rating(path, number, row["rating"], scale))
    preferred = row["preference"]
    if not isinstance(preferred, str) or not preferred:
        raise MalformedRow(
            path, number, repr(preferred), "A, B, tie, or a model's name", "preference"
        )
    return HumanLabel(sample_id, preferred=preferred)


def _rating(path: Path, number: int, value: Json, scale: Scale) -> float:
    low, high = scale
    refused = MalformedRow(path, number, repr(value), f"a number on {named(scale)}", "rating")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise refused
    # So NaN is refused, too. A whole number is compared as it is: it may be beyond any float.
    if not low <= value <= high:
        raise refused
    return float(value)


def _winner(path: Path, number: int, row: dict[str, Json]) -> HumanLabel:
    """A row of MT-Bench's public human judgments."""
    winner, models = row["winner"], (str(row["model_a"]), str(row["model_b"]))
    if not isinstance(winner, str) or winner not in _WINNERS:
        raise MalformedRow(path, number, repr(winner), ", ".join(_WINNERS), "winner")
    question, turn = row.get("question_id"), row.get("turn")
    if not isinstance(question, (int, str)) or not isinstance(turn, int):
        raise MalformedRow(path, number, "no question_id or turn", "both", "question_id")
    preferred = winner if winner == "tie" else models[_WINNERS.index(winner)]
    return HumanLabel(f"{question}/{turn}", preferred=preferred, models=models)
