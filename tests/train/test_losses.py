"""Tests of losses and critics: hand-computed values, numerical derivatives and slow formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gi_plugin.train.losses import adversarial, reconstruction, texture
from gi_plugin.train.losses.adversarial import Gan
from gi_plugin.train.model.critics import Critic, Critics, local_crop


def softplus(value: float) -> float:
    """Compute log(1 + exp(value))."""
    return math.log(1 + math.exp(value))


@pytest.mark.parametrize(("distance", "gamma", "expected"), [(0.0, 0.99, 1.0), (1.0, 0.99, 0.99), (2.0, 0.5, 0.25), (64.0, 0.99, 0.99**64)])
def test_discount_is_gamma_to_the_distance(distance: float, gamma: float, expected: float) -> None:
    """The weight of a pixel is gamma to the power of its distance."""
    assert float(reconstruction.discount_weights(torch.tensor([distance]), gamma)) == pytest.approx(expected)


def test_l1_losses_equal_hand_computed_values() -> None:
    """The hole loss averages the weighted errors of two missing pixels, the known loss the errors of two known pixels."""
    prediction = torch.tensor([[1.0, 2.0], [3.0, 5.0]]).expand(1, 3, 2, 2)
    mask, weights = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]]), torch.tensor([[[[1.0, 0.5], [9.0, 9.0]]]])
    assert float(reconstruction.hole_l1(prediction, torch.zeros(1, 3, 2, 2), mask, weights)) == pytest.approx((1 * 1 + 2 * 0.5) / 2)
    assert float(reconstruction.known_l1(prediction, torch.zeros(1, 3, 2, 2), mask)) == pytest.approx((3 + 5) / 2)


@pytest.mark.parametrize(
    ("gan", "critic", "generator"),
    [
        ("wgan-gp", (-1.0 + 2.0) / 2 - (2.0 + 0.0) / 2, -(-1.0 + 2.0) / 2),
        ("hinge", (0.0 + 1.0) / 2 + (0.0 + 3.0) / 2, -(-1.0 + 2.0) / 2),
        ("lsgan", ((1.0 + 1.0) / 2 + (1.0 + 4.0) / 2) / 2, (4.0 + 1.0) / 2 / 2),
        ("bce", (softplus(-2) + softplus(0) + softplus(-1) + softplus(2)) / 2, (softplus(1) + softplus(-2)) / 2),
        ("relativistic", (softplus(-1 - 2) + softplus(2 - 0)) / 2, (softplus(2 + 1) + softplus(0 - 2)) / 2),
    ],
)
def test_gan_losses_equal_hand_computed_values(gan: Gan, critic: float, generator: float) -> None:
    """The scores 2, 0 of real and -1, 2 of completed pictures give the losses of each GAN's formula; those of weight 0 do not count."""
    real, fake, weights = torch.tensor([2.0, 0.0, 7.0]), torch.tensor([-1.0, 2.0, 7.0]), torch.tensor([1.0, 1.0, 0.0])
    assert float(adversarial.critic_loss(real, fake, weights, gan)) == pytest.approx(critic)
    assert float(adversarial.generator_loss(real, fake, weights, gan)) == pytest.approx(generator)


def test_gradient_penalty_of_a_linear_critic() -> None:
    """For a linear critic, whose gradient is its weight, the penalty is (norm of the weight in the hole - 1)^2."""
    weight = torch.randn(3, 4, 4, dtype=torch.float64)
    mask = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    mask[0, :, :2], mask[1, :, 1:3, 2:] = 1, 1
    pictures = torch.randn(2, 2, 3, 4, 4, dtype=torch.float64)
    penalty = adversarial.gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), pictures[0], pictures[1], mask, torch.tensor([0.2, 0.9]))
    expected = torch.stack([((weight * hole).norm() - 1) ** 2 for hole in mask]).mean()
    assert float(penalty) == pytest.approx(float(expected))


def test_gradient_penalty_against_numerical_derivatives() -> None:
    """For a nonlinear critic, the penalty equals that of central differences at the mixed picture."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    real, fake = torch.randn(2, 1, 3, 2, 2, dtype=torch.float64)
    mask, mix = torch.tensor([[[[1.0, 0.0], [1.0, 1.0]]]], dtype=torch.float64), torch.tensor([0.3], dtype=torch.float64)

    def score(picture: Tensor) -> Tensor:
        value: Tensor = critic(picture)[:, 0]
        return value

    between, slopes = real + 0.3 * (fake - real), torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    for index in range(12):
        delta = torch.zeros(12, dtype=torch.float64)
        delta[index] = 1e-5
        slopes.view(-1)[index] = ((score(between + delta.view_as(between)) - score(between - delta.view_as(between))) / 2e-5).item()
    expected = ((slopes.square() * mask).sum().sqrt() - 1) ** 2
    assert float(adversarial.gradient_penalty(score, real, fake, mask, mix).detach()) == pytest.approx(float(expected), rel=1e-6)


def test_gradient_penalty_is_finite_where_the_gradient_vanishes() -> None:
    """A constant critic gives a penalty of 1 and a finite parameter gradient."""
    scale = torch.zeros((), requires_grad=True)
    penalty = adversarial.gradient_penalty(
        lambda x: (scale * x).sum((1, 2, 3)), torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4), torch.zeros(1)
    )
    penalty.backward()  # type: ignore[no-untyped-call]
    assert float(penalty.detach()) == pytest.approx(1.0, abs=1e-5)
    assert scale.grad is not None
    assert torch.isfinite(scale.grad)


def test_critics_have_the_sizes_of_the_paper() -> None:
    """At 256 px, the global critic has 2,733,441 and the local one 4,339,329 parameters; they share none."""
    critics = Critics(256)
    assert sum(p.numel() for p in critics.parameters()) == 2_733_441 + 4_339_329  # counts a shared parameter only once
    assert sum(p.numel() for p in critics.whole.parameters()) == 2_733_441
    assert sum(p.numel() for p in critics.local.parameters()) == 4_339_329


@pytest.mark.parametrize("spectral", [False, True])
def test_critics_give_one_score_per_picture(spectral: bool) -> None:
    """Both critics return scores [N], with and without spectral normalisation."""
    whole, local = Critics(64, spectral=spectral)(torch.randn(3, 3, 64, 64), torch.zeros(3, 1, 64, 64))
    assert whole.scores.shape == local.scores.shape == (3,)
    assert whole.weights.tolist() == local.weights.tolist() == [1, 1, 1]


def test_spectral_normalisation_covers_every_layer() -> None:
    """With `spectral`, the weight matrix of every layer has the spectral norm 1; without it, none has."""
    torch.manual_seed(0)
    for spectral in (True, False):
        critic = Critic(32, (8, 12, 16, 16), spectral=spectral)
        weights = [layer.weight.detach() for layer in critic.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        norms = torch.stack([torch.linalg.matrix_norm(weight.flatten(1), ord=2) for weight in weights])
        assert len(norms) == 5
        assert ((norms - 1).abs() < 0.05).all() if spectral else ((norms - 1).abs() > 0.05).all()


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
    """A crop is centred on the hole of its own sample and shifted into the picture; without a hole, it is centred in the picture."""
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    picture = torch.stack((rows, columns))[None].repeat(2, 1, 1, 1)
    mask = torch.zeros(2, 1, 32, 32)
    mask[0, :, hole[0] : hole[1], hole[2] : hole[3]] = 1
    mask[1, :, 16, 16] = 1
    crops = local_crop(picture, mask, 8)
    assert (int(crops[0, 0, 0, 0]), int(crops[0, 1, 0, 0])) == expected
    assert (int(crops[1, 0, 0, 0]), int(crops[1, 1, 0, 0])) == (12, 12)


def _patch_distance(first: Tensor, second: Tensor, hole: Tensor, directions: Tensor) -> float:
    """Compute the sliced Wasserstein distance of one sample patch by patch; pixels outside the picture are black.

    :param first: [3, H, W].
    :param second: [3, H, W].
    :param hole: [H, W] bool.
    :param directions: [D, 3, 11, 11].
    """
    projections = []
    for picture in (first, second):
        padded = torch.zeros(3, picture.shape[1] + 10, picture.shape[2] + 10, dtype=picture.dtype)
        padded[:, 5:-5, 5:-5] = picture
        patches = [padded[:, row : row + 11, column : column + 11] for row, column in hole.nonzero().tolist()]
        projections.append((torch.stack(patches).flatten(1) @ directions.flatten(1).T).sort(dim=0).values)
    return float((projections[0] - projections[1]).abs().mean())


def test_texture_equals_the_patchwise_formula() -> None:
    """For two samples with different holes, the loss equals a formula that cuts out every patch at full and at half size."""
    torch.manual_seed(0)
    pictures, targets = torch.rand(2, 2, 3, 12, 10, dtype=torch.float64)
    mask = torch.zeros(2, 1, 12, 10, dtype=torch.float64)
    mask[0, :, 2:8, 4:8], mask[1, :, 4:6, 0:10] = 1, 1
    directions = texture.waves(torch.Generator().manual_seed(5)).double()
    expected = 0.0
    for sample in range(2):
        full = pictures[sample], targets[sample], mask[sample, 0]
        half = [plane.view(*plane.shape[:-2], 6, 2, 5, 2).mean((-3, -1)) for plane in full]
        expected += sum(_patch_distance(a, b, hole == 1, directions) for a, b, hole in (full, half)) / 4
    assert float(texture.texture(pictures, targets, mask, 24, torch.Generator().manual_seed(5))) == pytest.approx(expected, rel=1e-6)


def test_waves_ignore_constant_colour_and_cover_all_frequencies() -> None:
    """Waves have norm 1 and mean 0 per channel, and each quarter of the frequencies has the peaks of at least four of 32 waves."""
    waves = texture.waves(torch.Generator().manual_seed(0))
    assert torch.allclose(waves.flatten(1).norm(dim=1), torch.ones(texture.WAVES))
    assert torch.allclose(waves.mean((2, 3)), torch.zeros(texture.WAVES, 3), atol=1e-6)
    spectrum = torch.fft.fft2(waves.sum(1), s=(64, 64)).abs().flatten(1)
    rows, columns = (torch.fft.fftfreq(64).abs()[index] for index in (spectrum.argmax(1) // 64, spectrum.argmax(1) % 64))
    peaks = torch.hypot(rows, columns)  # cycles per pixel
    assert torch.histc(peaks, bins=4, min=0, max=0.5).min() >= 4


@pytest.mark.parametrize("side", [1, 24], ids=["a hole too thin for half size", "a large hole"])
def test_texture_does_not_depend_on_the_position_of_patches(side: int) -> None:
    """Stripes and the same stripes moved by one to three pixels have distance 0, because the hole covers whole periods.

    Stripes with half of the contrast have a larger distance.
    """
    stripes = torch.sin(torch.arange(48) * torch.pi / 2).expand(1, 3, 24, 48)  # period of 4 px
    mask = torch.zeros(1, 1, 24, 48)
    mask[:, :, 11 : 11 + side, 12:36] = 1
    random = torch.Generator().manual_seed(0)
    for shift in range(4):
        assert float(texture.texture(stripes.roll(shift, -1), stripes, mask, 24 * side, random)) == pytest.approx(0, abs=1e-6)
    assert float(texture.texture(0.5 * stripes, stripes, mask, 24 * side, random)) > 0.02


def test_texture_separates_a_weave_from_grain() -> None:
    """A regular weave is more than three times as far from random grain as other grain of the same contrast."""
    torch.manual_seed(0)
    grain, other = torch.randn(2, 1, 1, 48, 48).expand(2, 1, 3, 48, 48)
    line = torch.sin(torch.arange(48) * torch.pi / 2)
    weave = (line + line[:, None]).expand(1, 3, 48, 48)
    mask = torch.ones(1, 1, 48, 48)
    near, far = (
        float(texture.texture(fake, grain, mask, 48 * 48, torch.Generator().manual_seed(1))) for fake in (other, weave / weave.std())
    )
    assert far > 3 * near
