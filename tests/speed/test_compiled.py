"""The compiled step: the same numbers, compiled once, whatever a schedule does."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_config
from torch._dynamo.testing import CompileCounter

from vae_granularity.errors import ArgumentError
from vae_granularity.runs.build import build
from vae_granularity.training.callbacks import CompiledStep

# Both are torch's own, from inside its compiler.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Function.* should not be instantiated:DeprecationWarning"),
]

MOVING = (
    "model.beta={schedule:linear,start:1,end:8,steps:6}",
    "model.granularity={schedule:piecewise,levels:[6,3,2,1],at:[1,2,3]}",
)


def losses(model, x: torch.Tensor, steps: int = 5) -> list[float]:
    """Of a few steps of training, with the schedules moving."""
    optimizer, found = model.configure_optimizers(), []
    for step in range(steps):
        model.prepare_step(step)
        loss = model.train_batch(x, step)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def make(tmp_path, *overrides: str):
    model, data = build(tiny_config(tmp_path, *overrides))
    model.dataset_size = 540
    return model, torch.randn(16, *data.image_shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "overrides",
    [(), MOVING, ("model=betavae",), ("model=dipvae_i",)],
    ids=["constant", "moving", "betavae", "dipvae_i"],
)
def test_it_is_compiled_once_as_a_whole_and_changes_nothing(tmp_path, overrides):
    expected = losses(*make(tmp_path, *overrides))
    model, x = make(tmp_path, *overrides)
    counter, callback = CompileCounter(), CompiledStep()
    callback.backend = counter
    callback.setup(None, model, "fit")
    assert losses(model, x) == pytest.approx(expected, rel=1e-5)
    assert counter.frame_count == 1
    callback.teardown(None, model, "fit")
    assert "loss_and_logs" not in vars(model)


@pytest.mark.parametrize("model", ["factorvae", "controlvae"])
def test_a_model_with_state_of_its_own_is_refused(tmp_path, model):
    built, _ = make(tmp_path, f"model={model}")
    with pytest.raises(ArgumentError, match="compile must be none or auto for"):
        CompiledStep().setup(None, built, "fit")


def test_an_unknown_mode_is_named():
    with pytest.raises(
        ArgumentError,
        match=r"compile\.mode must be one of none, auto, default, reduce-overhead, got 'fast'",
    ):
        CompiledStep("fast")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_inductor_gives_the_same_numbers_on_a_cpu(tmp_path, mode):
    expected = losses(*make(tmp_path))
    model, x = make(tmp_path)
    CompiledStep(mode).setup(None, model, "fit")
    assert losses(model, x) == pytest.approx(expected, rel=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_a_captured_step_gives_the_same_numbers_on_a_gpu(tmp_path, mode):
    expected = losses(*(part.cuda() for part in make(tmp_path)))
    model, x = (part.cuda() for part in make(tmp_path))
    CompiledStep(mode).setup(None, model, "fit")
    assert losses(model, x) == pytest.approx(expected, rel=1e-4)
