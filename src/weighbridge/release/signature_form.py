"""The form of a signature, as the OpenSSF model-signing specification v1.0 has it.

A signature is a Sigstore bundle around a signed in-toto statement, and the statement names every
file by its digest. Here its form is checked, and nothing is believed: who signed is another matter
(`weighbridge.release.signing`). Form: github.com/ossf/model-signing-spec, schemas/v1.0.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from weighbridge.errors import EvidenceError, InputError
from weighbridge.evidence.plain_json import strict_json
from weighbridge.sources.regular_files import SETTINGS_BYTES, read_regular

Method = Literal["key", "certificate", "sigstore"]
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
_METHODS: dict[str, Method] = {
    "publicKey": "key", "x509CertificateChain": "certificate", "certificate": "sigstore",
}  # fmt: skip


@dataclass(frozen=True)
class SignedFiles:
    """What a signature says that it covers.

    Attributes:
        method: How it was signed.
        files: SHA-256 of each file, as hexadecimal digits, by its path.
    """

    method: Method
    files: Mapping[str, str]


def read_signature(path: Path) -> SignedFiles:
    """Read a signature's form.

    Raises:
        EvidenceError: It is none.
    """
    try:
        data = read_regular(path, SETTINGS_BYTES, "a signature")
    except (OSError, InputError) as error:
        raise EvidenceError(f"{path.name} can't be read ({error})", "a signature") from error
    return signed_files(data)


def signed_files(data: bytes) -> SignedFiles:
    """Return what the bytes of a signature say that they cover.

    Raises:
        EvidenceError: They are no signature of the specification.
    """
    try:
        bundle = _object(strict_json(data), "the signature")
        media = bundle["mediaType"]
        if not isinstance(media, str) or not media.startswith(_BUNDLE):
            raise ValueError(f"its type is {media!r:.60}")
        method = _method(_object(bundle["verificationMaterial"], "verificationMaterial"))
        return SignedFiles(method, _files(_object(bundle["dsseEnvelope"], "dsseEnvelope")))
    except KeyError as error:
        raise _no_signature(f"{error.args[0]} is missing") from error
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise _no_signature(str(error)) from error


def _no_signature(why: str) -> EvidenceError:
    expected = "one of the OpenSSF model-signing specification v1.0"
    return EvidenceError(f"no signature: {why}", expected)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object")
    return value


def _method(material: dict[str, Any]) -> Method:
    found = [method for key, method in _METHODS.items() if material.get(key)]
    if len(found) != 1:
        raise ValueError("it names no key and no certificate, or several")
    if found[0] == "sigstore" and not material.get("tlogEntries"):
        raise ValueError("it has no entry of a transparency log")
    return found[0]


def _files(envelope: dict[str, Any]) -> dict[str, str]:
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or not signatures:
        raise ValueError("it holds no signature")
    if envelope["payloadType"] != _PAYLOAD:
        raise ValueError(f"its payload is of the type {envelope['payloadType']!r:.60}")
    payload = base64.b64decode(envelope["payload"], validate=True)
    statement = _object(strict_json(payload), "its statement")
    for key, expected in (("_type", _STATEMENT), ("predicateType", _PREDICATE)):
        if statement[key] != expected:
            raise ValueError(f"its {key} is {statement[key]!r:.60}")
    (subject,) = statement["subject"]
    predicate = _object(statement["predicate"], "its predicate")
    if _object(predicate["serialization"], "its serialization")["method"] != "files":
        raise ValueError("it is not over whole files")
    found: dict[str, str] = {}
    whole = hashlib.sha256()
    for one in predicate["resources"]:
        if one["algorithm"] != "sha256" or one["name"] in found:
            raise ValueError(f"{one['name']!r:.60} is there twice, or not by SHA-256")
        found[one["name"]] = one["digest"]
        whole.update(bytes.fromhex(one["digest"]))
    if subject["digest"]["sha256"] != whole.hexdigest():
        raise ValueError("its root is not the digest of its files")
    return found
