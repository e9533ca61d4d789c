"""Layouts: how a model is spread over accelerators, and which layouts are possible."""

from collections.abc import Iterator
from dataclasses import dataclass

from weighbridge.errors import InputError
from weighbridge.planning.anatomy import Architecture

PARALLEL_DEGREES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Layout:
    """Replicas of a group of accelerators that serve one copy of a model together.

    Attributes:
        tensor: Number of accelerators that share each matrix.
        stages: Number of pipeline stages, each with some of the layers.
        replicas: Number of copies that serve side by side.
        data_attention: Whether attention is data parallel: each accelerator attends for its own
            sequences, and only experts are spread over the group ("DEP").
    """

    tensor: int = 1
    stages: int = 1
    replicas: int = 1
    data_attention: bool = False

    @property
    def group(self) -> int:
        """Number of accelerators that hold one copy."""
        return self.tensor * self.stages

    @property
    def accelerators(self) -> int:
        """Number of all accelerators."""
        return self.group * self.replicas

    @property
    def title(self) -> str:
        """The layout in the terms of serving engines, such as `2 x TP4`."""
        own = f"DEP{self.tensor}" if self.data_attention else f"TP{self.tensor}"
        own += f" PP{self.stages}" if self.stages > 1 else ""
        return own if self.replicas == 1 else f"{self.replicas} x {own}"


def query_heads(architecture: Architecture) -> int:
    """Return the query heads of the layer that has the fewest; 1 where no layer attends."""
    heads = [one.attention.heads for one in architecture.kinds_of_layers if one.attention.heads]
    return min(heads, default=1)


def check_tensor_parallel(architecture: Architecture, tensor: int, accelerators: int) -> None:
    """Check a tensor-parallel degree.

    Raises:
        InputError: It doesn't divide the model's heads, or the number of accelerators.
    """
    heads = query_heads(architecture)
    possible = [d for d in range(1, accelerators + 1) if _divides(d, heads, accelerators)]
    if tensor in possible:
        return
    listed = ", ".join(map(str, possible))
    why = (
        f"{accelerators} accelerators are no multiple of it"
        if accelerators % tensor
        else f"it does not divide {heads} attention heads"
    )
    raise InputError(f"--tensor-parallel {tensor}: {why}", f"one of {listed}")


def _divides(degree: int, heads: int, accelerators: int) -> bool:
    return heads % degree == 0 and accelerators % degree == 0


def possible_layouts(architecture: Architecture, accelerators: int) -> Iterator[Layout]:
    """Yield the layouts to try: tensor-parallel groups of each possible size, and their copies.

    For mixtures of experts, groups with data-parallel attention are tried, too. Pipelines are not
    tried, because they are slower where there is a fast link.
    """
    heads = query_heads(architecture)
    for degree in range(1, accelerators + 1):
        if not _divides(degree, heads, accelerators):
            continue
        copies = accelerators // degree
        yield Layout(tensor=degree, replicas=copies)
        if architecture.experts and degree > 1:
            yield Layout(tensor=degree, replicas=copies, data_attention=True)
