"""A causal language model as the engine sees it: tokens in, hidden states out, logits on demand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weighbridge.models.engine.attention import IMPLEMENTATION, UnsupportedAttention
from weighbridge.models.engine.frozen import GatedBlock, freeze_linears, thaw_linears
from weighbridge.models.engine.layout import layout_of, packed
from weighbridge.models.engine.tree import TokenIds, build_tree, cut_into_packs

_SAME = {torch.float32: 1e-3}  # of the largest value; other types round more coarsely


class Network:
    """Wraps a transformers causal LM, with or without a peft adapter.

    Attributes:
        module: The model, in evaluation mode.
        packs: Whether packed trees work on this architecture.
        why_not: Why they don't, where they don't.
        weight_bytes: Bytes of all weights.
    """

    def __init__(self, module: Any) -> None:
        self.module: Any = module.eval()
        # A peft wrapper adds nothing to the forward pass: its layers live inside the model.
        self.causal: Any = self.module
        if hasattr(self.module, "peft_config"):
            self.causal = self.module.get_base_model()
        self.device: torch.device = next(module.parameters()).device
        self._plain = str(self.causal.config._attn_implementation)
        self.why_not = ""
        self._frozen = self._checked = False
        self._last_block: GatedBlock | None = None
        self.weight_bytes = sum(p.numel() * p.element_size() for p in module.parameters())
        self.packs = bool(getattr(self.causal, "_supports_attention_backend", False))
        if self.packs:
            self.causal.set_attn_implementation(IMPLEMENTATION)
        else:
            self.why_not = f"{type(self.causal).__name__} has no pluggable attention"

    def stop_packing(self, reason: str) -> None:
        """Fall back to the architecture's own attention from now on."""
        self.packs, self.why_not = False, reason
        self.causal.set_attn_implementation(self._plain)

    def check(self) -> None:
        """Compare a small tree with separate sequences, once; stop packing where they differ.

        What an architecture asks of attention does not depend on the tokens, so what is refused is
        refused here. Some mix tokens elsewhere (convolutions, recurrences), and nothing in their
        configuration says so in one agreed way.
        """
        if not self.packs or self._checked:
            return
        self._checked = True
        vocabulary = self.causal.get_input_embeddings().num_embeddings
        tokens = np.arange(1, 1 + 9, dtype=np.int64) * (vocabulary // 10)
        sequences = [tokens[:7], np.concatenate([tokens[:4], tokens[7:]])]
        tree = build_tree(sequences)
        (pack,) = cut_into_packs(tree, 1 << 20)
        ends = [pack.rows_of(leaf)[1] - 1 for leaf in tree.leaf_of]
        try:
            with packed(layout_of(pack, {})):
                together = self.hidden(pack.tokens[None], pack.positions[None], ends)[0]
        except UnsupportedAttention as reason:
            self.stop_packing(str(reason))
            return
        self.causal.set_attn_implementation(self._plain)
        alone = [self.hidden(s[None], np.arange(len(s))[None])[0, -1] for s in sequences]
        self.causal.set_attn_implementation(IMPLEMENTATION)
        gap = (together[ends] - torch.stack(alone)).abs().max() / torch.stack(alone).abs().max()
        if not gap < _SAME.get(together.dtype, 0.1):
            self.stop_packing(
                f"{type(self.causal).__name__} mixes tokens elsewhere than in attention"
            )

    @contextmanager
    def as_built(self) -> Iterator[Any]:
        """Lend the module as transformers built it, to train or merge: own attention and weights.

        Nothing may be computed with this network meanwhile.
        """
        self._freeze(False)
        if self.packs:
            self.causal.set_attn_implementation(self._plain)
        try:
            yield self.module
        finally:
            self.module.eval()
            if self.packs:
                self.causal.set_attn_implementation(IMPLEMENTATION)

    def _freeze(self, frozen: bool) -> None:
        if frozen != self._frozen:
            (freeze_linears if frozen else thaw_linears)(self.module)
            self._frozen = frozen
            self._last_block = self._find_last_block()

    def _find_last_block(self) -> GatedBlock | None:
        layers = getattr(self.causal.base_model, "layers", None)
        block = getattr(layers[-1], "mlp", None) if layers else None
        found = vars(block).get("forward") if block is not None else None
        return found if isinstance(found, GatedBlock) else None

    @property
    def key_value_bytes(self) -> int:
        """Bytes that one position's keys and values take in all layers."""
        config = self.causal.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        if (nope := getattr(config, "qk_nope_head_dim", None)) is not None:  # DeepSeek's MLA
            widths = nope + config.qk_rope_head_dim + config.v_head_dim
        else:
            width = getattr(config, "head_dim", None)
            widths = 2 * (width or config.hidden_size // config.num_attention_heads)
        item = next(self.module.parameters()).element_size()
        return int(config.num_hidden_layers * heads * widths * item)

    @torch.inference_mode()
    def hidden(
        self, tokens: TokenIds, positions: TokenIds, needed: Sequence[int] | None = None
    ) -> Tensor:
        """Last hidden states (rows, T, width) of tokens (rows, T) at given positions (rows, T).

        Args:
            tokens: Token ids.
            positions: Where they stand in their sequences.
            needed: Columns that will be read, of a single row; the others may be wrong. The last
                layer's feed-forward block, whose keys and values nobody reads, skips them.
        """
        self._freeze(True)
        if self._last_block is not None:
            rows = None if needed is None else torch.tensor(needed, dtype=torch.long)
            self._last_block.needed = rows
        out = self.causal.base_model(
            input_ids=torch.from_numpy(np.ascontiguousarray(tokens)).to(self.device),
            position_ids=torch.from_numpy(np.ascontiguousarray(positions)).to(self.device),
            use_cache=False,
        )
        hidden: Tensor = out.last_hidden_state
        return hidden

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """Project hidden states (rows, width) to float32 logits (rows, vocabulary)."""
        self._freeze(True)
        logits: Tensor = self.causal.get_output_embeddings()(hidden).float()
        config = self.causal.config
        if getattr(config, "logit_scale", None) is not None:  # Cohere
            logits = logits * config.logit_scale
        if getattr(config, "logits_scaling", None):  # Granite
            logits = logits / config.logits_scaling
        cap = getattr(config, "final_logit_softcapping", None)  # Gemma 2
        return torch.tanh(logits / cap) * cap if cap else logits
