"""Losses and critics against hand-computed cases and numerical derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gi_plugin.train import losses
from gi_plugin.train.losses import Gan
from gi_plugin.train.model.critics import Critics, local_crop


@pytest.mark.parametrize(("distance", "gamma", "expected"), [(0.0, 0.99, 1.0), (1.0, 0.99, 0.99), (2.0, 0.5, 0.25), (64.0, 0.99, 0.99**64)])
def test_discount_is_gamma_to_the_distance(distance: float, gamma: float, expected: float) -> None:
    """The weight of a pixel falls by gamma per pixel of distance."""
    assert float(losses.discount_weights(torch.tensor([distance]), gamma)) == pytest.approx(expected)


def test_l1_terms_by_hand() -> None:
    """Two missing and two known pixels with errors that can be added up on paper."""
    prediction = torch.tensor([[1.0, 2.0], [3.0, 5.0]]).expand(1, 3, 2, 2)
    mask, weights = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]]), torch.tensor([[[[1.0, 0.5], [9.0, 9.0]]]])
    assert float(losses.hole_l1(prediction, torch.zeros(1, 3, 2, 2), mask, weights)) == pytest.approx((1 * 1 + 2 * 0.5) / 2)
    assert float(losses.known_l1(prediction, torch.zeros(1, 3, 2, 2), mask)) == pytest.approx((3 + 5) / 2)


@pytest.mark.parametrize(
    ("gan", "critic", "generator"),
    [
        ("wgan-gp", (-1.0 + 3.0) / 2 - (2.0 + 0.0) / 2, -(-1.0 + 3.0) / 2),
        ("hinge", (0.0 + 1.0) / 2 + (0.0 + 4.0) / 2, -(-1.0 + 3.0) / 2),
        ("lsgan", ((1.0 + 1.0) / 2 + (1.0 + 9.0) / 2) / 2, (4.0 + 4.0) / 2 / 2),
    ],
)
def test_gan_losses_by_hand(gan: Gan, critic: float, generator: float) -> None:
    """Scores 2 and 0 for real pictures, -1 and 3 for completed ones."""
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 3.0])
    assert float(losses.critic_loss(real, fake, gan)) == pytest.approx(critic)
    assert float(losses.generator_loss(fake, gan)) == pytest.approx(generator)


def test_gradient_penalty_of_a_linear_critic() -> None:
    """A linear critic's gradient is its weight: the penalty is (norm of the weight over the hole - 1)^2."""
    weight = torch.randn(3, 4, 4, dtype=torch.float64)
    mask = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    mask[0, :, :2], mask[1, :, 1:3, 2:] = 1, 1
    pictures = torch.randn(2, 2, 3, 4, 4, dtype=torch.float64)
    penalty = losses.gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), pictures[0], pictures[1], mask, torch.tensor([0.2, 0.9]))
    expected = torch.stack([((weight * hole).norm() - 1) ** 2 for hole in mask]).mean()
    assert float(penalty) == pytest.approx(float(expected))


def test_gradient_penalty_against_numerical_derivatives() -> None:
    """For a curved critic the input gradient is that of central differences at the mixed picture."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    real, fake = torch.randn(2, 1, 3, 2, 2, dtype=torch.float64)
    mask, mix = torch.tensor([[[[1.0, 0.0], [1.0, 1.0]]]], dtype=torch.float64), torch.tensor([0.3], dtype=torch.float64)

    def score(picture: Tensor) -> Tensor:
        value: Tensor = critic(picture)[:, 0]
        return value

    between, slopes = real + 0.3 * (fake - real), torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    for index in range(12):
        nudge = torch.zeros(12, dtype=torch.float64)
        nudge[index] = 1e-5
        slopes.view(-1)[index] = ((score(between + nudge.view_as(between)) - score(between - nudge.view_as(between))) / 2e-5).item()
    expected = ((slopes.square() * mask).sum().sqrt() - 1) ** 2
    assert float(losses.gradient_penalty(score, real, fake, mask, mix).detach()) == pytest.approx(float(expected), rel=1e-6)


def test_gradient_penalty_is_finite_where_the_gradient_vanishes() -> None:
    """The root has an epsilon under it: a constant critic gives a penalty of 1 and finite parameter gradients."""
    scale = torch.zeros((), requires_grad=True)
    penalty = losses.gradient_penalty(
        lambda x: (scale * x).sum((1, 2, 3)), torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4), torch.zeros(1)
    )
    penalty.backward()  # type: ignore[no-untyped-call]
    assert float(penalty.detach()) == pytest.approx(1.0, abs=1e-5)
    assert scale.grad is not None
    assert torch.isfinite(scale.grad)


def test_critics_have_the_sizes_of_the_paper() -> None:
    """Global 2,733,441 and local 4,339,329 parameters at 256 px, and no weights in common."""
    critics = Critics(256)
    assert sum(p.numel() for p in critics.whole.parameters()) == 2_733_441
    assert sum(p.numel() for p in critics.local.parameters()) == 4_339_329


@pytest.mark.parametrize("spectral", [False, True])
def test_critics_give_one_score_per_picture(spectral: bool) -> None:
    """Scores [N] from both; with spectral norm the score changes little with the picture."""
    whole, local = Critics(64, spectral=spectral)(torch.randn(3, 3, 64, 64), torch.zeros(3, 1, 64, 64))
    assert whole.shape == local.shape == (3,)


@pytest.mark.parametrize(
    ("hole", "expected"),
    [
        ((10, 14, 4, 8), (8, 2)),
        ((0, 2, 0, 2), (0, 0)),
        ((30, 32, 28, 32), (24, 24)),
        ((0, 0, 0, 0), (12, 12)),
    ],
)
def test_local_crop_follows_each_hole(hole: tuple[int, int, int, int], expected: tuple[int, int]) -> None:
    """The crop is centred on the sample's hole, shifted into the picture; without a hole it is the middle."""
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    picture = torch.stack((rows, columns))[None].repeat(2, 1, 1, 1)
    mask = torch.zeros(2, 1, 32, 32)
    mask[0, :, hole[0] : hole[1], hole[2] : hole[3]] = 1
    mask[1, :, 16, 16] = 1
    crops = local_crop(picture, mask, 8)
    assert (int(crops[0, 0, 0, 0]), int(crops[0, 1, 0, 0])) == expected
    assert (int(crops[1, 0, 0, 0]), int(crops[1, 1, 0, 0])) == (12, 12)


def _patch_distance(first: Tensor, second: Tensor, hole: Tensor, directions: Tensor) -> float:
    """The sliced Wasserstein distance of one sample, patch by patch: [3, H, W] twice, [H, W], [D, 3, 11, 11]; outside is black."""
    projections = []
    for picture in (first, second):
        padded = torch.zeros(3, picture.shape[1] + 10, picture.shape[2] + 10, dtype=picture.dtype)
        padded[:, 5:-5, 5:-5] = picture
        patches = [padded[:, row : row + 11, column : column + 11] for row, column in hole.nonzero().tolist()]
        projections.append((torch.stack(patches).flatten(1) @ directions.flatten(1).T).sort(dim=0).values)
    return float((projections[0] - projections[1]).abs().mean())


def test_texture_against_the_patches_themselves() -> None:
    """Two samples with holes of different shape, at full and at half size, against a formula that cuts out every patch."""
    torch.manual_seed(0)
    pictures, targets = torch.rand(2, 2, 3, 12, 10, dtype=torch.float64)
    mask = torch.zeros(2, 1, 12, 10, dtype=torch.float64)
    mask[0, :, 2:8, 4:8], mask[1, :, 4:6, 0:10] = 1, 1
    directions = losses.waves(torch.Generator().manual_seed(5)).double()
    expected = 0.0
    for sample in range(2):
        full = pictures[sample], targets[sample], mask[sample, 0]
        half = [plane.view(*plane.shape[:-2], 6, 2, 5, 2).mean((-3, -1)) for plane in full]
        expected += sum(_patch_distance(a, b, hole == 1, directions) for a, b, hole in (full, half)) / 4
    assert float(losses.texture(pictures, targets, mask, torch.Generator().manual_seed(5))) == pytest.approx(expected, rel=1e-6)


def test_waves_ignore_colour_and_tell_frequencies_apart() -> None:
    """Norm 1, mean 0 per channel; a quarter of them answers most to each quarter of the frequencies."""
    waves = losses.waves(torch.Generator().manual_seed(0))
    assert torch.allclose(waves.flatten(1).norm(dim=1), torch.ones(losses.WAVES))
    assert torch.allclose(waves.mean((2, 3)), torch.zeros(losses.WAVES, 3), atol=1e-6)
    spectrum = torch.fft.fft2(waves.sum(1), s=(64, 64)).abs().flatten(1)
    rows, columns = (torch.fft.fftfreq(64).abs()[index] for index in (spectrum.argmax(1) // 64, spectrum.argmax(1) % 64))
    frequencies = torch.hypot(rows, columns)
    assert float(frequencies.min()) < 0.13
    assert float(frequencies.max()) > 0.37


@pytest.mark.parametrize("side", [1, 24], ids=["a hole too thin for half size", "a large hole"])
def test_texture_does_not_care_where_a_patch_is(side: int) -> None:
    """A striped picture and the same moved by its period have the same patches, a blurred one has not; an equal one has distance 0."""
    stripes = torch.sin(torch.arange(24) * torch.pi / 2).expand(1, 3, 24, 24)
    mask = torch.zeros(1, 1, 24, 24)
    mask[:, :, 11 : 11 + side, 4:20] = 1
    random = torch.Generator().manual_seed(0)
    assert float(losses.texture(stripes, stripes, mask, random)) == 0
    assert float(losses.texture(stripes.roll(4, -1), stripes, mask, random)) == pytest.approx(0, abs=1e-6)
    assert float(losses.texture(0.5 * stripes, stripes, mask, random)) > 0.02


def test_texture_tells_a_weave_from_grain() -> None:
    """Of two pictures with the contrast of the original's grain, other grain is much nearer than a regular weave."""
    torch.manual_seed(0)
    grain, other = torch.randn(2, 1, 1, 48, 48).expand(2, 1, 3, 48, 48)
    line = torch.sin(torch.arange(48) * torch.pi / 2)
    weave = (line + line[:, None]).expand(1, 3, 48, 48)
    mask = torch.ones(1, 1, 48, 48)
    near, far = (float(losses.texture(fake, grain, mask, torch.Generator().manual_seed(1))) for fake in (other, weave / weave.std()))
    assert far > 3 * near
