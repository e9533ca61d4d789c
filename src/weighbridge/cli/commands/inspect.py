"""Take a model apart: parameters, FLOPs, key-value cache, LoRA, from its configuration alone.

MODEL is a catalog name, a config.json, a folder, a .gguf file or a Hub id. No weights are read.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge.cli import options
from weighbridge.cli.output import as_plain, emit
from weighbridge.errors import InputError
from weighbridge.records import Anatomy, Json

PICTURES = (".svg", ".png")


def command(
    model: Annotated[str, typer.Argument(help="What to take apart.", metavar="MODEL_OR_CONFIG")],
    context: Annotated[
        int, typer.Option(help="Tokens that compute and cache are given at.", min=1, max=10**9)
    ] = 1024,
    rank: Annotated[int, typer.Option(help="Rank of a LoRA adapter.", min=1, max=10**6)] = 16,
    targets: Annotated[
        str, typer.Option(metavar="NAMES", help="What it adapts: all-linear, or names by commas.")
    ] = "all-linear",
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the picture: FILE.svg or FILE.png.")
    ] = None,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.cli.anatomy_table import anatomy_text
    from weighbridge.planning.anatomy import lora_parameters, read_architecture, summarise
    from weighbridge.sources.configs import find_config

    chosen = _targets(targets)
    _check_picture(image)
    offline = options.stays_offline(offline)
    found = find_config(model, offline=offline)
    architecture = read_architecture(found.config, found.where)
    anatomy = summarise(architecture, found.name, found.source, context, found.tensor_parameters)
    trained = lora_parameters(architecture, rank, chosen)
    lora = {"rank": rank, "targets": chosen, "trainable_parameters": trained}
    document = _document(anatomy) | {"lora": lora}
    text = anatomy_text(anatomy, rank, ", ".join(chosen), trained)
    if image is not None:
        _draw(anatomy, image)
        document["image"] = str(image)
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
        raise InputError(f"--image {image}: no folder {image.parent}", "a folder that is there")


def _document(anatomy: Anatomy) -> dict[str, Any]:
    by_part = {part.role: part.parameters for part in anatomy.parts}
    experts = by_part.pop("experts", 0)
    embedding, norm = by_part.pop("embedding", 0), by_part.pop("norm", 0)
    split: Json = {
        "embedding": embedding,
        "linear": sum(by_part.values()),
        "norm": norm,
        "expert": experts,
    }
    return as_plain(anatomy) | {
        "total_parameters": anatomy.parameters + anatomy.vision_parameters,
        "kv_cache_bytes": anatomy.kv_cache_bytes,
        "split": split,
    }


def _draw(anatomy: Anatomy, image: Path) -> None:
    from weighbridge.reports.anatomy import anatomy_picture
    from weighbridge.storage import replace_file

    drawing = anatomy_picture(anatomy)
    replace_file(image, drawing.png() if image.suffix == ".png" else drawing.svg.encode())
