"""Tests of the terms that settings switch on: values, balance, and that training lowers each of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from gi_plugin.train.data.masks import distance_to_known
from gi_plugin.train.losses.adversarial import feature_distance, r1_penalty
from gi_plugin.train.losses.balance import Balance
from gi_plugin.train.losses.low_frequencies import blur_sigma, low_frequencies
from gi_plugin.train.losses.pasted import pasted_l1
from gi_plugin.train.model.attention import ContextualAttention, recorded_weights
from gi_plugin.train.model.patch_critics import PatchCritic, PatchCritics
from gi_plugin.transfer.schedule import guide_sigma
from tests.train.test_step import SETTINGS, make_batch, make_trainer

pytestmark = pytest.mark.usefixtures("small_critics")


def test_low_frequencies_equal_a_gaussian_filter() -> None:
    """The term is the mean difference in the hole after scipy's Gaussian filter, with the sigma of each sample."""
    mask = torch.zeros(2, 1, 96, 96)
    mask[0, :, 30:66, 30:66], mask[1, :, 20:76, 24:72] = 1, 1
    difference = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * mask
    distance = torch.from_numpy(np.stack([distance_to_known(one[0].numpy() > 0) for one in mask]))[:, None]
    total = 0.0
    for one, hole, far in zip(difference.double().numpy(), mask[:, 0].numpy(), distance, strict=True):
        sigma = guide_sigma(float(far.max()))
        blurred = np.stack([ndimage.gaussian_filter(channel, sigma, mode="constant", truncate=8) for channel in one])
        total += float((np.abs(blurred).mean(axis=0) * hole).sum())
    result = low_frequencies(difference + 0.2, torch.full_like(difference, 0.2), mask, distance)
    assert float(result) == pytest.approx(total / float(mask.sum()), rel=1e-4)


@pytest.mark.parametrize("depth", [1, 20, 30, 64, 119, 128])
def test_the_blur_is_that_of_the_transfer(depth: float) -> None:
    """The sigma of a hole equals the one with which the transfer takes low frequencies from its guide."""
    assert float(blur_sigma(torch.full((1, 1, 2, 2), float(depth)))) == pytest.approx(guide_sigma(depth))


def test_pasting_the_truth_has_no_distance() -> None:
    """Weights that paste every cell onto itself give 0; weights that paste one cell everywhere give its distance to the others."""
    picture, mask = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    mask[..., 16:40, 16:40] = 1
    own = torch.eye(64)[None]
    assert float(pasted_l1(own, picture, mask)) == pytest.approx(0, abs=1e-6)
    assert float(pasted_l1(own.roll(9, 2), picture, mask)) > 0.05
    colour = torch.tensor([0.2, -0.4, 0.6])[None, :, None, None]
    other = torch.where(mask > 0, colour, torch.zeros(1, 3, 64, 64))
    elsewhere = torch.zeros(1, 64, 64)
    elsewhere[..., 54] = 1  # a cell far from the hole, whose colour is 0
    assert float(pasted_l1(elsewhere, other, mask)) == pytest.approx(0.4)


def test_weights_are_recorded_and_the_step_is_restored() -> None:
    """Inside the block each call's weights are recorded, with their graph; afterwards the attention has its old step."""
    attention, features = ContextualAttention(), torch.rand(1, 4, 16, 16).requires_grad_()
    mask, step = torch.zeros(1, 1, 64, 64), attention.step
    mask[..., 24:40, 24:40] = 1
    with recorded_weights(attention) as recorded:
        attention(features.relu(), mask)
    assert attention.step is step
    assert [weights.shape for weights in recorded] == [(1, 64, 64)]
    assert recorded[0].requires_grad


def test_the_balance_makes_every_pull_equal() -> None:
    """After a measurement, each weighted term's gradient on the hole is its weight times as long as the reference's."""
    torch.manual_seed(0)
    pixels, mask = torch.randn(2, 3, 8, 8, requires_grad=True), torch.zeros(2, 1, 8, 8)
    mask[..., 2:6, 2:6] = 1
    free = torch.randn(3, requires_grad=True)
    reference = (pixels.abs() * 3).sum()
    terms = {"a": pixels.square().mean(), "b": (pixels * 100).sin().sum(), "apart": free.square().sum()}
    balance = Balance(("a", "b", "apart"))
    balance.measure(reference, terms, pixels, mask)

    def pull(term: Tensor) -> float:
        return float((torch.autograd.grad(term, pixels, retain_graph=True)[0] * mask).norm())

    for index, (name, weight) in enumerate((("a", 0.5), ("b", 2.0))):
        assert pull(weight * balance.factors[index] * terms[name]) == pytest.approx(weight * pull(reference), rel=1e-4)
    assert float(balance.factors[2]) == 1
    weights = {"a": 0.5, "b": 2.0, "apart": 3.0}
    expected = sum(weights[name] * (balance.factors[index] * terms[name]).item() for index, name in enumerate(terms))
    assert balance.weighted(terms, weights).item() == pytest.approx(expected, rel=1e-5)


def test_r1_of_a_linear_critic() -> None:
    """For scores that are the picture's values times 3 in the counted part, R1 is 9 per score."""
    picture, weights = torch.randn(2, 1, 4, 4, requires_grad=True), torch.zeros(2, 1, 4, 4)
    weights[:, :, :2] = 1
    assert float(r1_penalty(3 * picture, weights, picture).detach()) == pytest.approx(9)


def test_r1_at_every_third_update_has_three_times_the_weight() -> None:
    """With `r1_every` of 3, the updates 0 and 3 have the penalty with three times its weight, and those between have none."""
    trainer, batch = make_trainer(replace(SETTINGS, critic="patch", gan="bce", r1=2.0, r1_every=3)), make_batch()
    image, mask = batch.image, batch.mask
    losses, terms = zip(*(trainer.adversary.loss(image, image.flip(0), mask, update) for update in range(4)), strict=True)
    assert ["critic/penalty" in found for found in terms] == [True, False, False, True]
    assert float(losses[0].detach() - losses[1].detach()) == pytest.approx(3 * float(terms[0]["critic/penalty"]), rel=1e-3)
    plain = make_trainer(replace(SETTINGS, critic="patch", gan="bce", r1=2.0))
    every = plain.adversary.loss(image, image.flip(0), mask, 1)[1]
    assert float(every["critic/penalty"]) == pytest.approx(float(terms[0]["critic/penalty"]))


def test_feature_distance_is_relative() -> None:
    """Features that differ by a fifth of their size in one of two layers have the distance 0.1."""
    real = [torch.full((1, 2, 3, 3), 5.0), torch.full((1, 4, 2, 2), -2.0)]
    assert float(feature_distance([real[0] + 1, real[1]], real)) == pytest.approx(0.1)


def test_patch_critics_see_patches_and_count_those_of_the_hole() -> None:
    """A score depends on 44 px of the picture (2 on each side for its high frequencies); those that touch the hole count, at both sizes."""
    critic, picture = PatchCritic((4, 4, 4, 4)), torch.randn(1, 3, 128, 128, requires_grad=True)
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 64:80, 64:72] = 1
    verdict = critic(picture, mask)
    (gradient,) = torch.autograd.grad(verdict.scores[0, 0, 8, 8], picture)
    touched = gradient.abs().sum(dim=(0, 1)) > 0
    assert (int(touched.any(dim=0).sum()), int(touched.any(dim=1).sum())) == (44, 44)
    assert verdict.weights.nonzero()[:, 2:].tolist() == [[8, 8], [9, 8]]
    full, half = PatchCritics()(picture, mask)
    assert full.scores.shape == full.weights.shape == (1, 1, 16, 16)
    assert half.scores.shape == half.weights.shape == (1, 1, 8, 8)
    assert [features.shape[2] for features in full.features] == [128, 64, 32, 16]


@pytest.mark.parametrize(
    ("term", "change"),
    [
        ("texture", {"texture_weight": 1.0}),
        ("low frequencies", {"low_weight": 1.0}),
        ("attention", {"attention_weight": 20.0}),
        ("features", {"feature_weight": 1.0, "critic": "patch", "gan": "bce", "critic_steps": 1, "adversarial_weight": 0.0}),
        ("adversarial", {"adversarial_weight": 1.0, "critic": "patch", "gan": "bce", "critic_steps": 1}),
        ("adversarial", {"adversarial_weight": 1.0, "critic": "patch", "gan": "relativistic", "critic_steps": 1}),
    ],
)
def test_training_lowers_each_term(term: str, change: dict[str, object]) -> None:
    """Updates of the network on one batch lower each term that its setting switches on: the mean of the last three of ten."""
    common = replace(SETTINGS, texture_weight=0.0, critic_steps=0, hole_weight=0.0, known_weight=0.0, learning_rate=1e-3)
    trainer, batch = make_trainer(replace(common, **change)), make_batch()  # type: ignore[arg-type]
    image = functional.interpolate(batch.image[..., :6, :6], size=(96, 96), mode="bilinear")  # has colours to continue
    values = [float(trainer.generator_step(batch._replace(image=image))[term]) for _ in range(10)]
    assert sum(values[-3:]) / 3 < values[0]
    assert all(np.isfinite(values))


@pytest.mark.parametrize("gan", ["hinge", "bce", "lsgan", "relativistic"])
def test_patch_critics_learn(gan: str) -> None:
    """On one batch whose holes the untrained network fills with its base, ten updates of the patch critics lower their loss."""
    trainer, batch = make_trainer(replace(SETTINGS, critic="patch", gan=gan, r1=0.1, learning_rate=3e-3)), make_batch()
    losses = [float(trainer.critic_step(batch)["critic/loss"]) for _ in range(10)]
    assert losses[-1] < 0.9 * losses[0]
