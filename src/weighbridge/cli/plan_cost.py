"""The part of `weighbridge plan` that weighs one's own accelerators against APIs' prices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import emit


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The open model, and what it runs on.

    Attributes:
        self_hosted: A model's name in the catalog, its configuration, or on the Hub.
        gpu: An accelerator's name.
        gpus: How many a deployment has; None for the fewest that hold the model.
        precision: What weights are served in; "" for as stored.
        tokens_per_second: Measured output tokens a second of a deployment; None for a forecast.
        usd_per_hour: Price of one accelerator-hour; "" takes the dated table's.
        batch_server: Whether the forecast is of requests that are always at hand.
    """

    panel: ClassVar[str] = "Self-hosted"

    self_hosted: Annotated[
        str, typer.Option(metavar="MODEL", help="Catalog name, config.json, folder, GGUF, Hub id.")
    ]
    gpu: Annotated[
        str, typer.Option("--gpu", "--accelerator", metavar="NAME", help="Such as h100 or b200.")
    ] = "h100"
    gpus: Annotated[
        int | None,
        typer.Option("--gpus", "--count", help="Default: the fewest that hold it.", min=1,
                     max=4096),
    ] = None  # fmt: skip
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="bf16, fp8, fp4 or int4; default: as stored.")
    ] = ""
    tokens_per_second: Annotated[
        float | None,
        typer.Option(help="Measured output tokens a second, of all GPUs, instead of a forecast."),
    ] = None
    usd_per_hour: Annotated[
        str, typer.Option(metavar="USD", help="Price of one GPU-hour; default: a dated table's.")
    ] = ""
    batch_server: Annotated[
        bool, typer.Option("--batch-server", help="Requests are always at hand, none is urgent.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Apis:
    """What could be paid instead.

    Attributes:
        api: The incumbent.
        sibling: Its small sibling; "" for the one that its name tells.
        hosted: The same open weights at a host; "" for the host of median price.
        cached_share: Share of prompt tokens that the API reads from its cache.
        batch_share: Share of the requests that can wait for a batch.
    """

    panel: ClassVar[str] = "APIs (NAME, HOST/NAME, or dollars per million: IN/OUT/CACHED)"

    api: Annotated[str, typer.Option(metavar="NAME|PRICE", help="The incumbent, such as gpt-5.")]
    sibling: Annotated[
        str, typer.Option(metavar="NAME|PRICE", help="Its small sibling; default: by its name.")
    ] = ""
    hosted: Annotated[
        str,
        typer.Option(metavar="NAME|PRICE", help="The open weights at a host; default: the median."),
    ] = ""
    cached_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Of prompt tokens, read from the API's cache.")
    ] = 0.0
    batch_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the requests, which can wait for a batch.")
    ] = 0.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How much is asked.

    Attributes:
        input_tokens: Mean length of a prompt.
        output_tokens: Mean length of an answer.
        utilization: Share of the capacity that is used.
        tokens_per_month: Input and output tokens a month; "" where not known.
        log: A log of requests.
    """

    panel: ClassVar[str] = "Load"

    input_tokens: Annotated[
        int, typer.Option(help="Average length of a prompt.", min=1, max=10**7)
    ] = 1000
    output_tokens: Annotated[
        int, typer.Option(help="Average length of an answer.", min=1, max=10**7)
    ] = 1000
    utilization: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Of the capacity, used; default: 1, full load."),
    ] = None
    tokens_per_month: Annotated[
        str, typer.Option(metavar="N", help="In and out, such as 2B; instead of --utilization.")
    ] = ""
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Log of requests, tokens and times, instead of both."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """Costs that do not depend on the load.

    Attributes:
        operations: People and services, dollars a month.
        tuning: Spent once on tuning.
        evaluation: Spent once on evaluation.
        red_team: Spent once on red-teaming.
        months: Months in use.
    """

    panel: ClassVar[str] = "Fixed costs, in dollars"

    operations: Annotated[
        str, typer.Option(metavar="USD", help="People and services, each month.")
    ] = "0"
    tuning: Annotated[str, typer.Option(metavar="USD", help="Spent once on tuning.")] = "0"
    evaluation: Annotated[str, typer.Option(metavar="USD", help="Spent once on evaluation.")] = "0"
    red_team: Annotated[str, typer.Option(metavar="USD", help="Spent once on red-teaming.")] = "0"
    months: Annotated[
        float, typer.Option(help="Months that the model is in use, to earn these back.")
    ] = 6.0


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Which answers are accepted: a share, or a run whose score is one.

    Attributes:
        accepted: Of the candidate.
        api_accepted: Of the incumbent.
        sibling_accepted: Of its small sibling.
        hosted_accepted: Of the hosted weights; "" takes the candidate's.
        usd_by_someone: What an answer costs that someone gives in place of the model.
    """

    panel: ClassVar[str] = "Accepted answers (a share, or a run whose score is taken)"

    accepted: Annotated[
        str, typer.Option(metavar="SHARE|RUN", help="Answers accepted, of the candidate.")
    ] = ""
    api_accepted: Annotated[str, typer.Option(metavar="SHARE|RUN", help="Of the incumbent.")] = ""
    sibling_accepted: Annotated[
        str, typer.Option(metavar="SHARE|RUN", help="Of its small sibling.")
    ] = ""
    hosted_accepted: Annotated[
        str, typer.Option(metavar="SHARE|RUN", help="Of hosted weights; default: the candidate's.")
    ] = ""
    usd_by_someone: Annotated[
        str, typer.Option(metavar="USD", help="An answer that someone gives where one fails.")
    ] = ""


@grouped
def cost(
    candidate: Candidate,
    apis: Apis,
    asked: Asked,
    fixed: Fixed,
    quality: Quality,
    as_of: Annotated[str, typer.Option(metavar="DATE", help="The day of the prices.")] = "",
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|png", help="Draw which assumption decides.")
    ] = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """Weigh a model on your own accelerators against four ways to pay for it.

    The incumbent, its small sibling, the same open weights hosted by others, and the candidate;
    with break-even volume and utilization, and the assumption that decides.
    """
    from weighbridge.cli.cost_document import cost_document
    from weighbridge.cli.cost_output import cost_text, save_tornado
    from weighbridge.cli.cost_question import answered

    if chart is not None:
        from weighbridge.cli.scaling_output import check_image

        check_image(chart)
    made = answered(candidate, apis, asked, fixed, quality, as_of, runs, offline)
    if chart is not None:
        save_tornado(made, chart)
    emit(cost_document(made), cost_text(made, chart), json)
