"""A W&B workspace and a report for the runs of a project, on the keys that runs log."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from vae_granularity.errors import UserError
from vae_granularity.training.loggers.wandb import logged_in

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2 as reports
    import wandb_workspaces.workspaces as workspaces

STEP = "trainer/global_step"
TERMS = (
    "elbo",
    "reconstruction",
    "mutual_information",
    "between_group_tc",
    "within_group_tc",
    "dimension_kl",
)
SCORES = ("mig", "modularity", "gaussian_tc", "active_kl")
PICTURES = ("traversals", "group_traversals", "reconstructions")
TITLE = "Disentangling granularity"


def sections() -> "list[tuple[str, list[reports.PanelTypes]]]":
    """Title and panels of each part. They refer only to what runs with `metrics=fast` log."""
    import wandb_workspaces.reports.v2 as wr

    beta, granularity, seed = (
        wr.Config(key) for key in ("model.beta", "model.granularity", "seed")
    )
    elbo = wr.SummaryMetric("val/elbo")
    colours = [
        wr.GradientPoint(color=colour, offset=offset)
        for colour, offset in (("#440154", 0), ("#21918c", 50), ("#fde725", 100))
    ]
    dials = [
        (beta, "beta", True),
        (granularity, "granularity", False),
        (wr.Config("net.width"), "width of the network", True),
    ]
    surfaces: list[reports.PanelTypes] = [
        wr.ScatterPlot(
            title=f"val ELBO (nats) over {name} and granularity",
            x=axis,
            y=granularity,
            z=elbo,
            log_x=log,
            gradient=colours,
        )
        for axis, name, log in (dials[0], dials[2])
    ]
    curves: list[reports.PanelTypes] = [
        wr.LinePlot(
            title=f"val {term} (nats)",
            x=STEP,
            y=[f"val/{term}"],
            groupby=granularity,
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            title_x="step",
        )
        for term in TERMS
    ]
    axes = [
        wr.ParallelCoordinatesPlotColumn(metric, display_name=name) for metric, name, _ in dials
    ]
    axes += [
        wr.ParallelCoordinatesPlotColumn(seed, display_name="seed"),
        wr.ParallelCoordinatesPlotColumn(elbo, display_name="val ELBO"),
    ]
    axes += [
        wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(f"scores/{name}"), display_name=name)
        for name in SCORES
    ]
    return [
        ("ELBO surface", surfaces),
        ("Decomposition by granularity", curves),
        (
            "Metrics",
            [
                wr.ParallelCoordinatesPlot(
                    title="Dials, ELBO and scores", columns=axes, layout=wr.Layout(w=24, h=9)
                )
            ],
        ),
        (
            "Traversals by granularity",
            [
                wr.MediaBrowser(
                    title=name,
                    media_keys=[f"figures/{name}"],
                    num_columns=4,
                    layout=wr.Layout(w=24, h=12),
                )
                for name in PICTURES
            ],
        ),
    ]


def workspace(entity: str, project: str) -> "workspaces.Workspace":
    """The saved view: every part a section, runs grouped by granularity."""
    import wandb_workspaces.workspaces as ws

    return ws.Workspace(
        entity=entity,
        project=project,
        name=TITLE,
        sections=[
            ws.Section(name=name, panels=panels, is_open=True) for name, panels in sections()
        ],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=100),
        runset_settings=ws.RunsetSettings(groupby=[ws.Config("model.granularity")]),
    )


def report(entity: str, project: str) -> "reports.Report":
    """The same parts as a document, each with its heading."""
    import wandb_workspaces.reports.v2 as wr

    blocks: list[reports.BlockTypes] = [wr.TableOfContents()]
    for name, panels in sections():
        runs = wr.Runset(
            entity=entity,
            project=project,
            groupby=["model.granularity"] if name.startswith("Traversals") else [],
        )
        blocks += [wr.H1(text=name), wr.PanelGrid(runsets=[runs], panels=panels)]
    about = "ELBO, its four terms, scores and traversals by granularity; terms in nats, held-out"
    return wr.Report(
        entity=entity, project=project, title=TITLE, description=about, blocks=blocks, width="fluid"
    )


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

    owner = entity or wandb.Api().default_entity
    for made in (workspace(owner, project), report(owner, project)):
        made.save()
        print(made.url)
