"""Opening a model from what a person calls it: open weights, or an endpoint."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weighbridge.errors import InputError, MissingPiece, boundary
from weighbridge.models.endpoint import EndpointAddress, is_endpoint
from weighbridge.models.protocol import Model
from weighbridge.opening.endpoints import Endpoints, UnopenedEndpoint, address_of
from weighbridge.records import ModelRef, canonical_digest
from weighbridge.revocation.checking import watch
from weighbridge.sources.artefacts import artefact_files
from weighbridge.sources.digests import file_digest
from weighbridge.sources.weights import WeightsLocation, find_weights

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.models.template_checks import UnloadedModel

    Unloaded = UnloadedModel | UnopenedEndpoint


@contextmanager
def open_model(
    spec: str | WeightsLocation,
    cache: Path,
    device: str,
    threads: int,
    offline: bool,
    memory_bytes: int | None = None,
    four_bits: bool = False,
) -> "Iterator[OpenWeights]":
    """Load open weights and let go of them afterwards.

    With `four_bits`, linear layers are held in NF4 from the beginning, to tune an adapter on them.
    Where a revocation feed is trusted (see `weighbridge.revocation`), it is asked first.

    Raises:
        RevokedWeights: The feed revokes them.
    """
    if isinstance(spec, str):
        if is_endpoint(spec):
            raise InputError(f"{spec} is an endpoint", "open weights, which this command needs")
        spec = find_weights(spec, offline=offline)
    feed = watch(cache)
    if feed is not None:  # before minutes of reading
        feed.refuse(spec.name, digests_of_files(spec))
    _need_torch()
    from weighbridge.models.open_weights import load

    with boundary(f"loading {spec.name}"):
        model = load(
            spec, cache=cache, device=device, threads=threads, memory_bytes=memory_bytes,
            four_bits=four_bits,
        )  # fmt: skip
    try:
        if feed is not None:
            feed.refuse(model.ref.name, digests_of_model(model.ref))
            model.add_notes(feed.notes)
        yield model
    finally:
        model.close()


def digests_of_files(where: WeightsLocation) -> set[str]:
    """Return every digest by which a model's files may be named: each file's, and their folder's.

    Raises:
        InputError: A file can't be read.
    """
    found: set[str] = set()
    for part in (where.path, where.adapter):
        if part is None:
            continue
        files = artefact_files(part) if part.is_dir() else {part.name: file_digest(part)}
        found |= {*files.values(), canonical_digest(files)}
    return found


def digests_of_model(ref: ModelRef) -> tuple[str | None, ...]:
    """Return the digests by which a model that was read may be named."""
    return ref.weights_digest, ref.adapter_digest, ref.revision


@contextmanager
def open_any(
    spec: str | WeightsLocation | EndpointAddress,
    endpoints: Endpoints,
    cache: Path,
    device: str,
    threads: int,
    memory_bytes: int | None = None,
    by: Literal["model", "judge"] = "model",
) -> Iterator[Model]:
    """Open a model that is weights or an endpoint, as it is named."""
    if isinstance(spec, str):
        spec = address_of(spec) or spec
    if isinstance(spec, EndpointAddress):
        endpoint = endpoints.open(spec, by)
        try:
            yield endpoint
        finally:
            endpoint.close()
        return
    with open_model(spec, cache, device, threads, endpoints.offline, memory_bytes) as model:
        yield model


def _need_torch() -> None:
    import importlib.util

    missing = [n for n in ("torch", "transformers", "peft") if importlib.util.find_spec(n) is None]
    if missing:
        raise MissingPiece(
            f"{', '.join(missing)} not installed",
            "the extra [torch], to run open weights here",
            "pip install 'weighbridge[torch]'",
        )


def without_weights(spec: str | WeightsLocation | EndpointAddress, offline: bool) -> "Unloaded":
    """Open what is needed to check a model's prompts: its tokenizer; for an endpoint nothing.

    Raises:
        MissingPiece: It, or what reads it, is not here.
    """
    if isinstance(spec, EndpointAddress) or (isinstance(spec, str) and is_endpoint(spec)):
        return UnopenedEndpoint()
    location = find_weights(spec, offline=offline) if isinstance(spec, str) else spec
    _need_torch()
    from weighbridge.models.prompts import PromptWriter
    from weighbridge.models.reading import read_tokenizer, with_own_tokens
    from weighbridge.models.template_checks import UnloadedModel

    path = location.path
    is_file = location.kind == "gguf"
    with boundary(f"reading the tokenizer of {location.name}"):
        tokenizer = read_tokenizer(path.parent, path.name) if is_file else read_tokenizer(path)
        if location.adapter is not None:
            tokenizer = with_own_tokens(tokenizer, location.adapter)
    return UnloadedModel(PromptWriter(tokenizer, location.name))
