"""The compiled step of a population: one graph for every setting, the numbers of the eager step."""

import shutil
import statistics
from math import sqrt

import pytest
import torch
from members import MEMBERS, adopt, together
from tiny import results, tiny_config

from vae_granularity.densities.mixture import mixture_densities, one_table
from vae_granularity.population import compiled as module
from vae_granularity.population.compiled import captured, compiled, no_compiler
from vae_granularity.population.training import train_population

# Both are torch's own, from inside its compiler.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Function.* should not be instantiated:DeprecationWarning"),
]
needs_compiler = pytest.mark.skipif(no_compiler() is not None, reason=f"{no_compiler()}")


def in_float32(members):
    population, inputs = together(members)
    models = [model.float() for model in population.models]
    optimizers = [model.configure_optimizers() for model in models]
    return type(population)(models, optimizers), type(inputs)(models, inputs.data)


@pytest.mark.parametrize("weighted", [False, True], ids=["one weight", "weights"])
def test_the_form_for_compilers_gives_the_same_densities_and_gradients(weighted):
    generator = torch.Generator().manual_seed(0)
    z, mu, logvar = torch.randn(3, 9, 4, dtype=torch.float64, generator=generator).unbind()
    membership = torch.tensor([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=z.dtype)
    weight = torch.randn(9, 9, dtype=z.dtype, generator=generator) if weighted else -2.0

    def value_and_gradients():
        leaves = [t.clone().requires_grad_() for t in (z, mu, logvar)]
        densities = mixture_densities(*leaves, membership, weight)
        loss = sum((k + 1) * density.square().sum() for k, density in enumerate(densities))
        return [*densities, *torch.autograd.grad(loss, leaves)]

    expected = value_and_gradients()
    with one_table():
        found = value_and_gradients()
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_one_graph_serves_every_setting_seed_partition_and_rate(tmp_path, monkeypatch):
    """Nothing of a member is a constant of the graph: the traced code is the same for others."""
    keys = []
    monkeypatch.setattr(torch, "compile", lambda graph, **_: graph)
    monkeypatch.setattr(module, "_COMPILED", {})
    others = [(*member, f"seed={5 + k}", "optimizer.lr=0.02") for k, member in enumerate(MEMBERS)]
    for members in (MEMBERS[:4], MEMBERS[4:], others[:4]):
        population, inputs = together(members)
        step = compiled(population.advance, population.state, inputs(0))
        keys.append(len(module._COMPILED))
        expected, eager_inputs = together(members)
        population.advance = step
        for number in range(3):
            for model in (*population.models, *expected.models):
                adopt(model, number)
            population.step(inputs(number))
            expected.step(eager_inputs(number))
        weights = population.state.weights
        torch.testing.assert_close(weights, expected.state.weights, rtol=0, atol=1e-10)
    assert keys == [1, 1, 1]


def test_a_machine_without_a_compiler_says_so(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    assert (
        no_compiler() == "there is no C++ compiler here (g++ is not found; install g++ or set CXX)"
    )


@pytest.mark.slow
@needs_compiler
def test_a_compiled_step_is_the_eager_one_within_1e_5():
    eager, inputs = in_float32(MEMBERS)
    fast, _ = in_float32(MEMBERS)
    fast.advance = compiled(fast.advance, fast.state, inputs(0))
    for population in (eager, fast):
        population.step(inputs(0))
    change = eager.state.weights.norm()
    assert (fast.state.weights - eager.state.weights).norm() <= 1e-5 * change
    means = eager.state.means
    assert (fast.state.means - means).norm() <= 1e-5 * means.norm()


@pytest.mark.slow
@needs_compiler
def test_runs_trained_compiled_reach_the_elbo_of_solo_runs(tmp_path):
    """Five seeds, 2 000 steps: the means differ by less than two standard errors."""
    found = {}
    for name, how in (("a", "compiled"), ("b", "eager")):
        folder = tmp_path / name
        seeds = [
            tiny_config(folder, "trainer.max_steps=2000", f"seed={s}", "metrics=mig")
            for s in range(5)
        ]
        outcomes = train_population(seeds, how) if how == "compiled" else _alone(seeds)
        assert outcomes == [None] * 5
        found[name] = [
            results(r)["terms"]["val/elbo"] for r in sorted((folder / "runs").glob("st*"))
        ]
    error = sqrt(sum(statistics.variance(values) / 5 for values in found.values()))
    assert abs(statistics.mean(found["a"]) - statistics.mean(found["b"])) < 2 * error


def _alone(configs):
    from vae_granularity.population.training import train_alone

    return [train_alone(config) for config in configs]


@pytest.mark.gpu
@pytest.mark.parametrize("first", ["eager", "compiled"])
def test_a_captured_step_is_the_eager_one(tmp_path, first):
    """One CUDA graph, from the eager and from the compiled step."""
    eager, inputs = in_float32(MEMBERS)
    models = [model.cuda() for model in eager.models]
    eager, fast = (
        type(eager)(models, [model.configure_optimizers() for model in models]) for _ in range(2)
    )
    inputs = type(inputs)(models, inputs.data)
    step = fast.advance
    if first == "compiled":
        step = compiled(step, fast.state, inputs(0))
    fast.advance = captured(step, fast.state, inputs(0))
    for population in (eager, fast):
        for number in range(3):
            population.step(inputs(number))
    torch.testing.assert_close(fast.state.weights, eager.state.weights, rtol=1e-4, atol=1e-5)
