"""Tiny models exported as GGUF without a command line."""

from contextlib import contextmanager

from tiny import build_tiny_model
from weighbridge.models.open_weights import load
from weighbridge.sources.weights import find_weights
from weighbridge.tuning.gguf_export.exporting import GgufRequest, export_gguf
from weighbridge.tuning.gguf_export.storing import find_file_type
from weighbridge.tuning.held_out import held_out_text


def soft_model(folder):
    """A tiny Llama whose logits are as moderate as those of a trained model."""
    return build_tiny_model(folder, initializer_range=0.1)


def export(folder, path, kind="f16", *, overwrite=False, steps=()):
    @contextmanager
    def opened():
        model = load(find_weights(str(folder)), cache=path.parent / "cache", device="cpu")
        yield model
        model.close()

    request = GgufRequest(
        path, find_file_type(kind), "tiny", "sha256:0", steps,
        lambda one: held_out_text(one.tokenizer, (), len(one.tokenizer), 512),
        path.parent / "cache", 1, overwrite, lambda line: None,
    )  # fmt: skip
    return export_gguf(opened(), request)
