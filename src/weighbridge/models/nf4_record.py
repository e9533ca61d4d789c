"""What stands beside an adapter that was trained against weights of four bits."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError
from weighbridge.records import Json
from weighbridge.sources.documents import read_settings

RECORD = "weighbridge_quantization.json"
"""Its file, beside the adapter and in the run's folder."""


@dataclass(frozen=True)
class Nf4Record:
    """What weights in four bits were made of, and what they are.

    Attributes:
        quantization_config: As `transformers.BitsAndBytesConfig` takes it.
        digest: Of all that is stored of the layers in four bits.
        layers: How many there are.
        layers_left: Linear layers that stayed as they were, the head among them.
        parameters: Numbers in four bits.
        parameters_left: Numbers of the model that are not.
        bitsandbytes: The version that made them.
        device: The kind of device that it made them on.
        experts: Matrices of routed experts among them, which bitsandbytes leaves as they are.
    """

    quantization_config: Mapping[str, Json]
    digest: str
    layers: int
    layers_left: int
    parameters: int
    parameters_left: int
    bitsandbytes: str
    device: str
    experts: int = 0

    @property
    def text(self) -> str:
        """The record's file."""
        plain = asdict(self)
        if not self.experts:  # as records from before experts could be in four bits
            del plain["experts"]
        return json.dumps(plain, indent=2) + "\n"

    @property
    def note(self) -> str:
        """Say, where the adapter is used, what it is put on."""
        return (
            f"The base's {self.layers} layers in NF4 have the numbers that the adapter was trained "
            "against, not the original ones."
        )

    def sentence(self) -> str:
        """Say how much of the base is in four bits."""
        share = self.parameters / (self.parameters + self.parameters_left)
        return (
            f"the base is held in NF4: {self.layers} of {self.layers + self.layers_left} linear "
            f"layers{self._experts()}, {share:.0%} of all parameters{self._left()}"
        )

    def _experts(self) -> str:
        return f" and {self.experts:,} matrices of routed experts" if self.experts else ""

    def _left(self) -> str:
        """Name the layers that stayed as they were, each kind once."""
        names = self.quantization_config.get("llm_int8_skip_modules")
        kinds = {str(name).rpartition(".")[2] for name in names} if isinstance(names, list) else ()
        return f"; not {', '.join(sorted(kinds))}" if kinds else ""


def read_record(folder: Path) -> Nf4Record | None:
    """Read the record beside an adapter; None where it was trained against plain weights.

    Raises:
        InputError: It is no such record.
    """
    if not (folder / RECORD).is_file():
        return None
    found = read_settings(folder / RECORD, "a record of weights in four bits", within=folder)
    try:
        return TypeAdapter(Nf4Record).validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{folder / RECORD} can't be read ({first['loc'][0]}: {first['msg']})",
            "the record that tuning wrote",
            "take the adapter's folder as tuning wrote it",
        ) from error
