"""What the page opens with: the best point, how sure that is, and its command."""

import pandas as pd
import pytest
from fake_runs import fake_results, with_command, write_run

from vae_granularity.analysis.answer import answers
from vae_granularity.analysis.pipeline import analyse
from vae_granularity.analysis.points import aggregate
from vae_granularity.analysis.settings import Settings

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
    return answers(found.table, list(found.parameters), settings)


def test_the_best_point_is_the_best_of_those_with_enough_seeds(tmp_path):
    (answer,) = asked(tmp_path, ELBOS)
    assert answer.values == {"model.granularity": 2}
    assert answer.sentence == "held-out ELBO (nats) -20 (-20.25 to -19.75, 95 %), 3 seeds"
    assert "granularity γ = 1, 1 behind: more than chance" in answer.beside
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
    assert answer.sentence == "held-out ELBO (nats) -19 (range -20 to -18), 2 seeds"
    assert "too few seeds" in answer.beside


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
    found = aggregate(runs, ["net.width"], ["val/kl"])
    assert found["±val/kl"].tolist() == pytest.approx([half], abs=1e-3)
