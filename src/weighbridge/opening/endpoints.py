"""Opening endpoints: keys, the cap on spending, where answers are kept."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weighbridge.models.endpoint import (
    Endpoint,
    EndpointAddress,
    Patience,
    SpendingBudget,
    is_endpoint,
    open_endpoint,
    read_address,
)
from weighbridge.models.protocol import Capability, Prompt, PromptFinding, Shape

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Endpoints:
    """Settings for opening endpoints, whatever their addresses.

    Attributes:
        answers: Folder in which answers are kept.
        key: Looks up an environment variable.
        budget: What may be spent, over all endpoints.
        patience: How long to wait.
        most_at_a_time: Highest number of simultaneous requests.
        offline: Whether only servers on this machine may be reached.
    """

    answers: Path
    key: Callable[[str], str | None]
    budget: SpendingBudget = field(default_factory=SpendingBudget)
    patience: Patience = field(default_factory=Patience)
    most_at_a_time: int = 64
    offline: bool = False

    def open(self, address: EndpointAddress, by: Literal["model", "judge"] = "model") -> Endpoint:
        """Open an endpoint; nothing is sent yet. Raises as `open_endpoint` does."""
        return open_endpoint(
            address, key=self.key, answers=self.answers, budget=self.budget, by=by,
            patience=self.patience, most_at_a_time=self.most_at_a_time, offline=self.offline,
        )  # fmt: skip


class UnopenedEndpoint:
    """Stands for an endpoint in dry runs; its prompts can't be seen: the server renders them."""

    capabilities = frozenset({Capability.ONLY_CHAT})

    def check_prompts(self, shapes: Collection[Shape]) -> tuple[PromptFinding, ...]:
        """Return no findings: the server applies its own chat template, which can't be seen."""
        return ()

    def as_read(self, prompt: Prompt) -> str:
        """Return the turns as they are sent."""
        return "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in prompt.messages)


def address_of(spec: str) -> EndpointAddress | None:
    """Return a model's address, if it is an endpoint's name."""
    return read_address(spec) if is_endpoint(spec) else None
