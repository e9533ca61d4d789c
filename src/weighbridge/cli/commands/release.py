"""Decide whether a tuned model is fit to release, write it out as a bundle, and verify one.

`weighbridge release gate FOLDER --statement release.toml`; `release policy` prints the thresholds.
FOLDER holds merged weights with their record of origin, or is a project that merges.
Afterwards: `report`, `triage`, `advise`, `revoke` and `feed`, for flaws in what was released.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.disclosure_commands import add_to
from weighbridge.cli.option_groups import SectionedCommand
from weighbridge.cli.output import emit, say
from weighbridge.errors import InputError

if TYPE_CHECKING:
    from weighbridge.release.case import Case

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__)

_EXIT = {"pass": 0, "fail": 1, "insufficient": 3}

Model = Annotated[
    Path, typer.Argument(metavar="FOLDER|PROJECT", help="Merged weights, or a project that merges.")
]
Stated = Annotated[
    Path,
    typer.Option(
        "--statement", metavar="FILE.toml", help="Licence, base, approvals and waivers, as stated."
    ),
]
PublicKey = Annotated[
    Path | None, typer.Option(metavar="FILE.pem", help="Public key of who must have signed.")
]
Root = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE.pem", help="Root certificate to trust; may be repeated."),
]
Identity = Annotated[str, typer.Option(metavar="NAME", help="Who must have signed with Sigstore.")]
Issuer = Annotated[str, typer.Option(metavar="URL", help="Who vouches for that identity.")]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE.toml", help="Thresholds. [default: the shipped ones]"),
]


@app.command("gate", cls=SectionedCommand)
def gate(
    model: Model,
    statement: Stated,
    policy: PolicyFile = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """Ask every gate whether a model may be released.

    Each answers pass, fail or insufficient, and says what would turn it.

    Exit code 1: a gate fails that nobody waived; 3: evidence does not suffice.
    """
    from weighbridge.cli.release_output import gates_document, gates_text
    from weighbridge.release.decision import decide

    folder, runs = _places(model, runs)
    found = decide(_case(folder, runs, statement, policy))
    emit(gates_document(found), gates_text(found), json)
    raise typer.Exit(_EXIT[found.outcome])


@app.command("build", cls=SectionedCommand)
def build(
    model: Model,
    statement: Stated,
    to: Annotated[Path, typer.Option(metavar="BUNDLE", help="A new folder.")],
    policy: PolicyFile = None,
    link: Annotated[
        bool, typer.Option("--link", help="Link files of weights in place of copying them.")
    ] = False,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Its adapter's folder, or a GGUF file of it; may be repeated."
        ),
    ] = None,
    draft: Annotated[
        bool, typer.Option("--draft", help="Write it even where a gate does not pass.")
    ] = False,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="Private key to sign with.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="Certificate of that key.")
    ] = None,
    chain: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.pem", help="Certificate above it; may be repeated."),
    ] = None,
    sigstore: Annotated[
        bool, typer.Option("--sigstore", help="Sign with this machine's Sigstore identity.")
    ] = False,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """Write a bundle that a stranger can verify.

    It holds weights, evidence, decision, papers, and the digest of every file.

    Exit code 1 or 3: a gate does not pass, and nothing is written but with --draft.
    """
    from weighbridge.cli.release_output import bundle_text, gates_document, gates_text
    from weighbridge.documents.release import BundleDocument
    from weighbridge.release.build import Sources
    from weighbridge.release.build import build as write
    from weighbridge.release.decision import decide
    from weighbridge.release.signing import Signer

    if (key is not None and sigstore) or (certificate is not None and key is None):
        raise InputError("--sigstore and --key, or --certificate without --key", "one way to sign")
    by = Signer(key, certificate, tuple(chain or ())) if key is not None or sigstore else None
    folder, runs = _places(model, runs)
    case = _case(folder, runs, statement, policy)
    found = decide(case)
    if found.outcome != "pass" and not draft:
        gates = gates_document(found)
        nothing = BundleDocument(bundle=None, digest=None, files=0, signature=None, decision=gates)
        emit(nothing, f"{gates_text(found)}\n\nno bundle is written (--draft)", json)
        raise typer.Exit(_EXIT[found.outcome])
    text = statement.parent / case.statement.licence_text if case.statement.licence_text else None
    sources = Sources(folder, runs, text, link, tuple(also or ()))
    manifest = write(case, found, sources, to, by)
    document = BundleDocument(
        bundle=str(to), digest=manifest.digest, files=len(manifest.files),
        signature=by.method if by else None, decision=gates_document(found),
    )  # fmt: skip
    emit(document, bundle_text(document), json)


@app.command("verify", cls=SectionedCommand)
def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Its folder, or a .zip of it.")],
    key: PublicKey = None,
    root: Root = None,
    identity: Identity = "",
    issuer: Issuer = "",
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Accept a bundle whose maker is not known.")
    ] = False,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """Hash, compute and ask again all that a bundle says.

    No network is needed, unless it was signed with Sigstore.

    Exit code 1: something differs, or a gate fails; 3: it is open, or who made it is not known.
    """
    from weighbridge.cli.release_output import verified_document, verified_text
    from weighbridge.release.signing import Trust, state_of_signature
    from weighbridge.release.verification import unpacked, verify_bundle

    trust = Trust(key, tuple(root or ()), identity, issuer)
    with unpacked(bundle) as folder:
        found = verify_bundle(folder, datetime.now(UTC))
        signed, why = state_of_signature(folder, found.manifest, trust, offline=offline)
    if unsigned and signed in ("unsigned", "not checked"):
        signed = "waived"
    document = verified_document(found, signed, why)
    emit(document, verified_text(document), json)
    raise typer.Exit(_EXIT[document.outcome])


@app.command("signature", cls=SectionedCommand)
def signature(
    model: Annotated[Path, typer.Argument(metavar="FOLDER", help="A model, such as your base.")],
    key: PublicKey = None,
    root: Root = None,
    identity: Identity = "",
    issuer: Issuer = "",
    file: Annotated[
        Path | None,
        typer.Option("--signature", metavar="FILE", help="[default: FOLDER/model.sig]"),
    ] = None,
    json: options.Json = False,
) -> None:
    """Check who signed a model that you build on.

    Exit code 1: its signature is not valid; 3: it has none, or nobody was named whom to trust.
    """
    from weighbridge.documents.release import SignatureDocument
    from weighbridge.release.bundle import SIGNATURE
    from weighbridge.release.signing import Trust, model_signature

    trust = Trust(key, tuple(root or ()), identity, issuer)
    said, why = model_signature(model, file or model / SIGNATURE, trust)
    emit(SignatureDocument(signature=said, why=why), f"{said}{f': {why}' if why else ''}", json)
    raise typer.Exit({"valid": 0, "invalid": 1}.get(said, 3))


@app.command("gpai", cls=SectionedCommand)
def gpai(
    model: Model,
    statement: Stated,
    base_flops: Annotated[
        float | None,
        typer.Option(metavar="FLOP", min=0, help="Compute of the base's training, where known."),
    ] = None,
    systemic: Annotated[
        bool, typer.Option("--systemic", help="The base is a model of systemic risk.")
    ] = False,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """Is who tuned it a provider under the EU's rules?

    Holds the compute of tuning against a third of the base's.

    Exit code 1: it makes one; 3: what tuning took is not known.
    """
    from weighbridge.cli.release_output import gpai_document, gpai_text
    from weighbridge.release.gpai import gpai as held

    folder, runs = _places(model, runs)
    found = held(_case(folder, runs, statement, None), base_flops, systemic=systemic)
    document = gpai_document(found)
    emit(document, gpai_text(document), json)
    raise typer.Exit({"modifier": 0, "provider": 1, "unknown": 3}[found.answer])


@app.command("policy", cls=SectionedCommand)
def policy() -> None:
    """Print the shipped policy, to start one's own from."""
    from weighbridge.release.policy import DEFAULT
    from weighbridge.sources.text_files import read_text

    say(read_text(DEFAULT, "the shipped policy"), end=False)


def _places(model: Path, runs: Path) -> tuple[Path, Path]:
    """Return the folder of weights and of runs; a project says where its own are."""
    if not (model / "weighbridge.toml").is_file():
        return model, runs
    from weighbridge.project.project_file import read_project

    project = read_project(model)
    if project.tune is None or not project.tune.merge:
        raise InputError(
            f"{model} merges nothing", 'merge = "FOLDER" in [tune]', "or name the merged folder"
        )
    own = project.folder / runs
    return project.folder / project.tune.merge, own if own.is_dir() else runs


def _case(folder: Path, runs: Path, statement: Path, policy: Path | None) -> "Case":
    """Collect what is known of a model, and what people state of it."""
    from weighbridge.release.evidence import case_of
    from weighbridge.release.policy import read_policy
    from weighbridge.release.statement import read_statement

    stated = read_statement(statement)
    data = statement.parent / stated.data if stated.data else None
    now = datetime.now(UTC).replace(microsecond=0)
    return case_of(folder, runs, read_policy(policy), stated, now, data)


add_to(app)
