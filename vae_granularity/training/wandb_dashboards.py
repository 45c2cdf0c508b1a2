"""A W&B workspace and a report for the runs of a project, on the keys that runs log."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from vae_granularity.errors import UserError
from vae_granularity.terminal import say
from vae_granularity.training.wandb_login import logged_in

STEP = "trainer/global_step"
TITLE = "Disentangling granularity"
WIDTH = "width of the network"
DECOMPOSITION = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
TERMS = ("elbo", "reconstruction", *DECOMPOSITION)
SCORES = ("mig", "modularity", "gaussian_tc", "active_kl")
PICTURES = ("traversals", "group_traversals", "reconstructions")
COLOURS = (("#440154", 0), ("#21918c", 50), ("#fde725", 100))


def sections() -> dict[str, list[Any]]:
    """Return panels by title of the section; they show only what runs with `metrics=fast` log."""
    wr: Any = import_module("wandb_workspaces.reports.v2")

    beta, width, granularity = map(wr.Config, ("model.beta", "net.width", "model.granularity"))
    elbo = wr.SummaryMetric("val/elbo")
    column = wr.ParallelCoordinatesPlotColumn
    colours = [wr.GradientPoint(color=colour, offset=offset) for colour, offset in COLOURS]
    surface: dict[str, Any] = {"y": granularity, "z": elbo, "gradient": colours}
    title = "val ELBO (nats) over {} and granularity"
    mean: dict[str, Any] = {
        "groupby": granularity,
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "stddev",
    }
    named = {"beta": beta, "granularity": granularity, WIDTH: width}
    named |= {"seed": wr.Config("seed"), "val ELBO": elbo}
    named |= {name: wr.SummaryMetric(f"scores/{name}") for name in SCORES}
    axes = [column(metric, display_name=name) for name, metric in named.items()]
    wide = wr.Layout(w=24, h=9)
    tall = wr.Layout(w=24, h=12)
    return {
        "ELBO surface": [
            wr.ScatterPlot(title=title.format("beta"), x=beta, log_x=True, **surface),
            wr.ScatterPlot(title=title.format(WIDTH), x=width, log_x=True, **surface),
        ],
        "Decomposition by granularity": [
            wr.LinePlot(
                title=f"val {term} (nats)", x=STEP, y=[f"val/{term}"], title_x="step", **mean
            )
            for term in TERMS
        ],
        "Metrics": [
            wr.ParallelCoordinatesPlot(title="Dials, ELBO and scores", columns=axes, layout=wide)
        ],
        "Traversals by granularity": [
            wr.MediaBrowser(title=name, media_keys=[f"figures/{name}"], num_columns=4, layout=tall)
            for name in PICTURES
        ],
    }


def workspace(entity: str, project: str) -> Any:
    """Return the saved view: runs grouped by granularity."""
    ws: Any = import_module("wandb_workspaces.workspaces")

    return ws.Workspace(
        entity=entity,
        project=project,
        name=TITLE,
        sections=[
            ws.Section(name=name, panels=panels, is_open=True)
            for name, panels in sections().items()
        ],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=100),
        runset_settings=ws.RunsetSettings(groupby=[ws.Config("model.granularity")]),
    )


def report(entity: str, project: str) -> Any:
    """Return the same sections as a document, each with its heading."""
    wr: Any = import_module("wandb_workspaces.reports.v2")

    address: dict[str, Any] = {"entity": entity, "project": project}
    blocks = [wr.TableOfContents()]
    for name, panels in sections().items():
        groups = ["model.granularity"] if name.startswith("Traversals") else []
        runs = wr.Runset(groupby=groups, **address)
        blocks += [wr.H1(text=name), wr.PanelGrid(runsets=[runs], panels=panels)]
    about = "ELBO, its four terms, scores and traversals by granularity; terms in nats, held-out"
    return wr.Report(title=TITLE, description=about, blocks=blocks, width="fluid", **address)


def publish(entity: str | None, project: str) -> None:
    """Create workspace and report on the W&B server and print their addresses.

    Raises:
        UserError: the extra is not installed, or W&B is not logged in.
    """
    if find_spec("wandb_workspaces") is None:
        raise UserError(
            "dashboards need the extra `dashboards`: pip install 'vae-granularity[dashboards]'"
        )
    if not logged_in():
        raise UserError(
            "dashboards are made on the W&B server and W&B is not logged in: "
            "run `wandb login` or set WANDB_API_KEY"
        )
    import wandb

    owner = entity or str(wandb.Api().default_entity)
    for page in (workspace(owner, project), report(owner, project)):
        page.save()
        say(page.url)
