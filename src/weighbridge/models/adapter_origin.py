"""Whether an adapter was trained on the base that it is put on, where its tuning run still says so.

An adapter of another base with layers of the same shape loads without complaint, and gives the
numbers of no model that anybody tuned.
"""

from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.records import canonical_digest
from weighbridge.sources.documents import read_settings

_RECORD = "run.json"
"""What a tuning run writes beside its adapter's folder."""


def base_digest(weights_digest: str, settings_digest: str | None) -> str:
    """Digest a base's weights and the settings under which they are another model."""
    return canonical_digest([weights_digest, settings_digest])


def origin_notes(adapter: Path, digest: str, dtype: str) -> tuple[str, ...]:
    """Return a sentence if an adapter's own run says that it was trained on another base.

    Args:
        adapter: The adapter's folder.
        digest: The `base_digest` of the base that it is put on.
        dtype: The type that the base is read in: weights of another type have another digest.
    """
    path = adapter.resolve().parent / _RECORD
    if not path.is_file():
        return ()
    try:
        run = read_settings(path, "a tuning run's own record", within=path.parent)
    except InputError:
        return ()
    trained_on = run.get("base_digest")
    if run.get("dtype") != dtype or not isinstance(trained_on, str) or trained_on == digest:
        return ()
    return (
        f"the adapter in {adapter} was trained on another base: the run beside it names "
        f"{run.get('base')!r}, of other weights or settings than this one.",
    )
