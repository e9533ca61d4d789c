"""Scaling laws, published or fitted, one JSON file each in this folder.

`weighbridge scaling fit --save-law FILE` writes the same form, so that your own law is used
just like a published one.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from weighbridge.errors import InputError, UnknownName

_FOLDER = Path(__file__).parent
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class LawRecord:
    """A law's constants and where they come from.

    Attributes:
        title: Who published it, when, and which of their laws it is.
        form: Which of `planning.scaling.forms`.
        constants: Its fields.
        source: Where the constants were published.
        counts: Which parameters N includes.
        experts_at_one: Of joint laws, what one expert counts for; None: 1.
        experts_at_most: Of joint laws, what no number of experts exceeds; None: nothing.
        smallest_flops: Least compute among the runs it rests on; None where not known.
        largest_flops: Greatest compute among them.
        notes: What a user should know before trusting it.
        draws: The constants fitted to bootstrap resamples, by name; empty where there are none.
        draws_source: How the draws were made.
    """

    title: str
    form: Literal["chinchilla", "power", "kaplan", "joint-mixture"]
    constants: dict[str, Finite]
    source: str
    counts: Literal["all parameters", "non-embedding parameters", "active parameters"]
    experts_at_one: Positive | None = None
    experts_at_most: Positive | None = None
    smallest_flops: Positive | None = None
    largest_flops: Positive | None = None
    notes: str = ""
    draws: dict[str, list[Finite]] = Field(default_factory=dict)
    draws_source: str = ""


def law_names() -> list[str]:
    """Names of the laws that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def read_law(name: str) -> LawRecord:
    """Return a law by its name, or from a file whose path ends in ``.json``.

    Raises:
        InputError: There is no such law, or the file does not hold one.
    """
    if name.endswith(".json"):
        path = Path(name)
    elif name in law_names():
        path = _FOLDER / f"{name}.json"
    else:
        raise UnknownName("law", name, law_names(), "or give a file from scaling fit --save-law")
    try:
        record = TypeAdapter(LawRecord).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})", "a law's file") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path}: {where}: {first['msg']}",
            "a law as weighbridge scaling fit --save-law writes it",
            "fit and save it again",
        ) from error
    lengths = {len(values) for values in record.draws.values()}
    if record.draws and (record.draws.keys() != record.constants.keys() or len(lengths) != 1):
        raise InputError(f"{path}: draws that don't fit the constants", "as many of each constant")
    if record.experts_at_most and record.experts_at_most <= (record.experts_at_one or 1):
        raise InputError(
            f"{path}: experts_at_most {record.experts_at_most:g}", "more than experts_at_one"
        )
    return record


def write_law(record: LawRecord) -> bytes:
    """Return a law as the bytes of its file, one line a field."""
    fields = TypeAdapter(LawRecord).dump_python(record, exclude_defaults=True)
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
