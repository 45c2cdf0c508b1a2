"""What the page opens with: the best point, how sure that is, and its command."""

import numpy as np
import pandas as pd
import pytest
from fake_runs import fake_results, with_command, write_run

from vae_granularity.analysis.best_point import best_points
from vae_granularity.analysis.pipeline import analyse
from vae_granularity.analysis.points import average_seeds, far_seeds
from vae_granularity.analysis.settings import Settings
from vae_granularity.runs.interval import best_reach, interval

# Seeds of one granularity, told apart by the ELBO alone.
ELBOS = {1: (-21.0, -21.2, -20.8), 2: (-20.0, -20.1, -19.9), 3: (-10.0,)}


def asked(tmp_path, elbos, **options):
    for granularity, values in elbos.items():
        for seed, elbo in enumerate(values):
            results = fake_results(granularity=granularity, seed=seed, elbo=elbo)
            given = (f"seed={seed}", f"model.granularity={granularity}", "trainer=quick")
            write_run(tmp_path, with_command(results, *given))
    settings = Settings(runs=(tmp_path,), **options)
    found = analyse(settings)
    return best_points(found.table, list(found.parameters), settings)


def test_the_best_point_is_the_best_of_those_with_enough_seeds(tmp_path):
    (answer,) = asked(tmp_path, ELBOS)
    assert answer.values == {"model.granularity": 2}
    assert answer.sentence == (
        "held-out ELBO (nats) -20, the best of 2 points in these seeds "
        "(-20.24 to -19.75, 95 %, the pick allowed for), 3 seeds: -20.1, -20, -19.9"
    )
    assert "granularity γ = 1, 1 behind: more than chance" in answer.remarks
    assert answer.command == (
        "python -m vae_granularity.train -m model=stcvae dataset=blocks model.granularity=2 "
        f"trainer=quick paths.output_dir={tmp_path} seed=0,1,2"
    )


def test_runs_that_recorded_no_command_have_none_and_the_reason(tmp_path):
    write_run(tmp_path, fake_results())
    (answer,) = asked(tmp_path, {})
    assert answer.command is None
    assert "did not record its overrides" in answer.no_command


def test_points_with_few_seeds_count_where_no_other_is_there(tmp_path):
    (answer,) = asked(tmp_path, {1: (-21.0, -20.0), 2: (-20.0, -18.0)})
    assert answer.sentence == (
        "held-out ELBO (nats) -19, the best of 2 points in these seeds "
        "(range -20 to -18), 2 seeds: -20, -18"
    )
    assert "too few seeds" in answer.remarks


def test_the_smallest_number_wins_where_that_is_asked_for(tmp_path):
    (answer,) = asked(tmp_path, ELBOS, optimum="min")
    assert answer.values == {"model.granularity": 1}
    assert "model.granularity=1" in answer.command


def test_each_data_set_has_its_own_answer(tmp_path):
    for seed in range(3):
        write_run(tmp_path, fake_results(dataset="shapes3d", source="rendered", seed=seed, elbo=-9))
    found = asked(tmp_path, ELBOS, allow_mixed=("dataset", "source", "likelihood", "split"))
    assert [answer.dataset for answer in found] == ["blocks", "shapes3d"]


@pytest.mark.parametrize(("values", "half"), [([1.0, 3.0], 1.0), ([1.0, 2.0, 3.0], 2.484)])
def test_two_seeds_give_their_range_and_three_an_interval(values, half):
    runs = pd.DataFrame({"net.width": 1, "val/kl": values})
    found = average_seeds(runs, ["net.width"], ["val/kl"])
    assert found["±val/kl"].tolist() == pytest.approx([half], abs=1e-3)


@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize("points", [6, 30, 100])
@pytest.mark.parametrize("means", ["equal", "apart"])
def test_the_interval_of_the_best_of_many_covers_its_mean(points, seeds, means):
    """Student's interval of the point that was picked covered it in 0.32 to 0.95."""
    rng = np.random.default_rng(0)
    true = np.zeros(points) if means == "equal" else rng.standard_normal(points)
    covered = 0
    for _ in range(400):
        values = true[:, None] + rng.standard_normal((points, seeds))
        best = int(values.mean(1).argmax())
        stds = values.std(1, ddof=1)
        worse, better = best_reach(stds[best], seeds, np.sqrt((stds**2).mean()), points)
        mean = values[best].mean()
        covered += mean - worse <= true[best] <= mean + better
    assert covered / 400 >= 0.93


def test_the_interval_of_a_single_point_is_students():
    values = [1.0, 2.0, 4.0]
    student = interval(values)
    worse, better = best_reach(student.std, 3, 7.0, 1)
    assert student.low == pytest.approx(student.mean - worse)
    assert student.high == pytest.approx(student.mean + better)


def test_the_page_prints_the_interval_of_the_pick(tmp_path):
    """The lower end by hand: t with 2 + 4 degrees of freedom at 2.5 % over two points."""
    (answer,) = asked(tmp_path, {1: (-21.0, -21.2, -20.8), 2: (-20.0, -20.1, -19.9)})
    spread = np.sqrt((4 * (0.2**2 + 0.1**2) / 2 + 2 * 0.1**2) / 6)
    low = -20 - 2.9687 * spread / np.sqrt(3)
    assert f"({low:.4g} to " in answer.sentence


def test_where_less_is_better_the_wide_side_is_below(tmp_path):
    (answer,) = asked(tmp_path, {1: (-21.0, -21.2, -20.8), 2: (-20.0, -20.1, -19.9)}, optimum="min")
    low, high = answer.sentence.split("(")[2].split(", 95")[0].split(" to ")
    assert abs(float(high) + 21) != pytest.approx(abs(float(low) + 21))


def test_failed_seeds_are_shown_and_said(tmp_path):
    elbos = {g: (-20.0 - g, -20.1 - g, -19.9 - g, -20.2 - g) for g in (1, 2, 3)}
    elbos[1] = (-19.0, -19.1, -18.9, -39.0)
    elbos[2] = (-30.0, -30.1, -29.9, -50.0)
    elbos[3] = (-35.0, -35.1, -34.9, -35.2)
    (answer,) = asked(tmp_path, elbos)
    assert answer.sentence.endswith("4 seeds: -39, -19.1, -19, -18.9")
    assert answer.remarks.startswith("1 seed lies far from the others")
    assert "the median is -19.05" in answer.remarks


@pytest.mark.parametrize("seeds", [3, 10])
def test_ordinary_noise_has_hardly_any_far_seeds(seeds):
    values = np.random.default_rng(0).standard_normal((200, seeds))
    values[7, 1] -= 20.0
    table = pd.DataFrame(
        {"net.width": np.repeat(np.arange(200), seeds), "val/elbo": values.ravel()}
    )
    far = far_seeds(table, ["net.width"], "val/elbo")
    assert far.sum() <= 2
    assert far[7 * seeds + 1]


def test_next_best_is_compared_within_seeds(tmp_path):
    """A seed that moves both points alike hides no difference between them."""
    (answer,) = asked(tmp_path, {1: (-21.0, -31.1, -40.9), 2: (-20.0, -30.0, -40.0)})
    assert "t test of the differences in 3 seeds" in answer.remarks
    assert "more than chance" in answer.remarks
