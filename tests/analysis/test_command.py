"""`python -m vae_granularity.analyze`, from a folder to the files beside the page, and what it says
of bad input.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_runs import fake_results, grid, v_elbo, write_run
from tiny import tiny_config

from vae_granularity import analyze
from vae_granularity.analysis.page.figures import draw
from vae_granularity.training.config import compose
from vae_granularity.training.run import train


def run(*overrides: str) -> None:
    """The command's job in this process."""
    analyze.run(compose("analyze", ["figures=0", *overrides]))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep whose best granularity traces a V over the width."""
    folder = tmp_path_factory.mktemp("analysis") / "sweep"
    for results in grid(v_elbo):
        write_run(folder, results)
    return folder


def page_data(folder: Path) -> dict:
    """What the page embeds."""
    text = (folder / "report.html").read_text()
    start = text.index('<script id="report-data" type="application/json">') + len(
        '<script id="report-data" type="application/json">'
    )
    return json.loads(text[start : text.index("</script>", start)])


def test_a_sweep_becomes_a_page_tables_and_figures(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(f"runs={sweep}", "figures=1")
    folder = sweep / "analysis"
    verdicts = pd.read_csv(folder / "verdicts.csv")
    assert verdicts["verdict"].tolist() == ["V", "monotone"]
    assert len(pd.read_parquet(folder / "runs.parquet")) == 90
    points = pd.read_csv(folder / "points.csv")
    assert len(points) == 30
    assert (points["runs"] == 3).all()
    names = {path.name for path in (folder / "figures").iterdir()}
    assert names == {
        f"{name}.{kind}"
        for name in ("surface_0", "trajectory_0_forward", "trajectory_0_backward")
        for kind in ("pdf", "png")
    }
    assert not [path for path in (folder / "figures").iterdir() if path.stat().st_size < 5000]
    assert (folder / "report.html").stat().st_size < 10e6
    said = capsys.readouterr().out
    assert (
        "best granularity γ for each network width: V: "
        "the best granularity γ falls, then rises with network width" in said
    )


def test_models_that_cannot_be_asked_are_told_once_for_each_reason_and_again_in_the_next_pass(
    sweep, capsys
) -> None:
    for _ in range(2):
        run(f"runs={sweep}", "profile=true")
        assert capsys.readouterr().out.count("models could not be loaded") == 1
        page = (sweep / "analysis" / "report.html").read_text()
        assert page.count("models could not be loaded") == 1
        assert "no traversals of" in page
        assert not (sweep / "analysis" / "profile.csv").exists()


def test_every_chart_is_a_figure_that_plotly_accepts_and_names_source_and_unit(sweep: Path) -> None:
    plotly = pytest.importorskip("plotly.graph_objects")
    run(f"runs={sweep}")
    charts = page_data(sweep / "analysis")["charts"]
    slices = {"surface_0", "trajectory_0_forward", "trajectory_0_backward"}
    assert set(charts) == {*slices, "correlations", "parallel"}
    for chart in charts.values():
        plotly.Figure(chart)
    assert "(synthetic)" in charts["surface_0"]["layout"]["title"]["text"]
    assert "(nats)" in charts["surface_0"]["data"][0]["colorbar"]["title"]["text"]


def test_a_figure_file_draws_what_the_chart_of_the_page_holds(sweep: Path) -> None:
    run(f"runs={sweep}")
    charts = page_data(sweep / "analysis")["charts"]
    heat, circles, diamonds = charts["surface_0"]["data"]
    axes = draw(charts["surface_0"], "a title").axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), np.array(heat["z"], dtype=float))
    for drawn, marks in zip(axes.collections, (circles, diamonds), strict=True):
        assert drawn.get_offsets().tolist() == np.transpose([marks["x"], marks["y"]]).tolist()
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        "0.125",
        "0.25",
        "0.5",
        "1",
        "2",
        "4",
    ]
    assert (axes.get_title(loc="left"), axes.get_ylabel()) == ("a title", "granularity γ")
    axes = draw(charts["trajectory_0_forward"], "").axes[0]
    _, best, fit = charts["trajectory_0_forward"]["data"]
    assert [line.get_ydata().tolist() for line in axes.lines] == [best["y"], fit["y"]]


def test_a_second_pass_gives_the_same_page_from_the_kept_table(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(f"runs={sweep}")
    first = (sweep / "analysis" / "report.html").read_text()
    capsys.readouterr()
    run(f"runs={sweep}")
    assert "90 known from the last pass" in capsys.readouterr().out
    assert (sweep / "analysis" / "report.html").read_text() == first


def test_any_term_may_take_the_place_of_the_elbo(sweep: Path, tmp_path: Path) -> None:
    run(f"runs={sweep}", "value=val/kl", "optimum=min", f"out={tmp_path}")
    assert page_data(tmp_path)["tables"]["points"]["columns"][3] == "KL (nats)"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["value=val/elob"],
            "value must be a column of the runs, got 'val/elob'; did you mean 'val/elbo'",
        ),
        (["x=net.width"], "x and y must be two different columns or both null"),
        (
            ["x=net.widht", "y=model.beta"],
            "x must be a column of the runs, got 'net.widht'; did you mean 'net.width'",
        ),
        (["optimum=best"], "optimum must be one of max, min, got 'best'"),
        (
            ["allow_mixed=[everything]"],
            "allow_mixed must be one of dataset, source, likelihood, split, protocol, got 'every",
        ),
        (
            ["+where.net.width=3"],
            r"where.net.width must be a value that a run has \(0.125, 0.25, .*\), got 3",
        ),
        (["min_seeds=1"], "min_seeds must be an integer >= 2, got 1"),
        (["wandb=me/project"], "W&B does not hold how a run was measured.*got 'me/project'"),
    ],
)
def test_bad_arguments_are_named(
    sweep: Path, tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(f"runs={sweep}", f"out={tmp_path}", *overrides)


def test_one_run_only_gives_a_page_without_surfaces(tmp_path: Path) -> None:
    write_run(tmp_path, fake_results())
    run(f"runs={tmp_path}")
    data = page_data(tmp_path / "analysis")
    assert data["charts"] == {}
    assert len(data["tables"]["runs"]["rows"]) == 1
    assert "No two parameters are swept" in (tmp_path / "analysis" / "report.html").read_text()


def test_a_folder_of_broken_runs_alone_is_an_error_that_shows_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "results.json").write_text("{")
    with pytest.raises(
        RuntimeError,
        match=r"no finished run: 0 unfinished, 1 broken; .*a/results.json: .*: no JSON",
    ):
        run(f"runs={tmp_path}")


def test_missing_seeds_broken_and_unfinished_runs_and_versions_are_said_on_the_page(
    tmp_path: Path,
) -> None:
    for results in grid(v_elbo, seeds=2):
        write_run(tmp_path, results)
    write_run(tmp_path, fake_results(width=4.0, granularity=1, seed=7, version="0.0.9"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "results.json").write_text('{"run": ')
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.yaml").write_text("")
    run(f"runs={tmp_path}")
    text = (tmp_path / "analysis" / "report.html").read_text()
    for said in (
        "1 results could not be read",
        "1 runs are not finished",
        "made by 2 versions of vae-granularity (0.0.9, 0.1.0)",
        "0 of 6 values of network width have 3 or more values of granularity γ "
        "with 3 or more seeds each",
    ):
        assert said in text
    assert pd.read_csv(tmp_path / "analysis" / "broken.csv")["reason"].str.contains("no JSON").all()


def test_two_protocols_are_refused_and_with_leave_noted_on_the_page(tmp_path: Path) -> None:
    for seed in (0, 1):
        results = fake_results(seed=seed)
        results["protocol"]["terms"]["asked"]["num_images"] = 1000 * (1 + seed)
        write_run(tmp_path, results)
    with pytest.raises(
        ValueError, match=r"protocol: terms.asked.num_images: .* allow_mixed=\[protocol\]"
    ):
        run(f"runs={tmp_path}")
    run(f"runs={tmp_path}", "allow_mixed=[protocol]")
    assert (
        "differ in protocol: terms.asked.num_images"
        in (tmp_path / "analysis" / "report.html").read_text()
    )


def test_real_runs_of_several_granularities_and_seeds_compare(tmp_path: Path) -> None:
    for granularity in (1, 2):
        for seed in (0, 1):
            train(
                tiny_config(
                    tmp_path,
                    f"model.granularity={granularity}",
                    f"seed={seed}",
                    "metrics=[mig,infomec]",
                )
            )
    run(f"runs={tmp_path / 'runs'}", "num_codes=200")
    assert len(pd.read_parquet(tmp_path / "runs" / "analysis" / "runs.parquet")) == 4


def test_axes_that_do_not_vary_are_named(sweep: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"x and y must both vary while the other .* are fixed, got x=model.latent_dim, "
        r".*; these runs vary: net.width, model.granularity",
    ):
        run(f"runs={sweep}", "x=model.latent_dim", "y=model.granularity")


def test_a_model_that_changes_with_granularity_is_told_and_can_be_an_axis(tmp_path: Path) -> None:
    for granularity, target in ((1, "betatcvae.BetaTCVAE"), (2, "stcvae.BetaSTCVAE")):
        for beta in (1.0, 4.0):
            results = fake_results(granularity=granularity, beta=beta)
            results["config"]["model"]["_target_"] = f"vae_granularity.models.{target}"
            write_run(tmp_path, results)
    run(f"runs={tmp_path}")
    assert (
        "granularity γ changes together with model here"
        in (tmp_path / "analysis" / "report.html").read_text()
    )
    run(f"runs={tmp_path}", "x=model", "y=model.beta")
    verdicts = pd.read_csv(tmp_path / "analysis" / "verdicts.csv")
    assert list(verdicts["trajectory"]) == ["best β for each model", "best model for each β"]


def test_text_from_runs_cannot_become_markup(tmp_path: Path) -> None:
    results = fake_results()
    results["config"]["model"]["estimator"] = "evil</script><script>alert(1)"
    results["data"]["name"] = "<img src=x onerror=alert(1)>"
    write_run(tmp_path, fake_results(seed=1))
    write_run(tmp_path, results)
    run(f"runs={tmp_path}", "allow_mixed=[dataset]")
    text = (tmp_path / "analysis" / "report.html").read_text()
    assert "<img src=x" not in text
    assert "<script>alert" not in text
    assert "&lt;img src=x" in text  # shown, as text
