"""What every encoder/decoder pair in conf/net promises."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from omegaconf import DictConfig
from tiny import options

from vae_granularity.errors import ArgumentError
from vae_granularity.nets.base import Network
from vae_granularity.runs.build import create
from vae_granularity.training.config import compose

NETS = options("net")
IMAGES = [n for n in NETS if n != "mlp"]


def build(
    net: str,
    image_shape: tuple[int, ...] = (3, 32, 32),
    latent_dim: int = 4,
    **options: float | str,
) -> Network:
    torch.manual_seed(0)
    return create(config(net, latent_dim), image_shape=image_shape, **options)


@functools.cache
def config(net: str, latent_dim: int) -> DictConfig:
    return compose(
        "train", [f"net={net}", f"model.latent_dim={latent_dim}", "model.granularity=1"]
    ).net


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("image_shape", [(1, 32, 32), (3, 64, 64), (2, 48, 48), (1, 128, 128)])
@pytest.mark.parametrize("latent_dim", [1, 10])
def test_shapes(net, image_shape, latent_dim):
    built = build(net, image_shape, latent_dim, width=0.25)
    x = torch.rand(2, *image_shape)
    mu, logvar = built.encode(x)
    assert mu.shape == logvar.shape == (2, latent_dim)
    output = built.decode(mu)
    assert output.shape == x.shape
    assert bool(output.isfinite().all())


@pytest.mark.parametrize("net", NETS)
def test_capacity_grows_with_width_and_with_depth(net):
    sizes = [build(net, width=width).num_parameters for width in (0.1, 0.5, 1.0, 2.0)]
    assert sizes == sorted(set(sizes))
    depths = [build(net, depth=depth).num_parameters for depth in (1, 2, 3)]
    assert depths == sorted(set(depths))


@pytest.mark.parametrize("latent_dim", [1, 10])
def test_glorot_is_the_initialisation_of_disentanglement_lib(latent_dim):
    """Uniform within sqrt(6 / (fan in + fan out)), where means and log-variances are two layers."""
    torch.manual_seed(0)
    node = config("conv64", latent_dim)
    network = create(node, image_shape=(1, 64, 64), initialisation="glorot")
    layers = [m for m in network.modules() if hasattr(m, "weight")]
    assert len(layers) == 12
    *_, last = network.encoder
    for layer in layers:
        assert not layer.bias.any()
        for weight in layer.weight.chunk(2) if layer is last else [layer.weight]:
            receptive = math.prod(weight.shape[2:])
            bound = math.sqrt(6 / (receptive * (weight.shape[0] + weight.shape[1])))
            assert weight.abs().max() <= bound
            # of a uniform distribution, at least 256 draws
            assert float(weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.15)
    torch.manual_seed(0)
    usual = create(node, image_shape=(1, 64, 64))
    assert usual.encoder[0].bias.any(), "the default is PyTorch's own"


def test_an_initialisation_that_there_is_not_is_named():
    with pytest.raises(ArgumentError, match=r"net.initialisation must be .*'he'"):
        build("conv64", (1, 64, 64), initialisation="he")


@pytest.mark.parametrize("net", NETS)
def test_the_seed_decides_the_initial_weights_and_everything_is_trained(net):
    first, again = build(net), build(net)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.requires_grad
    mu, logvar = first.encode(torch.rand(3, 3, 32, 32))
    (first.decode(mu).square().sum() + logvar.square().sum()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in first.parameters())


@pytest.mark.parametrize("net", NETS)
def test_means_come_before_log_variances(net):
    """Halving: the second half of the encoder's output is log sigma², whatever the network."""
    built = build(net).eval()
    x = torch.rand(2, 3, 32, 32)
    mu, logvar = built.encode(x)
    assert torch.equal(torch.cat((mu, logvar), 1), built.encoder(x))


@pytest.mark.parametrize("net", IMAGES)
@pytest.mark.parametrize(
    "image_shape", [(1, 28, 28), (1, 30, 30), (3, 32, 64), (10,), (0, 32, 32), (1, 0, 0)]
)
def test_an_image_that_does_not_fit_is_named(net, image_shape):
    with pytest.raises(
        ArgumentError,
        match=rf"net={net} needs square images .* multiple of \d+, got shape \({image_shape[0]}",
    ):
        build(net, image_shape)


def test_the_fully_connected_network_takes_any_shape():
    for shape in ((10,), (1, 28, 28), (3, 5, 7)):
        assert build("mlp", shape).decode(torch.zeros(2, 4)).shape == (2, *shape)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    "dials, message", [({"width": 0}, "net.width must be"), ({"depth": 0}, "net.depth must be")]
)
def test_a_dial_out_of_range_is_named(net, dials, message):
    with pytest.raises(ArgumentError, match=message):
        build(net, **dials)


@pytest.mark.parametrize(
    "net, image_shape, parameters",
    [
        # Counted by hand from the papers' tables, D = 10: convolutions, then fully connected
        # layers, encoder and decoder.
        (
            "burgess",
            (1, 64, 64),
            (544 + 3 * 16416)
            + (131328 + 65792 + 5140)
            + (2816 + 65792 + 131584)
            + (3 * 16416 + 513),
        ),
        (
            "conv64",
            (1, 64, 64),
            (544 + 16416 + 8256 + 16448)
            + (262400 + 5140)
            + (2816 + 263168)
            + (65600 + 32800 + 16416 + 513),
        ),
    ],
)
def test_published_networks_have_the_published_size(net, image_shape, parameters):
    assert build(net, image_shape, latent_dim=10).num_parameters == parameters


def test_residual_blocks_start_as_their_skip_path():
    built = build("residual", depth=2)
    x = torch.randn(2, 32, 16, 16)
    for block in built.encoder[1:3]:
        assert torch.equal(block(x), block.skip(x))
        x = block(x)


def test_conv_bn_has_the_layers_and_parameters_of_the_authors_script():
    """Counted from their list of layers: 3x64x64 images, D = 16, nur_num = 1000, layer = 2."""
    convolutions = [(3, 16), (16, 32), (32, 64)]
    encoder = [(64 * 8 * 8, 1000), (1000, 1000), (1000, 1000), (1000, 2 * 16)]
    decoder = [(16, 1000), (1000, 1000), (1000, 1000), (1000, 64 * 8 * 8)]
    linear = sum(n_in * n_out + n_out for n_in, n_out in encoder + decoder)
    # Kernels of 4x4, both ways; batch norm (weight and bias) everywhere but after the last layer.
    kernels = 2 * sum(n_in * n_out * 16 for n_in, n_out in convolutions)
    biases = (16 + 32 + 64) + (32 + 16 + 3)
    norms = 2 * ((16 + 32 + 64) + (32 + 16))
    built = build("conv_bn", (3, 64, 64), latent_dim=16)
    assert built.num_parameters == linear + kernels + biases + norms

    def activations(part: torch.nn.Module) -> list[str]:
        names = ("ReLU", "Tanh", "LeakyReLU")
        return [type(m).__name__ for m in part.modules() if type(m).__name__ in names]

    assert activations(built.encoder) == ["LeakyReLU"] * 3 + ["ReLU"] * 3
    assert activations(built.decoder) == ["Tanh"] * 4 + ["LeakyReLU"] * 2
    # The other reading of "three hidden layers and the output layer with tanh".
    other = build("conv_bn", (3, 64, 64), latent_dim=16, decoder_activation="relu")
    assert activations(other.decoder) == ["ReLU"] * 3 + ["Tanh"] + ["LeakyReLU"] * 2
    assert activations(other.encoder) == activations(built.encoder)
    assert other.num_parameters == built.num_parameters


def test_the_depth_of_conv_bn_deepens_its_encoder_only():
    def linear_layers(part: torch.nn.Module) -> int:
        return sum(isinstance(m, torch.nn.Linear) for m in part.modules())

    layers = [build("conv_bn", depth=depth) for depth in (1, 3, 9)]
    assert [linear_layers(built.encoder) for built in layers] == [2, 4, 10]
    assert [linear_layers(built.decoder) for built in layers] == [4, 4, 4]
