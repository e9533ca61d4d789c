"""Reads a configuration's fields; an absent, malformed or contradictory field is an error."""

from collections.abc import Mapping, Sequence
from typing import Any

from weighbridge.errors import InputError

MAX_LAYERS = 10_000
MAX_WIDTH = 1 << 40
OLD_KINDS = {
    "mamba": "linear_attention",
    "attention": "full_attention",
    "deepseek_sparse_attention": "indexed_attention",
}
"""Kinds of layers as transformers 4 called them, and as transformers 5 does."""


class Fields:
    """The fields of a configuration, as `config.json` names them.

    Args:
        values: The fields.
        where: Name of the configuration in errors.

    Attributes:
        values: The fields, and the defaults that `assume` added.
        where: Name of the configuration in errors.
        assumed: The defaults that `assume` added.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = dict(values), where
        self.assumed: dict[str, Any] = {}

    def require(self, *names: str) -> None:
        """Check that all of these fields are there; the error names all that are missing.

        Args:
            names: Fields; alternatives are divided by ``|``.

        Raises:
            InputError: Some are missing.
        """
        missing = [n for n in names if all(self.values.get(a) is None for a in n.split("|"))]
        if missing:
            listed = ", ".join(name.replace("|", " or ") for name in missing)
            raise InputError(
                f"{self.where} lacks {listed}",
                f"every field of a {self.values.get('model_type', 'model')} configuration",
                "take the config.json that the weights came with; nothing is guessed",
            )

    def assume(self, **defaults: Any) -> None:
        """Take the family's defaults for fields that its publishers leave out, and note them."""
        for name, value in defaults.items():
            if name not in self.values:
                self.values[name] = self.assumed[name] = value

    def count(self, name: str, zero: bool = False) -> int:
        """Return a whole number above 0 (or from 0, with `zero`).

        Args:
            name: The field; alternative names are divided by ``|``.
            zero: Whether it may be 0.

        Raises:
            InputError: The field is absent, or has another kind of value.
        """
        self.require(name)
        found = next(n for n in name.split("|") if self.values.get(n) is not None)
        return self._whole(found, self.values[found], 0 if zero else 1)

    def optional_count(self, name: str) -> int | None:
        """Return a whole number above 0, or None where the field is absent or null."""
        present = any(self.values.get(n) is not None for n in name.split("|"))
        return self.count(name) if present else None

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false; `default` where the field is absent.

        Raises:
            InputError: The field has another kind of value.
        """
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, value, "true or false")
        return value

    def numbers(self, name: str) -> list[int] | None:
        """Return a list of whole numbers from 0; None where the field is absent.

        Raises:
            InputError: The field has another kind of value.
        """
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise self.wrong(name, value, "a list of whole numbers")
        return [self._whole(name, number, 0) for number in value]

    def one_for_all(self, name: str) -> None:
        """Replace a list with one entry per layer by the value that all layers share.

        Raises:
            InputError: The layers differ.
        """
        value = self.values.get(name)
        if not isinstance(value, list):
            return
        if not value or any(entry != value[0] for entry in value):
            raise self.wrong(name, value, "the same number for all layers")
        self.values[name] = value[0]

    def layers(self, name: str = "num_hidden_layers") -> int:
        """Return the number of layers.

        Raises:
            InputError: The field is absent, or is more than `MAX_LAYERS`.
        """
        found = self.count(name)
        if found > MAX_LAYERS:
            raise self.wrong(name.split("|")[0], found, f"at most {MAX_LAYERS:,}")
        return found

    def layer_types(
        self,
        default: Sequence[str],
        known: Sequence[str] = ("full_attention", "sliding_attention", "chunked_attention"),
        name: str = "layer_types",
        layers: int | None = None,
    ) -> tuple[str, ...]:
        """Return each layer's kind; the family's own pattern where the field is absent.

        Args:
            default: The family's own pattern.
            known: Kinds that the family has. Older configurations use the names in `OLD_KINDS`.
            name: The field; alternative names are divided by ``|``.
            layers: Number of layers; None takes `num_hidden_layers`.

        Raises:
            InputError: A kind is unknown, or there is not one for each layer.
        """
        there = [n for n in name.split("|") if self.values.get(n) is not None]
        if not there:
            return tuple(default)
        found = self.values[there[0]]
        if not isinstance(found, Sequence) or isinstance(found, str):
            raise self.wrong(there[0], found, "a list with one kind a layer")
        kinds = [OLD_KINDS.get(k, k) if isinstance(k, str) else k for k in found]
        for kind in kinds:
            if kind not in known:
                raise self.wrong(there[0], kind, f"one of {', '.join(known)}")
        count = self.layers() if layers is None else layers
        self.require_length(there[0], len(kinds), "num_hidden_layers", count)
        return tuple(kinds)

    def divides(self, small: str, parts: int, large: str, whole: int) -> int:
        """Return whole / parts.

        Raises:
            InputError: The division leaves a remainder, so the two fields contradict each other.
        """
        if whole % parts:
            raise InputError(
                f"{self.where}: {large} is {whole:,} and {small} {parts:,}",
                f"a {large} that {small} divides",
                "correct one of them",
            )
        return whole // parts

    def at_most(self, small: str, few: int, large: str, many: int) -> None:
        """Check that one field does not exceed another.

        Raises:
            InputError: It exceeds the other field.
        """
        if few > many:
            raise InputError(
                f"{self.where}: {small} is {few:,} and {large} {many:,}",
                f"at most {many:,} {small}",
                "correct one of them",
            )

    def require_length(self, name: str, length: int, other: str, count: int) -> None:
        """Check that a list has as many entries as another field says.

        Raises:
            InputError: The list has another number of entries.
        """
        if length != count:
            raise InputError(
                f"{self.where}: {name} has {length:,} entries and {other} is {count:,}",
                "as many entries",
                "correct one of them",
            )

    def require_default(self, name: str, value: Any, why: str) -> None:
        """Check that a field that would change the structure is absent, null or as expected.

        Raises:
            InputError: The field has another value.
        """
        if self.values.get(name) not in (None, value):
            raise self.wrong(name, self.values[name], f"{value!r}, {why}")

    def nested(self, name: str) -> "Fields":
        """Return the fields of a configuration inside this one.

        Raises:
            InputError: The field is missing, or holds no configuration.
        """
        self.require(name)
        value = self.values[name]
        if not isinstance(value, Mapping):
            raise self.wrong(name, value, "an object with a configuration's fields")
        return Fields(value, f"{self.where}, {name}")

    def wrong(self, name: str, value: object, expected: str) -> InputError:
        """Return an error about one field's value."""
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return InputError(f"{self.where}: {name} is {shown}", expected, "correct the configuration")

    def _whole(self, name: str, value: Any, low: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self.wrong(name, value, f"a whole number {'above' if low else 'from'} 0")
        if value > MAX_WIDTH:
            raise self.wrong(name, value, f"at most {MAX_WIDTH:,}")
        return value
