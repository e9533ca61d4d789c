"""Text on which a model that was written to disk is compared with the one in memory.

Validation rows of the tuning run where there are some, whole and as the model reads them; else the
texts below, written for this: prose, code, a table, numbers, other languages and scripts, since an
error in a file (a head, a rotary base, a tokenizer) may show in some of them only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from weighbridge.tuning.masks import mask_answers
from weighbridge.tuning.paired_rows import both_of
from weighbridge.tuning.rows import PreferencePair, TuningRow

_MOST_TOKENS = 2048
_MOST_NUMBERS = 1 << 27  # log-probabilities kept at once: half a gigabyte of float32
_LONGEST = 512
_PROBE_TOKENS = 128

TEXTS = (
    "The harbour was quiet before six. Two boats had come in during the night, and their crews "
    "slept on deck under tarpaulins. When the sun reached the wall, somebody began to hose down "
    "the quay, and the gulls, who had waited for that, rose all at once.",
    "A pump that runs dry overheats within minutes. Close the outlet, fill the housing through the "
    "upper plug until water runs over, and open the outlet only after the pressure gauge shows "
    "more than 1.5 bar. If it does not, stop the pump and look for air in the suction line.",
    "Dear Ms Okafor,\n\nthank you for your letter of 3 March. Your refund of $1,249.50 was sent on "
    "the 7th; banks take up to five working days. Invoice no. 2024-00381 is closed.\n\n"
    "Kind regards,\nTomas",
    "def moving_average(values, width):\n    if width < 1:\n        raise ValueError(width)\n"
    "    total, means = 0.0, []\n    for index, value in enumerate(values):\n"
    "        total += value\n        if index >= width:\n            total -= values[index - width]"
    "\n        means.append(total / min(index + 1, width))\n    return means\n",
    '{"order": 8812, "items": [{"sku": "A-17", "count": 3}, {"sku": "B-02", "count": 1}], '
    '"paid": true, "note": null}',
    "| city | 1990 | 2020 |\n|---|---:|---:|\n| Lyon | 415,487 | 522,250 |\n"
    "| Graz | 237,810 | 291,134 |\n\nBoth grew by about a quarter.",
    "Der Zug nach Köln fährt heute von Gleis 11; bitte beachten Sie die Durchsagen. "
    "Le marché ferme à midi, mais la boulangerie reste ouverte. El río baja crecido desde ayer.",
    "图书馆周一闭馆。Библиотека закрыта по понедельникам. المكتبة مغلقة يوم الاثنين. "
    "図書館は月曜日に休みです。",
    "What is 17 * 24? First 17 * 20 = 340, then 17 * 4 = 68, together 408. So the answer is 408.",
)


@dataclass(frozen=True)
class HeldOut:
    """Texts to compare two models on.

    Attributes:
        rows: Token ids, one text each, two or more of them.
        source: What they are, in a phrase.
    """

    rows: tuple[tuple[int, ...], ...]
    source: str

    @property
    def tokens(self) -> int:
        """How many there are in all rows."""
        return sum(map(len, self.rows))

    def probe(self, device: Any) -> Any:
        """Return the beginning of the first text, as a batch of one."""
        import torch

        return torch.tensor([self.rows[0][:_PROBE_TOKENS]], device=device)


def held_out_text(
    tokenizer: Any, validation: Sequence[TuningRow], vocabulary: int, context: int | None
) -> HeldOut:
    """Return as much text as can be kept log-probabilities of.

    Args:
        tokenizer: The model's.
        validation: The run's validation rows; may be none.
        vocabulary: Tokens that the model gives a probability.
        context: Longest text; None where the model states none.
    """
    most = max(64, min(_MOST_TOKENS, _MOST_NUMBERS // vocabulary))
    longest = min(_LONGEST, context or _LONGEST, most)
    # Of two answers the preferred one is what the model should write.
    conversations = [
        both_of(row)[0] if isinstance(row, PreferencePair) else row for row in validation
    ]
    if conversations:
        written = (
            row.token_ids for one in conversations for row in mask_answers(tokenizer, one).rows
        )
        if rows := _first(written, most, longest):
            return HeldOut(rows, f"{len(rows)} validation rows")
    shipped = (tokenizer(text)["input_ids"] for text in TEXTS)
    return HeldOut(_first(shipped, most, longest), "the shipped text")


def _first(texts: Iterable[Sequence[int]], most: int, longest: int) -> tuple[tuple[int, ...], ...]:
    """Return the first texts, each cut to a length, up to a number of tokens in all."""
    rows: list[tuple[int, ...]] = []
    for ids in texts:
        row = tuple(ids[: min(longest, most)])
        if len(row) > 1:
            rows.append(row)
            most -= len(row)
        if most < 2:
            break
    return tuple(rows)
