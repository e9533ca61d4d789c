"""LoRA from first principles: what `weighbridge tune` does, in plain torch and transformers.

    python examples/lora_in_150_lines.py MODEL train.jsonl adapter

Read it from top to bottom. With the same model, rows and settings it computes the same losses as
`weighbridge tune`, step by step, which a test checks. It leaves out what makes the real loop long:
checkpoints and exact resume, packing, other formats and methods, and every check.
"""

import json
import math
import random
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer


def masked_rows(path, tokenizer):
    """1. Rows: token ids, and which of them are learnt.

    A model learns to answer: the loss is over the assistant's words and the token that ends them.
    """

    def ids(messages, ask):
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask)
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    rows = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        messages = json.loads(line)["messages"]
        whole, learnt = ids(messages, ask=False), set()
        for turn, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            start = len(ids(messages[:turn], ask=True))
            end = len(ids(messages[: turn + 1], ask=False))
            while whole[end - 1] != tokenizer.eos_token_id:  # a line break after it isn't learnt
                end -= 1
            learnt.update(range(start, end))
        rows.append((whole, learnt))
    return rows


def steps_of(rows, batch_size, epochs, seed):
    """2. Order: shuffle, sort by length in pools of 16 steps to pad little, shuffle the steps."""
    for epoch in range(epochs):
        rng = random.Random(f"weighbridge order {seed} {epoch}")
        order = list(range(len(rows)))
        rng.shuffle(order)
        steps = []
        for start in range(0, len(order), 16 * batch_size):
            pool = order[start : start + 16 * batch_size]
            pool.sort(key=lambda row: len(rows[row][0]))
            steps += [pool[at : at + batch_size] for at in range(0, len(pool), batch_size)]
        rng.shuffle(steps)
        yield from steps


class LoraLinear(nn.Module):
    """3. LoRA (Hu et al. 2021): y = W x + alpha / rank * B (A x); W is frozen, B begins at zero."""

    def __init__(self, base, rank, alpha):
        super().__init__()
        self.base, self.scale = base, alpha / rank
        self.lora_A = nn.Linear(base.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x):  # noqa: D102
        return self.base(x) + self.scale * self.lora_B(self.lora_A(x))


def add_lora(model, rank, alpha):
    """Put an adapter beside every linear layer but the output's; return them by name."""
    model.requires_grad_(False)
    head, found = model.get_output_embeddings(), {}
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and layer is not head:
            parent, _, own = name.rpartition(".")
            found[name] = LoraLinear(layer, rank, alpha)
            setattr(model.get_submodule(parent), own, found[name])
    return found


def summed_loss(model, batch):
    """4. Loss: the cross-entropy of learnt tokens. No token looks at the padding to its right."""
    longest = max(len(ids) for ids, _ in batch)
    inputs = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in batch])
    targets = torch.full_like(inputs, -100)  # what cross_entropy leaves out
    for row, (ids, learnt) in enumerate(batch):
        for at in learnt:
            targets[row, at] = ids[at]
    logits = model(input_ids=inputs).logits[:, :-1]  # position t predicts the token at t + 1
    return functional.cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten(), reduction="sum")


def learning_rate(peak, step, total):
    """5. Learning rate: up in a straight line for 5 % of the steps, then down along a cosine."""
    warmup = max(1, round(0.05 * total))
    left = (total - step + 1) / (total - warmup + 1)
    return peak * (step / warmup if step <= warmup else 0.5 * (1 - math.cos(math.pi * left)))


def train(model, rows, *, rank, alpha, peak, epochs, batch_size, seed, on_step=print):
    """6. The loop: forward, backward, clip, step. A step's loss is per learnt token."""
    torch.manual_seed(seed)
    layers = add_lora(model, rank, alpha)
    parameters = [p for layer in layers.values() for p in layer.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=peak, betas=(0.9, 0.999), weight_decay=0.0)
    steps = list(steps_of(rows, batch_size, epochs, seed))
    for step, chosen in enumerate(steps, start=1):
        batch = [rows[row] for row in chosen]
        loss = summed_loss(model, batch) / sum(len(learnt) for _, learnt in batch)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(peak, step, len(steps))
        optimizer.step()
        optimizer.zero_grad()
        on_step(f"step {step} of {len(steps)}: loss {loss.item():.4f}")
    return layers


def save(layers, base, folder, rank, alpha):
    """7. What comes out: A and B under peft's names, so that peft, and Weighbridge, load them."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"base_model.model.{name}.{part}.weight": getattr(layer, part).weight.detach().contiguous()
        for name, layer in layers.items()
        for part in ("lora_A", "lora_B")
    }
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    targets = sorted({name.rpartition(".")[2] for name in layers})
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base}
    config |= {"r": rank, "lora_alpha": alpha, "target_modules": targets}
    (folder / "adapter_config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    name, rows_file, out = sys.argv[1:]
    base = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    data = masked_rows(rows_file, AutoTokenizer.from_pretrained(name))
    adapter = train(base, data, rank=16, alpha=32, peak=5e-4, epochs=1, batch_size=8, seed=0)
    save(adapter, name, Path(out), 16, 32)
