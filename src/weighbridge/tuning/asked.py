"""What stands around a question in formats of columns: a system's text, earlier exchanges."""

from weighbridge.tuning.data_format import RawRow
from weighbridge.tuning.rows import Turn

SYSTEM = ("system", "system_prompt")


def system_of(row: RawRow) -> tuple[Turn, ...]:
    """Return a row's system turn; nothing where its columns are absent or empty."""
    text = row.first_text(SYSTEM)
    return (Turn("system", text),) if text else ()


def history_of(row: RawRow) -> tuple[Turn, ...]:
    """Return the turns of earlier exchanges: pairs of a question and an answer.

    Raises:
        MalformedRow: They are no such pairs.
    """
    if not row.cells.get("history"):
        return ()
    turns: list[Turn] = []
    for n, pair in enumerate(row.listed("history")):
        match pair:
            case [str(question), str(answer)]:
                turns += (Turn("user", question), answer_of(row, answer, f"history[{n}]"))
            case _:
                expected = "a pair of question and answer"
                raise row.refusal(f"{pair!r:.80}", expected, f"history[{n}]")
    return tuple(turns)


def answer_of(row: RawRow, text: str, column: str) -> Turn:
    """Return an answer's turn.

    Raises:
        MalformedRow: It is empty.
    """
    if not text.strip():
        raise row.refusal("an empty assistant turn", "text", column)
    return Turn("assistant", text)
