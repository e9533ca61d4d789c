"""Which model, down to the last weight."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelRef:
    """A model as it was measured: two equal references give the same answers.

    Attributes:
        name: What a person calls it (``smollm2-135m``, a Hub id, a directory's name).
        source: Where it was found (``hub:…``, ``directory:…``, ``gguf:…``, ``endpoint:…``).
        revision: Hub commit, or the digest of a GGUF file or of a merged model's folder, where
            there is one.
        weights_digest: SHA-256 over the tensors sorted by name, each with name, dtype, shape and
            bytes as computed with (see `weighbridge.sources.digests`).
        adapter_digest: The same over the adapter's tensors; None without an adapter.
        tokenizer_digest: SHA-256 of the tokenizer's canonical serialisation.
        chat_template_digest: SHA-256 of the chat template's text, its clock standing still;
            None where there is none.
        settings_digest: SHA-256 of what changes its numbers and stands in no tensor: rotary base,
            heads, windows, end tokens, an adapter's alpha; None in older records and where
            nothing of that is known.
        dtype: The type that it computes in.
        quantization: The form the weights were stored in, where that lost bits (``Q4_1``).
    """

    name: str
    source: str
    weights_digest: str
    revision: str | None = None
    adapter_digest: str | None = None
    tokenizer_digest: str | None = None
    chat_template_digest: str | None = None
    settings_digest: str | None = None
    dtype: str = "float32"
    quantization: str | None = None

    @property
    def identity(self) -> dict[str, str | None]:
        """What makes two models the same one, wherever found and however called."""
        settings = {"settings_digest": self.settings_digest} if self.settings_digest else {}
        return settings | {
            "weights_digest": self.weights_digest,
            "adapter_digest": self.adapter_digest,
            "tokenizer_digest": self.tokenizer_digest,
            "chat_template_digest": self.chat_template_digest,
            "dtype": self.dtype,
        }
