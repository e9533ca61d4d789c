"""`tune --verify-resume`: runs the proof and prints it."""

from pathlib import Path

import typer

from weighbridge.cli.drawing import Drawn
from weighbridge.cli.output import emit, wrapped
from weighbridge.documents.tuning import ResumeDifferenceDocument, ResumeDocument
from weighbridge.project.resume_child import ChildRun
from weighbridge.project.resume_proof import ResumeProof, prove_resume


def resume_document(proof: ResumeProof) -> ResumeDocument:
    """Return a proof as a document."""
    apart = proof.difference
    return ResumeDocument(
        same=apart is None,
        steps=proof.steps,
        kills=proof.kills,
        checkpoints=proof.checkpoints,
        tensors=proof.tensors,
        difference=ResumeDifferenceDocument(**vars(apart)) if apart else None,
        seconds=proof.seconds,
    )


def resume_text(proof: ResumeProof) -> str:
    """Return a proof as lines of at most 80 columns."""
    lines = [f"{proof.steps} steps, killed {len(proof.kills)} times:"]
    lines += [f"  {kill}" for kill in proof.kills]
    compared = (
        f"{proof.tensors:,} tensors of {proof.checkpoints} checkpoints and of the result compared "
        "with an undisturbed run's"
    )
    if proof.difference is None:
        lines += wrapped(f"{compared}: the same bits, in {proof.seconds:,.0f} s")
        return "\n".join(lines)
    lines += wrapped(
        f"{compared}: NOT the same bits. The first that differs is {proof.difference.tensor}, "
        f"after step {proof.difference.step}"
    )
    lines += wrapped(
        "Bits are promised on CPU. There, this is a bug: report it with what `weighbridge doctor` "
        "prints. On a GPU, a kernel that adds in a varying order does this."
    )
    return "\n".join(lines)


def verify_resume(run: ChildRun, root: Path, wants_json: bool) -> None:
    """Prove that a killed run goes on to the same bits, and print what was compared.

    Args:
        run: The run.
        root: Where tuning runs lie.
        wants_json: Whether as JSON.

    Raises:
        Exit: With 1, where bits differ.
    """
    proof = prove_resume(run, root, Drawn().say)
    emit(resume_document(proof), resume_text(proof), wants_json)
    if proof.difference:
        raise typer.Exit(1)
