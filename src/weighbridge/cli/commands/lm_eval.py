"""Run lm-evaluation-harness's own command line on this engine: --model weighbridge.

Every argument goes to `lm-eval` (see `weighbridge lm-eval run --help`). There,
`run --model weighbridge --model_args pretrained=…` gives the numbers of `--model hf`.
"""

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    help=__doc__,
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    },
)
def command(context: typer.Context) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.errors import MissingPiece

    try:
        import lm_eval  # noqa: F401
    except ImportError as error:
        raise MissingPiece(
            "lm-evaluation-harness is not installed",
            "the extra lm-eval",
            "pip install 'weighbridge[lm-eval]'",
        ) from error
    from weighbridge.models.lm_eval import run_harness

    run_harness(context.args or ["--help"])
