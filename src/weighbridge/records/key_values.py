"""The size of a layer's keys and values: what the planner, the engine and tuning all count with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KeyValueHeads:
    """The heads whose keys and values a layer of attention computes for each token.

    Attributes:
        heads: Number of key-value heads; as many as query heads where each has its own.
        key_width: Numbers of one head's key.
        value_width: Numbers of one head's value.
    """

    heads: int
    key_width: int
    value_width: int

    @property
    def numbers(self) -> int:
        """How many numbers the keys and values of one token are.

        >>> KeyValueHeads(heads=8, key_width=128, value_width=128).numbers
        2048
        """
        return self.heads * (self.key_width + self.value_width)
