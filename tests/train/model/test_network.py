"""Tests of the network and of the smooth base: parameters, shapes, ranges, and which pixels they use."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gi_plugin.train.model.network import Completion, InpaintingNetwork, NetworkSettings
from gi_plugin.train.model.smooth_base import SmoothBase
from tests.train.operations import Operations

SETTINGS = [NetworkSettings(width=8, fill=fill, attention=attention) for fill in ("smooth", "grey") for attention in (True, False)]  # type: ignore[arg-type]


def _sample(height: int = 80, width: int = 104, count: int = 2) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    mask = torch.zeros(count, 1, height, width)
    mask[0, :, 16:48, 20:60] = 1
    return torch.rand(count, 3, height, width, generator=random) * 2 - 1, mask


def _run(settings: NetworkSettings, image: Tensor, mask: Tensor) -> Completion:
    torch.manual_seed(0)
    network = InpaintingNetwork(settings)
    for parameter in network.parameters():  # the last layers start at zero, and all outputs would be equal
        parameter.data += 0.02 * torch.randn_like(parameter)
    completion: Completion = network(image, mask)
    return completion


def test_parameter_count_is_that_of_the_paper() -> None:
    """The number of parameters is that of the published code, 3,601,542, minus the weights of its fifth, constant input channel."""
    assert sum(parameter.numel() for parameter in InpaintingNetwork().parameters()) == 3_601_542 - 3 * 5 * 5 * 32


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_shapes_range_and_known_pixels(settings: NetworkSettings) -> None:
    """Outputs have the documented shape and range, and `completed` keeps the known pixels."""
    image, mask = _sample()
    coarse, refined, completed, matches = _run(settings, image, mask)
    assert coarse.shape == refined.shape == completed.shape == image.shape
    assert matches.shape == (2, 10 * 13)
    assert max(coarse.abs().max(), refined.abs().max()) <= 1
    assert torch.equal(completed * (1 - mask), image * (1 - mask))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_values_inside_the_hole_are_ignored(settings: NetworkSettings) -> None:
    """Other pixel values inside the hole give the same output."""
    image, mask = _sample()
    other = torch.where(mask > 0, torch.full_like(image, 0.77), image)
    assert torch.equal(_run(settings, image, mask).completed, _run(settings, other, mask).completed)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_parameter_is_trained(settings: NetworkSettings) -> None:
    """A loss on both stages has a nonzero gradient for every parameter."""
    image, mask = _sample()
    torch.manual_seed(0)
    network = InpaintingNetwork(settings)
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    completion = network(image, mask)
    (completion.coarse.square().mean() + completion.refined.square().mean()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_an_untrained_network_returns_the_smooth_base() -> None:
    """With `fill = "smooth"`, an untrained network fills the hole with the smooth base."""
    image, mask = _sample()
    completed = InpaintingNetwork(NetworkSettings(width=8))(image, mask).completed
    torch.testing.assert_close(completed, image * (1 - mask) + SmoothBase()(image, mask) * mask)


def test_smooth_base_approaches_the_solution_of_the_heat_equation() -> None:
    """In the hole of a linear ramp, the base has less than a fifth of the error of the mean."""
    ramp = torch.linspace(-1, 1, 128).expand(1, 3, 128, 128)
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 40:88, 40:88] = 1
    error = (SmoothBase()(ramp, mask) - ramp).abs()[..., 40:88, 40:88].mean()
    assert error < 0.2 * ramp[..., 40:88, 40:88].abs().mean()


@pytest.mark.parametrize("hole", [(0, 128), (0, 64), (100, 128)])
def test_smooth_base_keeps_the_range_of_the_known_values(hole: tuple[int, int]) -> None:
    """The base ignores the values in the hole and stays within [-1, 1] like the known values; without a known pixel it is 0."""
    image, _ = _sample(128, 128)
    mask = torch.zeros(2, 1, 128, 128)
    mask[:, :, hole[0] : hole[1]] = 1
    base = SmoothBase()(torch.where(mask > 0, torch.full_like(image, 9.0), image), mask)
    assert base.abs().max() <= 1
    assert bool(base.any()) == (hole != (0, 128))


def test_smooth_base_of_a_known_picture_is_its_low_pass() -> None:
    """Without a hole, the base is the bilinear interpolation of averages over cells of 8 px."""
    image, _ = _sample(64, 64)
    cells = torch.nn.functional.avg_pool2d(image, 8)
    expected = torch.nn.functional.interpolate(cells, size=(64, 64), mode="bilinear", align_corners=False)
    torch.testing.assert_close(SmoothBase()(image, torch.zeros(2, 1, 64, 64)), expected)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_network_makes_nothing_on_the_host(settings: NetworkSettings) -> None:
    """A forward pass makes no tensor from values of the host, reads none back, and leaves its device for no step."""
    network, inputs = InpaintingNetwork(settings).to("meta"), [plane.to("meta") for plane in _sample()]
    with torch.inference_mode(), Operations() as operations:
        network(*inputs)
    assert operations.devices == {"meta"}
    assert operations.waits == set()
