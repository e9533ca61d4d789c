"""Signs a bundle, and checks who signed it, with the package `model-signing` of OpenSSF.

Every file of a bundle is named in its signature, so that the package's own command verifies it,
too. The files were hashed already: the package is handed their digests, and reads none again.
"""

from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from sys import stderr
from typing import Any

from weighbridge.errors import EvidenceError, InputError, MissingPiece
from weighbridge.release.bundle import MANIFEST, SIGNATURE, Manifest
from weighbridge.release.one_pass import read_once
from weighbridge.release.signature_form import Method, read_signature

_SERIALIZATION = {
    "method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": [SIGNATURE],
}  # fmt: skip


@dataclass(frozen=True)
class Signer:
    """By what a bundle is signed.

    Attributes:
        key: Private key (PEM, elliptic curve); None signs with Sigstore, over the network.
        certificate: Certificate of the key; None signs with the key alone.
        chain: Certificates between it and the root.
    """

    key: Path | None
    certificate: Path | None = None
    chain: tuple[Path, ...] = ()

    @property
    def method(self) -> Method:
        """How it signs."""
        if self.key is None:
            return "sigstore"
        return "key" if self.certificate is None else "certificate"


@dataclass(frozen=True)
class Trust:
    """By whom a bundle must be signed: one of three.

    Attributes:
        key: Public key.
        roots: Certificates that are trusted.
        identity: Who signed with Sigstore.
        issuer: Who vouches for that identity.
    """

    key: Path | None = None
    roots: tuple[Path, ...] = ()
    identity: str = ""
    issuer: str = ""

    @property
    def method(self) -> Method | None:
        """Which of them it is; None where nobody is trusted."""
        if self.key is not None:
            return "key"
        if self.roots:
            return "certificate"
        return "sigstore" if self.identity and self.issuer else None


class _Known:
    """Hands the package the digests that are known, in place of reading every file again."""

    def __init__(self, name: str, files: Mapping[str, str]) -> None:
        self._name, self._files = name, files

    def add_ignored_paths(self, *, model_path: Any, paths: Iterable[Any]) -> None:
        """Ignore nothing: every file of a bundle but its signature is signed."""

    def hash(self, model_path: Any, *, files_to_hash: Any = None) -> Any:
        """Return the files as the package names them."""
        from model_signing import manifest

        form = manifest.SerializationType.from_args(dict(_SERIALIZATION))
        items = [
            manifest.FileManifestItem(
                path=PurePosixPath(name),
                digest=manifest.hashing.Digest(
                    "sha256", bytes.fromhex(digest.removeprefix("sha256:"))
                ),
            )
            for name, digest in self._files.items()
        ]
        return manifest.Manifest(self._name, items, form)


def covered(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Return the digests of all files that a signature covers: those listed, and the manifest."""
    return {**manifest.files, MANIFEST: read_once(folder / MANIFEST)[0]}


def sign(folder: Path, manifest: Manifest, name: str, by: Signer) -> None:
    """Sign a bundle's folder.

    Args:
        folder: The bundle.
        manifest: Its manifest, whose digests are those of its files.
        name: The release's, which the signature states.
        by: By what.

    Raises:
        InputError: A key or certificate is none, or Sigstore refuses.
        MissingPiece: The package is not here.
    """
    config = _package("signing").Config()
    config.set_hashing_config(_Known(name, covered(folder, manifest)))
    try:
        if by.key is None:
            config.use_sigstore_signer(use_ambient_credentials=True)
        elif by.certificate is None:
            config.use_elliptic_key_signer(private_key=by.key)
        else:
            config.use_certificate_signer(
                private_key=by.key, signing_certificate=by.certificate, certificate_chain=by.chain
            )
        config.sign(folder, folder / SIGNATURE)
    except Exception as error:  # the package raises what its parts raise
        (folder / SIGNATURE).unlink(missing_ok=True)
        raise InputError(
            f"can't sign ({type(error).__name__}: {error})"[:300],
            "a private key of an elliptic curve (PEM), and its certificate if one is given",
        ) from error


def state_of_signature(
    folder: Path, manifest: Manifest | None, trust: Trust, *, offline: bool = False
) -> tuple[str, str]:
    """Say whether a bundle's signature is valid.

    Args:
        folder: The bundle.
        manifest: Its manifest, with digests that were compared with the files; None where it can't
            be read.
        trust: By whom it must be signed.
        offline: Whether the network may not be used, which Sigstore's signatures need.

    Returns:
        "valid", "invalid", "unsigned" or "not checked", and why.

    Raises:
        InputError: A key or certificate to check by is no file.
    """
    for path in (trust.key, *trust.roots):
        if path is not None and not path.is_file():
            raise InputError(f"no file {path}", "a public key, or a certificate (PEM)")
    if not (folder / SIGNATURE).is_file():
        if trust.method is not None:
            return "invalid", "it is not signed"
        return "unsigned", ""
    if trust.method is None:
        return "not checked", ""
    if trust.method == "sigstore" and offline:
        return "not checked", "Sigstore's signatures are checked online alone"
    try:
        why = "" if manifest is None else fault_of_signature(folder, manifest, trust)
    except EvidenceError as error:
        why = error.saw
    if manifest is None:
        why = "there is no manifest that it could cover"
    return ("invalid", f"signature: {why}") if why else ("valid", "")


def fault_of_signature(folder: Path, manifest: Manifest, trust: Trust) -> str:
    """Say why a bundle's signature is not valid; "" for a valid one.

    Raises:
        EvidenceError: It has not the form of a signature.
        InputError: What is trusted is no key or certificate.
        MissingPiece: The package is not here.
    """
    stated = read_signature(folder / SIGNATURE)
    if stated.method != trust.method:
        return f"it is signed with a {stated.method}, and not with a {trust.method}"
    config = _package("verifying").Config()
    config.set_hashing_config(_Known(folder.name, covered(folder, manifest)))
    _trust(config, trust)
    try:
        with redirect_stdout(stderr):  # the package prints warnings there
            config.verify(folder, folder / SIGNATURE)
    except Exception as error:  # the package raises what its parts raise
        return f"{type(error).__name__} {error}".strip()[:200]
    return ""


def model_signature(folder: Path, signature: Path, trust: Trust) -> tuple[str, str]:
    """Say whether a model's folder, such as a base's, is signed by whom one trusts.

    Args:
        folder: The model's.
        signature: Its signature.
        trust: By whom it must be signed.

    Returns:
        "valid", "invalid", "unsigned" or "not checked", and why.

    Raises:
        InputError: There is no such folder, or what is trusted is no key or certificate.
        MissingPiece: The package is not here.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder", "a model's folder")
    if not signature.is_file():
        return "unsigned", f"no file {signature}"
    if trust.method is None:
        return "not checked", "nobody was named whom to trust"
    config = _package("verifying").Config()
    _trust(config, trust)
    try:
        with redirect_stdout(stderr):  # the package prints warnings there
            config.verify(folder, signature)
    except Exception as error:  # the package raises what its parts raise
        return "invalid", f"{type(error).__name__} {error}".strip()[:200]
    return "valid", ""


def _trust(config: Any, trust: Trust) -> None:
    try:
        if trust.key is not None:
            config.use_elliptic_key_verifier(public_key=trust.key)
        elif trust.roots:
            config.use_certificate_verifier(certificate_chain=trust.roots)
        else:
            config.use_sigstore_verifier(identity=trust.identity, oidc_issuer=trust.issuer)
    except Exception as error:  # the package raises what its parts raise
        named = trust.key or ", ".join(map(str, trust.roots)) or "Sigstore"
        raise InputError(
            f"{named} can't be used ({type(error).__name__}: {error})"[:200],
            "a public key of an elliptic curve, or certificates (PEM)",
        ) from error


def _package(part: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"model_signing.{part}")
    except ImportError as error:
        raise MissingPiece(
            "the package model-signing is not installed", "it, to sign or to check a signature",
            "pip install 'weighbridge[release]'",
        ) from error  # fmt: skip
