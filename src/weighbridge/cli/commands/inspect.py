"""Take a model apart: parameters, FLOPs, key-value cache, LoRA, from its configuration alone.

MODEL is a catalog name, a config.json, a folder, a .gguf file or a Hub id. No weights are read.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit
from weighbridge.documents.anatomy import (
    AnatomyDocument,
    CountedDocument,
    LoraCount,
    ParameterSplit,
)
from weighbridge.errors import InputError
from weighbridge.records import Anatomy, PartRole, StoredWeights

if TYPE_CHECKING:
    from weighbridge.planning.anatomy import Architecture
    from weighbridge.sources.configs import FoundConfig

PICTURES = (".svg", ".png")


def command(
    model: Annotated[
        str,
        typer.Argument(
            help="Catalog name, config.json, folder, .gguf or Hub id.", metavar="MODEL_OR_CONFIG"
        ),
    ],
    context: Annotated[
        int, typer.Option(help="Context length for FLOPs and cache.", min=1, max=10**9)
    ] = 1024,
    rank: Annotated[int, typer.Option(help="Rank of a LoRA adapter.", min=1, max=10**6)] = 16,
    targets: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Modules that LoRA adapts: all-linear, or NAME,NAME."),
    ] = "all-linear",
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the picture: FILE.svg or FILE.png.")
    ] = None,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.cli.anatomy_table import anatomy_text
    from weighbridge.planning.anatomy import (
        has_family,
        lora_parameters,
        read_architecture,
        summarise,
    )
    from weighbridge.sources.configs import find_config

    chosen = _targets(targets)
    _check_picture(image)
    found = find_config(model, offline=options.stays_offline(offline))
    if not has_family(found.config):
        _count_only(found, image, json)
        return
    architecture = read_architecture(found.config, found.where)
    anatomy = summarise(
        architecture, found.name, found.source, context, found.tensor_parameters, _copied(found)
    )
    trained = lora_parameters(architecture, rank, chosen)
    stored = _stored(found, architecture)
    document = AnatomyDocument(
        anatomy=anatomy,
        total_parameters=anatomy.parameters + anatomy.vision_parameters,
        kv_cache_bytes=anatomy.kv_cache_bytes,
        split=_split({part.role: part.parameters for part in anatomy.parts}),
        lora=LoraCount(rank=rank, targets=chosen, trainable_parameters=trained),
        stored=stored,
        copied_head_parameters=found.copied_head_parameters,
    )
    text = anatomy_text(anatomy, rank, ", ".join(chosen), trained, stored)
    if image is not None:
        _draw(anatomy, image)
        document = replace(document, image=str(image))
        text += f"\n  picture: {image}"
    emit(document, text, json)


def _targets(targets: str) -> list[str]:
    names = [name.strip() for name in targets.split(",") if name.strip()]
    if not names:
        raise InputError(f"--targets {targets!r}", "all-linear, or names such as q_proj,v_proj")
    return names


def _check_picture(image: Path | None) -> None:
    if image is None:
        return
    if image.suffix not in PICTURES:
        raise InputError(f"--image {image}", f"a file that ends in {' or '.join(PICTURES)}")
    if not image.parent.is_dir():
        raise InputError(f"--image {image}: no folder {image.parent}", "a folder that exists")


def _count_only(found: "FoundConfig", image: Path | None, json: bool) -> None:
    """Print the counts of a model of unknown architecture."""
    from weighbridge.cli.anatomy_table import counted_text
    from weighbridge.opening.unknown_models import count_unknown

    counted = count_unknown(found)
    if image is not None:
        raise InputError(
            f"--image {image}", "a model whose structure is known: this one is only counted"
        )
    document = CountedDocument(
        counted=counted,
        total_parameters=counted.parameters + counted.vision_parameters,
        split=_split(counted.parameters_by_part),
    )
    emit(document, counted_text(counted), json)


def _split(by_role: Mapping[PartRole, int]) -> ParameterSplit:
    parameters = dict(by_role)
    embedding, norm, expert = (parameters.pop(r, 0) for r in ("embedding", "norm", "experts"))
    return ParameterSplit(
        embedding=embedding, linear=sum(parameters.values()), norm=norm, expert=expert
    )


def _copied(found: "FoundConfig") -> tuple[str, ...]:
    if not found.copied_head_parameters or found.tensor_parameters is None:
        return found.notes
    with_copy = found.tensor_parameters + found.copied_head_parameters
    return (
        f"the file stores the embedding a second time as head (output.weight): "
        f"{with_copy:,} numbers with it, {found.tensor_parameters:,} without",
    )


def _stored(found: "FoundConfig", architecture: "Architecture") -> StoredWeights:
    """How the weights are stored: by the files' headers, or by the configuration's rule."""
    from weighbridge.planning.anatomy import element_bytes, read_scheme, stored_bytes

    scheme = read_scheme(found.config)
    size = element_bytes(found.config)
    plain = {2: "16 bits a number", 4: "float32", 8: "float64"}[size]
    method, words = (scheme.method, scheme.title) if scheme else (None, plain)
    if found.stored_bytes is not None:
        words = scheme.title if scheme else "as its files say"
        return StoredWeights(method, words, found.stored_bytes, "headers of the files")
    by_rule = stored_bytes(architecture, scheme, size)
    if by_rule is None:
        return StoredWeights(method, f"{words}: no rule is known here", None, "nothing")
    return StoredWeights(method, words, by_rule, "the rule of the configuration")


def _draw(anatomy: Anatomy, image: Path) -> None:
    from weighbridge.reports.anatomy import anatomy_picture
    from weighbridge.storage import replace_file

    drawing = anatomy_picture(anatomy)
    replace_file(image, drawing.png() if image.suffix == ".png" else drawing.svg.encode())
