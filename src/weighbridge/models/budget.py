"""Divides a memory limit between weights, passes over prompts, and running sequences."""

from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.scoring import ROWS_OF_LOGITS
from weighbridge.sources.safetensors_files import read_header

MOST_PACK_TOKENS = 1024  # larger packs are no faster on a CPU
LEAST_PACK_TOKENS = 64
MOST_KEY_VALUE_BYTES = 1 << 30
PROCESS_BYTES = 450 << 20  # interpreter and libraries, as measured


@dataclass(frozen=True)
class MemoryBudget:
    """What the engine may use beside the weights.

    Attributes:
        pack_tokens: Tokens of one pass over prompts.
        key_value_bytes: Keys and values of sequences that are being written.
    """

    pack_tokens: int = MOST_PACK_TOKENS
    key_value_bytes: int = MOST_KEY_VALUE_BYTES


def share_out(network: Network, memory_bytes: int | None) -> MemoryBudget:
    """Divide what a limit leaves beside the weights; None is no limit.

    Raises:
        InputError: Too little is left to compute with.
    """
    if memory_bytes is None:
        return MemoryBudget()
    config = network.causal.config.get_text_config()
    item = next(network.module.parameters()).element_size()
    middle = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    a_token = item * (12 * config.hidden_size + 3 * middle)  # live tensors of one layer
    logits = 2 * ROWS_OF_LOGITS * config.vocab_size * 4
    shared = config.vocab_size * config.hidden_size * item  # a head that is the embedding, too
    weights = network.weight_bytes + shared * bool(config.tie_word_embeddings)
    left = memory_bytes - PROCESS_BYTES - weights - logits
    least = LEAST_PACK_TOKENS * (a_token + network.key_value_bytes)
    if left < least:
        needed = PROCESS_BYTES + weights + logits + least
        raise InputError(
            f"--memory {memory_bytes / 1e9:.2f} GB",
            f"at least {needed / 1e9:.2f} GB for this model",
            "raise it, or use a smaller model",
        )
    fit = left // 2 // (a_token + network.key_value_bytes)
    return MemoryBudget(
        pack_tokens=max(LEAST_PACK_TOKENS, min(MOST_PACK_TOKENS, fit)),
        key_value_bytes=min(MOST_KEY_VALUE_BYTES, left // 2),
    )


def require_room(folder: Path, element_bytes: int, memory_bytes: int | None) -> None:
    """Refuse weights that don't fit a limit before they are loaded.

    Args:
        folder: Holds `*.safetensors`.
        element_bytes: Bytes of a weight once it is loaded.
        memory_bytes: The limit; None for no limit.

    Raises:
        InputError: They don't fit, or a file is damaged.
    """
    if memory_bytes is None:
        return
    weights = element_bytes * sum(_parameters(path) for path in folder.glob("*.safetensors"))
    if weights + PROCESS_BYTES > memory_bytes:
        raise InputError(
            f"loading the weights takes {(weights + PROCESS_BYTES) / 1e9:.2f} GB and --memory is "
            f"{memory_bytes / 1e9:.2f} GB",
            "a model that fits",
            "raise --memory, or use a smaller model",
        )


def _parameters(path: Path) -> int:
    """Count the weights of a safetensors file from its header."""
    return sum(tensor.parameters for tensor in read_header(path).values())
