"""Say what is installed, what is missing, and the command that installs it."""

from weighbridge.cli import options
from weighbridge.cli.output import emit
from weighbridge.documents.installation import InstallationDocument


def command(cache: options.Cache = None, json: options.Json = False) -> None:
    """See the module's docstring, which is the help."""
    import typer

    from weighbridge.opening.doctor import examine, healthy

    around = options.surroundings(cache=cache)
    checks = examine(around.cache)
    signs = {"ok": "ok  ", "missing": "MISS", "degraded": "weak"}
    lines = []
    for check in checks:
        lines.append(f"{signs[check.status]} {check.name:<22} {check.found}")
        if check.status != "ok":
            lines.append(f"       needed for {check.needed_for}")
            lines.append(f"       {check.fix}")
    fine = healthy(checks)
    emit(InstallationDocument(healthy=fine, checks=checks), "\n".join(lines), json)
    raise typer.Exit(0 if fine else 1)
