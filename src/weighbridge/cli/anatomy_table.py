"""A model's anatomy as a table of at most 80 columns."""

import textwrap

from weighbridge.records import (
    PART_NAMES,
    Anatomy,
    AnatomyPart,
    CountedModel,
    StoredWeights,
    quantity,
)
from weighbridge.records.printable import printable_line

_BAR = 15
_WIDE = 80
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def anatomy_text(
    anatomy: Anatomy, rank: int, targets: str, trained: int, stored: StoredWeights
) -> str:
    """Return what is known of a model, part by part and at several contexts.

    Args:
        anatomy: The model.
        rank: Of a LoRA adapter.
        targets: What it adapts, in words.
        trained: How many parameters it trains.
        stored: How the weights lie in their files.
    """
    lines = [*_head(anatomy), *_stored(stored), "", *_table(anatomy), "", *_contexts(anatomy), ""]
    share = trained / anatomy.parameters
    lines.append(f"  LoRA of rank {rank} on {targets}: {trained:,} parameters ({share:.2%})")
    lines += _notes(anatomy.notes)
    return "\n".join(lines)


def counted_text(counted: CountedModel) -> str:
    """Return the counts of a model of unknown structure, as text."""
    total = counted.parameters or 1
    lines = [
        f"{printable_line(counted.name)}  "
        f"({counted.architecture}: counted, its structure is not known)",
        f"  {counted.parameters:,} parameters, {quantity(2 * counted.parameters)}B in bf16",
    ]
    if counted.vision_parameters:
        both = counted.parameters + counted.vision_parameters
        lines.append(f"  {counted.vision_parameters:,} more see or hear: {both:,}")
    lines.append("")
    lines += [
        f"  {PART_NAMES[role]:<15}{_cell(held, total, giga='B')}".rstrip()
        for role, held in counted.parameters_by_part.items()
    ]
    lines.append("")
    lines += _wrapped("  a count can't give: ", ", ".join(counted.missing))
    if counted.relatives:
        lines += _wrapped("  near relatives that are known: ", ", ".join(counted.relatives))
    return "\n".join([*lines, *_notes(counted.notes)])


def _notes(notes: tuple[str, ...]) -> list[str]:
    return [line for note in notes for line in _wrapped("  note: ", note)]


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDE, initial_indent=start, subsequent_indent="    ")


def _stored(stored: StoredWeights) -> list[str]:
    if stored.method is None and stored.known_by != "headers of the files":
        return []
    size = f"{stored.bytes:,} bytes" if stored.bytes is not None else "bytes unknown"
    by = {
        "headers of the files": "by the files' headers",
        "the rule of the configuration": "by that rule",
    }.get(stored.known_by, "")
    return _wrapped("  stored: ", f"{stored.description}; {size} {by}".rstrip())


def _head(anatomy: Anatomy) -> list[str]:
    heads = f"{anatomy.attention_heads} heads"
    heads += f" on {anatomy.key_value_heads}" if anatomy.key_value_heads else " on one latent"
    heads = heads if anatomy.attention_heads else "no attention"
    lines = [
        f"{printable_line(anatomy.name)}  ({anatomy.architecture}: {anatomy.layers} layers of "
        f"{anatomy.hidden_size:,}, {heads})",
        f"  {anatomy.parameters:,} parameters, {quantity(2 * anatomy.parameters)}B in bf16",
    ]
    if anatomy.experts:
        shared = f" and {anatomy.shared_experts} shared" if anatomy.shared_experts else ""
        lines.append(
            f"  {anatomy.active_parameters:,} active for a token, which passes "
            f"{anatomy.experts_per_token} of {anatomy.experts}{shared} experts"
        )
    if anatomy.vision_parameters:
        total = anatomy.parameters + anatomy.vision_parameters
        lines.append(f"  {anatomy.vision_parameters:,} more in its vision tower: {total:,}")
    return lines


def _table(anatomy: Anatomy) -> list[str]:
    at = f"FLOPs a token at {anatomy.context_tokens:,} tokens"
    lines = [f"  {'':<15}{'parameters':<32}{at}"]
    return lines + [_row(part, anatomy) for part in anatomy.parts]


def _row(part: AnatomyPart, anatomy: Anatomy) -> str:
    cells = [
        _cell(part.parameters, anatomy.parameters, giga="B"),
        _cell(part.forward_flops, anatomy.forward_flops_per_token),
    ]
    return f"  {PART_NAMES[part.role]:<15}{cells[0]:<32}{cells[1]}".rstrip()


def _cell(value: int, total: int, giga: str = "G") -> str:
    share = value / total
    return f"{quantity(value, giga):>7} {100 * share:5.1f} % {_bar(share)}"


def _bar(share: float) -> str:
    eighths = round(8 * _BAR * share)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _contexts(anatomy: Anatomy) -> list[str]:
    contexts = list(anatomy.kv_cache_bytes_by_context)[-5:]
    cache = [f"{quantity(anatomy.kv_cache_bytes_by_context[c])}B" for c in contexts]
    everywhere = anatomy.linear_flops_per_token + anatomy.recurrent_flops_per_token
    flops = [quantity(everywhere + anatomy.attention_flops_by_context[c]) for c in contexts]
    rows = (
        ("context, tokens", [f"{c:,}" for c in contexts]),
        ("cache, bf16", cache),
        ("FLOPs a token", flops),
    )
    per_token = anatomy.kv_cache_bytes_per_token
    return [
        f"  key-value cache: {per_token:,} bytes a token ({per_token / 1024:g} KiB) in bf16",
        *_state(anatomy),
        *(f"  {name:<15}" + "".join(f"{cell:>12}" for cell in cells) for name, cells in rows),
    ]


def _state(anatomy: Anatomy) -> list[str]:
    held = anatomy.state_bytes_per_sequence
    if not held:
        return []
    return [f"  recurrent state: {held:,} bytes a sequence, whatever its length"]
