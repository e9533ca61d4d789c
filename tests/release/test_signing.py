"""Signatures of bundles, and the test vectors of the OpenSSF model-signing specification."""

import base64
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from weighbridge.errors import EvidenceError, InputError, MissingPiece
from weighbridge.release.bundle import SIGNATURE, read_manifest, write_manifest
from weighbridge.release.one_pass import read_once
from weighbridge.release.signature_form import read_signature, signed_files
from weighbridge.release.signing import (
    Signer,
    Trust,
    model_signature,
    sign,
    state_of_signature,
)


@pytest.fixture(scope="module")
def vectors():
    folder = Path(os.environ.get("WEIGHBRIDGE_TEST_DATA", "")) / "model_signing/test-vectors/v1.0"
    if not folder.is_dir():
        pytest.skip("the specification's test vectors are not here")
    return folder


@pytest.mark.parametrize("method", ["key", "certificate", "sigstore"])
def test_valid_vectors_are_read(vectors, method):
    found = read_signature(vectors / "valid" / f"{method}.bundle.json")
    assert found.method == method and set(found.files) == {"signme-1", "signme-2"}


@pytest.mark.parametrize("name", [
    "invalid/empty", "invalid/missing-envelope", "invalid/missing-tlog-entries",
    "invalid/missing-verification-material", "invalid-payload/wrong-predicate",
])  # fmt: skip
def test_invalid_vectors_are_refused(vectors, name):
    with pytest.raises(EvidenceError, match=r"no signature|can't be read"):
        read_signature(vectors / f"{name}.bundle.json")


def test_a_root_that_is_not_the_digest_of_its_files_is_refused(vectors):
    bundle = json.loads((vectors / "valid/key.bundle.json").read_text())
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(b"signme-1", b"signme-0")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    assert signed_files(json.dumps(bundle).encode()).files.keys() == {"signme-0", "signme-2"}
    payload = payload.replace(b"bc9a717d", b"bc9a717e")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(EvidenceError, match="its root"):
        signed_files(json.dumps(bundle).encode())


@pytest.fixture
def keys(tmp_path):
    """A private key and its public one, each in a file."""
    pytest.importorskip("model_signing")
    from cryptography.hazmat.primitives.asymmetric import ec

    return _write_key(ec.generate_private_key(ec.SECP256R1()), tmp_path / "key")


def _write_key(key, path):
    from cryptography.hazmat.primitives import serialization as form

    private, public = path.with_suffix(".pem"), path.with_suffix(".pub.pem")
    private.write_bytes(
        key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    (folder / "model").mkdir(parents=True)
    (folder / "model/config.json").write_text("{}")
    files = {"model/config.json": read_once(folder / "model/config.json")[0]}
    return folder, write_manifest(folder, "sha256:m", "sha256:d", files)


def test_a_bundle_is_signed_with_a_key_and_checked_by_it(bundle, keys, tmp_path):
    folder, manifest = bundle
    private, public = keys
    assert state_of_signature(folder, manifest, Trust())[0] == "unsigned"
    assert state_of_signature(folder, manifest, Trust(public))[0] == "invalid"
    sign(folder, manifest, "desk", Signer(private))
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert state_of_signature(moved, manifest, Trust(public)) == ("valid", "")
    assert state_of_signature(moved, manifest, Trust())[0] == "not checked"
    from cryptography.hazmat.primitives.asymmetric import ec

    _, other = _write_key(ec.generate_private_key(ec.SECP256R1()), tmp_path / "other")
    assert state_of_signature(moved, manifest, Trust(other))[0] == "invalid"
    assert "with a certificate" in state_of_signature(moved, manifest, Trust(roots=(other,)))[1]


def test_a_bundle_is_signed_with_a_certificate_and_checked_by_its_root(bundle, keys, tmp_path):
    folder, manifest = bundle
    private, _ = keys
    root, leaf = _certificates(private, tmp_path)
    sign(folder, manifest, "desk", Signer(private, leaf, (root,)))
    assert state_of_signature(folder, manifest, Trust(roots=(root,))) == ("valid", "")
    (tmp_path / "b").mkdir()
    other, _ = _certificates(private, tmp_path / "b")
    assert state_of_signature(folder, manifest, Trust(roots=(other,)))[0] == "invalid"


def _certificates(private, folder):
    """A root, and a certificate of a key that it signs."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    above = ec.generate_private_key(ec.SECP256R1())
    signer = form.load_pem_private_key(private.read_bytes(), None)
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in ("root", "me")]
    found = []
    for number, key in enumerate((above, signer)):
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "crl_sign", "encipher_only", "decipher_only"), False)  # fmt: skip
        usage |= {"digital_signature": number == 1, "key_cert_sign": number == 0}
        made = (
            x509.CertificateBuilder()
            .subject_name(names[number]).issuer_name(names[0]).public_key(key.public_key())
            .serial_number(number + 1)
            .not_valid_before(datetime.now(UTC) - timedelta(days=1 - number / 2))
            .not_valid_after(datetime.now(UTC) + timedelta(days=9))
            .add_extension(x509.BasicConstraints(number == 0, None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .sign(above, hashes.SHA256())
        )  # fmt: skip
        found.append(folder / f"{number}.pem")
        found[-1].write_bytes(made.public_bytes(form.Encoding.PEM))
    return found


def test_a_base_that_its_maker_signed_is_checked_before_it_is_built_on(keys, tmp_path):
    from model_signing import signing

    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    private, public = keys
    assert model_signature(base, base / SIGNATURE, Trust(public))[0] == "unsigned"
    signing.Config().use_elliptic_key_signer(private_key=private).sign(base, tmp_path / "b.sig")
    assert model_signature(base, tmp_path / "b.sig", Trust())[0] == "not checked"
    assert model_signature(base, tmp_path / "b.sig", Trust(public)) == ("valid", "")
    (base / "config.json").write_text("{ }")
    assert model_signature(base, tmp_path / "b.sig", Trust(public))[0] == "invalid"


def test_a_key_that_is_none_is_said(bundle, keys, tmp_path):
    folder, manifest = bundle
    (tmp_path / "text.pem").write_text("hello")
    with pytest.raises(InputError, match="can't sign"):
        sign(folder, manifest, "desk", Signer(tmp_path / "text.pem"))
    assert not (folder / SIGNATURE).exists()
    sign(folder, manifest, "desk", Signer(keys[0]))
    with pytest.raises(InputError, match="can't be used"):
        state_of_signature(folder, manifest, Trust(tmp_path / "text.pem"))


def test_a_new_manifest_under_an_old_signature_is_not_valid(bundle, keys):
    folder, manifest = bundle
    private, public = keys
    sign(folder, manifest, "desk", Signer(private))
    (folder / "model/config.json").write_text('{"a": 1}')
    files = {"model/config.json": read_once(folder / "model/config.json")[0]}
    changed = write_manifest(folder, manifest.model, manifest.decision, files)
    assert state_of_signature(folder, changed, Trust(public))[0] == "invalid"
    assert state_of_signature(folder, replace(manifest), Trust(public))[0] == "invalid"


def test_the_package_verifies_a_bundle_by_itself(bundle, keys):
    """So that a stranger needs no weighbridge to check who signed."""
    from model_signing import verifying

    folder, manifest = bundle
    private, public = keys
    sign(folder, manifest, "desk", Signer(private))
    verifying.Config().use_elliptic_key_verifier(public_key=public).verify(
        folder, folder / SIGNATURE
    )


def test_the_key_vector_is_valid_by_its_key(vectors, tmp_path):
    """The certificate's vector holds the key that signed the other one."""
    pytest.importorskip("model_signing")
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization as form
    from model_signing import verifying

    material = json.loads((vectors / "valid/certificate.bundle.json").read_text())
    chain = material["verificationMaterial"]["x509CertificateChain"]["certificates"]
    leaf = x509.load_der_x509_certificate(base64.b64decode(chain[0]["rawBytes"]))
    public = tmp_path / "key.pem"
    public.write_bytes(
        leaf.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )
    config = verifying.Config().use_elliptic_key_verifier(public_key=public)
    with pytest.raises(ValueError, match="Signature mismatch"):  # valid, of files that we lack
        (tmp_path / "model").mkdir()
        config.verify(tmp_path / "model", vectors / "valid/key.bundle.json")


def test_without_the_package_signing_says_what_to_install(bundle, monkeypatch):
    folder, manifest = bundle
    monkeypatch.setitem(__import__("sys").modules, "model_signing.signing", None)
    with pytest.raises(MissingPiece, match=r"weighbridge\[release\]"):
        sign(folder, manifest, "desk", Signer(Path("key.pem")))


def test_a_manifest_that_signing_covers_is_read_back(bundle):
    folder, manifest = bundle
    assert read_manifest(folder) == manifest
