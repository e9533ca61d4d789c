"""A causal language model as the engine sees it: tokens in, hidden states out, logits on demand."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from weighbridge.errors import InputError
from weighbridge.models.engine.attention import IMPLEMENTATION, UnsupportedAttention
from weighbridge.models.engine.check import (
    WRITTEN,
    FirstLayers,
    Text,
    Texts,
    differs,
    narrowed,
    texts_for,
)
from weighbridge.models.engine.frozen import GatedBlock, freeze_linears, thaw_linears
from weighbridge.models.engine.head import OwnHead, find_head
from weighbridge.models.engine.layout import KeyValue, Layout, layout_of, packed
from weighbridge.models.engine.rotary import forget_length, length_limit
from weighbridge.models.engine.slots import Slots, decoding
from weighbridge.models.engine.tree import TokenIds, build_tree, cut_into_packs
from weighbridge.models.engine.unbatched import generate_unbatched, logits_unbatched, own_inputs
from weighbridge.models.key_values import key_value_heads
from weighbridge.process_memory import release_freed


class Network:
    """Wraps a transformers causal LM, with or without a peft adapter.

    Attributes:
        module: The model, in evaluation mode.
        packs: Whether packed trees work on this architecture.
        why_not: The reason why packed trees don't work; "" where they do.
        length_limit: Longest text, in tokens, that may share a pass with others; None for no limit.
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
        self._may_freeze = True
        self._head: OwnHead | None = None
        self._last_block: GatedBlock | None = None
        self.weight_bytes = sum(p.numel() * p.element_size() for p in module.parameters())
        self.length_limit = length_limit(self.causal)
        self.packs = bool(getattr(self.causal, "_supports_attention_backend", False))
        if self.packs:
            self._attend(IMPLEMENTATION)
        else:
            self.why_not = f"{type(self.causal).__name__} has no pluggable attention"

    def stop_packing(self, reason: str) -> None:
        """Fall back to the architecture's own attention from now on."""
        self.packs, self.why_not = False, reason
        self._attend(self._plain)

    def shares(self, tokens: int) -> bool:
        """Whether a text of so many tokens may share a pass with others."""
        return self.packs and (self.length_limit is None or tokens <= self.length_limit)

    def check(self) -> None:
        """Compare the engine with the model's own forward pass, once; see `check.py`.

        Raises:
            InputError: The model can't read a plain text, gives logits that are not finite, or lets
                tokens see later ones, so that it has no log-likelihoods.
        """
        if self._checked:
            return
        self._checked = True
        layers = FirstLayers(self.causal)
        try:
            try:
                self._compare(layers)
            except (IndexError, KeyError):  # the model's code needs all of its layers
                if not layers.fewer:
                    raise
                layers.fewer = False
                self._compare(layers)
        except InputError:
            self._checked = False  # the next call raises the same error
            raise

    def _compare(self, layers: FirstLayers) -> None:
        texts = texts_for(self.causal)
        self._attend(self._plain)
        with torch.inference_mode(), narrowed(self.causal), layers.alone():
            head, _, logits = self._read_first(texts.long)
            self._head, short = head, None
            if head is None:
                _, _, short = self._read(texts.short)
            else:
                out = head.decoder(**own_inputs(self.causal, self._tensor(texts.short.tokens)))
                short = out.last_hidden_state[0, texts.short.rows.to(self.device)]
        self._freeze(True)
        with torch.inference_mode(), narrowed(self.causal), layers.alone():
            if head is not None and self.packs:
                reason = self._why_not_packed(head, texts, logits, short)
            else:
                short = short if head is None else head(short)
                self._require_causal(logits, short)
                reason = self.why_not or (
                    f"{type(self.causal).__name__}'s logits depend on more than its last hidden "
                    "states"
                )
            if reason:
                self.stop_packing(reason)
                again = self._read(texts.long)[2]
                self._may_freeze = not differs(again, logits)
        if not self._may_freeze:
            self._freeze(False)

    def _read(self, text: Text) -> tuple[OwnHead | None, Tensor | None, Tensor]:
        return find_head(self.causal, self._tensor(text.tokens), text.rows.to(self.device))

    def _read_first(self, text: Text) -> tuple[OwnHead | None, Tensor | None, Tensor]:
        try:
            return self._read(text)
        except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"{type(self.causal).__name__} can't read a plain text ({said})",
                "a model that gives logits for token ids alone",
                "use another model",
            ) from error

    def _require_causal(self, long: Tensor, short: Tensor) -> None:
        if long[:1].isnan().any() or short[:1].isnan().any():
            raise InputError(
                f"{type(self.causal).__name__} gives logits that are not finite for plain text",
                "finite ones",
                "its weights or settings are broken (a rotary base of 0, an epsilon that is "
                "not a number): fetch the model again",
            )
        if differs(long[:1], short[:1]):
            raise InputError(
                f"{type(self.causal).__name__} lets a token see the tokens after it",
                "a causal language model",
                "set is_decoder in its config.json if it was trained as one, or use another model",
            )

    def _why_not_packed(self, head: OwnHead, texts: Texts, logits: Tensor, short: Tensor) -> str:
        """Return why packed trees don't give the model's own logits; "" if they do.

        Args:
            head: The model's head.
            texts: The texts that are read.
            logits: Logits of the long text, by the model's own forward pass.
            short: Hidden states of the short text, likewise.
        """
        name = type(self.causal).__name__
        try:
            together, written = self._pack(texts)
        except (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            self._require_causal(logits, head(short))
            return f"{name} can't attend to a packed tree ({type(error).__name__})"
        except UnsupportedAttention as reason:
            self._require_causal(logits, head(short))
            return str(reason)
        # One call reads the head's weights once; in small models they are most of all weights.
        sizes = [len(short), len(together), len(written)]
        read = head(torch.cat([short, together, written]))
        own_short, packed_both, last = torch.split(read, sizes)
        self._require_causal(logits, own_short)
        if differs(packed_both, torch.cat([logits, own_short])):
            return f"{name} mixes tokens elsewhere than in attention"
        if differs(last, logits[-WRITTEN:]):
            return f"{name} keeps more from token to token than keys and values"
        return ""

    def _pack(self, texts: Texts) -> tuple[Tensor, Tensor]:
        """Return hidden states of both texts' rows from one pack, and of last tokens from slots."""
        long, short = texts.long.tokens, texts.short.tokens
        begun = [long[: len(long) - n] for n in range(WRITTEN, 0, -1)]
        tree = build_tree([long, short, *begun])
        store: dict[int, list[KeyValue]] = {}
        (pack,) = cut_into_packs(tree, 1 << 20, keep_all=True)
        with packed(layout_of(pack, store)):
            hidden = self.hidden(pack.tokens[None], pack.positions[None])[0]
        rows = [
            pack.rows_of(segment)[0] + offset
            for index, text in enumerate((texts.long, texts.short))
            for segment, offset in (tree.locate(index, int(row)) for row in text.rows)
        ]
        slots = Slots(WRITTEN)
        for slot, leaf in enumerate(tree.leaf_of[2:]):
            slots.fill(slot, [store[segment] for segment in tree.path(leaf)])
        positions = np.array([[len(text)] for text in begun], dtype=np.int64)
        layout = Layout(torch.from_numpy(positions[:, 0]))
        with packed(layout), decoding(slots, list(range(WRITTEN))):
            written = self.hidden(long[positions], positions)[:, 0]
        return hidden[rows], written

    @contextmanager
    def as_built(self) -> Iterator[Any]:
        """Lend the module as transformers built it, to train or merge: own attention and weights.

        Nothing may be computed with this network meanwhile.
        """
        self._freeze(False)
        release_freed()  # keys, values and ordered weights of what was measured before
        self._attend(self._plain)
        try:
            yield self.module
        finally:
            self.module.eval()
            if self.packs:
                self._attend(IMPLEMENTATION)

    def _attend(self, implementation: str) -> None:
        if self.causal.config._attn_implementation != implementation:
            self.causal.set_attn_implementation(implementation)

    def _freeze(self, frozen: bool) -> None:
        frozen = frozen and self._may_freeze
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
        """Bytes that one position's keys and values take in all layers; 0 where there are none."""
        layers = key_value_heads(self.causal.config.get_text_config())
        item = next(self.module.parameters()).element_size()
        return int(item * sum(layer.numbers for layer in layers))

    @torch.inference_mode()
    def hidden(
        self, tokens: TokenIds, positions: TokenIds, needed: Sequence[int] | None = None
    ) -> Tensor:
        """Return last hidden states (rows, T, width) of packed tokens (rows, T).

        Args:
            tokens: Token ids.
            positions: Position of each token in its sequence. (rows, T)
            needed: Columns of a single row that will be read; the others may be wrong, because the
                last layer's feed-forward block skips them. None computes all.
        """
        self.check()
        assert self._head is not None
        self._prepare(IMPLEMENTATION)
        if self._last_block is not None and needed is not None:
            self._last_block.needed = torch.tensor(needed, dtype=torch.long)
        try:
            out = self._head.decoder(
                input_ids=self._tensor(tokens),
                position_ids=self._tensor(positions),
                use_cache=False,
            )
        finally:
            if self._last_block is not None:
                self._last_block.needed = None
        hidden: Tensor = out.last_hidden_state
        return hidden

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """Project hidden states (rows, width) to float32 logits (rows, vocabulary)."""
        self.check()
        assert self._head is not None
        self._freeze(True)
        return self._head(hidden).float()

    def logits_unbatched(self, tokens: TokenIds, wanted: Sequence[int]) -> Tensor:
        """Return float32 logits (wanted, vocabulary) of a sequence, by the model's own code."""
        self._prepare(self._plain)
        rows = torch.tensor(wanted, dtype=torch.long, device=self.device)
        return logits_unbatched(self.causal, self._tensor(tokens), rows)

    def generate_unbatched(
        self, tokens: TokenIds, max_tokens: int, choose: Callable[[Tensor], tuple[int, bool]]
    ) -> None:
        """Write after a prompt with the model's own code; see `unbatched.generate_unbatched`."""
        self._prepare(self._plain)
        generate_unbatched(self.causal, self._tensor(tokens), max_tokens, choose)

    def _prepare(self, implementation: str) -> None:
        self._freeze(True)
        self._attend(implementation)
        if self.length_limit is not None:
            forget_length(self.causal)

    def _tensor(self, tokens: TokenIds) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(tokens)).to(self.device)
