"""A model that writes what it is told to, through the real engine: weights set by hand.

A GPT-2 whose embeddings of positions are unit vectors and whose other weights are zero: at each
position one token is the likeliest, whatever stands before.
"""

from typing import Any

from tiny import build_tokenizer
from weighbridge.models.open_weights import OpenWeights
from weighbridge.records import ModelRef

POSITIONS = 1024
CHATML = (
    "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def tokenizer_with(special: tuple[str, ...] = (), plain: tuple[str, ...] = (), template=CHATML):
    """A byte-level tokenizer with added tokens, special ones and plain ones."""
    from tokenizers import AddedToken

    tokenizer = build_tokenizer(template)
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in plain])
    return tokenizer


def scripted_module(tokenizer: Any, says: dict[int, str]) -> Any:
    """A module that continues a prompt of so many tokens with a text, and then ends."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.initialization import no_init_weights

    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=POSITIONS, n_embd=POSITIONS, n_layer=1, n_head=4,
        n_inner=8, tie_word_embeddings=False, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    with no_init_weights():  # all of them are set below
        module = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        for norm in (module.transformer.ln_f, *(b.ln_1 for b in module.transformer.h)):
            norm.weight.fill_(1.0)
        module.transformer.wpe.weight.copy_(torch.eye(POSITIONS))
        for length, text in says.items():
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            for place, token in enumerate([*ids, tokenizer.eos_token_id], start=length - 1):
                module.lm_head.weight[token, place] = 10.0
    return module


def scripted_model(tokenizer: Any, says: dict[int, str]) -> OpenWeights:
    """The same behind the protocol."""
    ref = ModelRef(name="scripted", source="test", weights_digest=str(sorted(says.items())))
    return OpenWeights(scripted_module(tokenizer, says), tokenizer, ref)
