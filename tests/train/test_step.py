"""Tests of a training step: it never waits for a GPU, and its fast parts equal the plain ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, fx, nn

from gi_plugin.config import TrainSettings
from gi_plugin.train.data.pictures import Batch
from gi_plugin.train.model.compiled import compile_blocks, compile_critics
from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings
from gi_plugin.train.model.patch_critics import PatchCritics
from gi_plugin.train.step import Trainer
from tests.train.operations import waits_of

SETTINGS = TrainSettings(width=8, crop=96, batch=2, critic_steps=1, texture_weight=0.5, learning_rate=1e-3)
CHANGES: list[dict[str, object]] = [
    {},
    {"gan": "hinge", "precision": "bf16"},
    {"gan": "lsgan", "accumulate": 2},
    {"critic_steps": 0, "attention": False, "fill": "grey"},
    {"critic": "patch", "gan": "bce", "r1": 1.0, "feature_weight": 1.0, "balance": True},
    {"low_weight": 1.0, "attention_weight": 1.0, "balance": True},
]

pytestmark = pytest.mark.usefixtures("small_critics")


def make_batch(side: int = 96, count: int = 2) -> Batch:
    """Random pictures with one square hole each, of different sizes."""
    random = torch.Generator().manual_seed(0)
    mask = torch.zeros(count, 1, side, side)
    for index in range(count):
        mask[index, :, 20 : 50 + 8 * index, 30 : 60 + 4 * index] = 1
    image = torch.rand(count, 3, side, side, generator=random) * 2 - 1
    return Batch(image, mask, mask * 5, torch.zeros(count, dtype=torch.int64), mask.sum((1, 2, 3)).long())


def make_trainer(settings: TrainSettings) -> Trainer:
    """A trainer on the CPU with a new network, the same in every order of the tests."""
    torch.manual_seed(1)
    return Trainer(InpaintingNetwork(NetworkSettings.of(settings)), settings, torch.device("cpu"))


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_step_never_waits_for_the_device(change: dict[str, object]) -> None:
    """The updates of critics and network read no value, make no constant on the host, and no result's size depends on values."""
    trainer, batch = make_trainer(replace(SETTINGS, **change)), make_batch()  # type: ignore[arg-type]
    waits = waits_of(lambda: trainer.generator_step(batch))
    if trainer.settings.critic_steps:
        waits |= waits_of(lambda: trainer.critic_step(batch))
    assert waits == set()


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_fused_optimiser_equals_adam(channels_last: bool) -> None:
    """Two steps move every parameter by Adam's formula, in both memory layouts."""
    trainer = make_trainer(replace(SETTINGS, critic_steps=0, channels_last=channels_last))
    network, moments = trainer.network, [(torch.zeros_like(p), torch.zeros_like(p)) for p in trainer.network.parameters()]
    for step in (1, 2):
        before = [parameter.detach().clone() for parameter in network.parameters()]
        trainer.generator_step(make_batch())
        for old, new, (first, second) in zip(before, network.parameters(), moments, strict=True):
            assert new.grad is not None
            first.lerp_(new.grad, 0.5)
            second.lerp_(new.grad.square(), 0.1)
            expected = old - 1e-3 * (first / (1 - 0.5**step)) / ((second / (1 - 0.9**step)).sqrt() + 1e-8)
            torch.testing.assert_close(new.detach(), expected, rtol=1e-4, atol=1e-6)


def test_the_average_follows_the_network() -> None:
    """After a step, the averaged parameters have moved by 1 - ema of the way to the new ones."""
    trainer = make_trainer(replace(SETTINGS, critic_steps=0, ema=0.9))
    before = [parameter.clone() for parameter in trainer.average.parameters()]
    trainer.generator_step(make_batch())
    for old, average, current in zip(before, trainer.average.parameters(), trainer.network.parameters(), strict=True):
        torch.testing.assert_close(average, 0.9 * old + 0.1 * current.detach())


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of tensors that torch.compile looks at
def test_compiled_blocks_equal_the_network() -> None:
    """Compiled blocks hold every convolution; outputs and gradients are those of the plain network, and parameters keep their names."""
    graphs: list[fx.GraphModule] = []

    def backend(graph: fx.GraphModule, _: list[Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    results: list[list[Tensor]] = []
    names = set()
    for compiled in (False, True):
        torch.manual_seed(0)
        network = InpaintingNetwork(NetworkSettings(width=8))
        for parameter in network.parameters():  # the last layers start at zero, and nothing would depend on the others
            parameter.data += 0.02 * torch.randn_like(parameter)
        if compiled:
            compile_blocks(network, backend)
        batch = make_batch()
        completion = network(batch.image, batch.mask)
        completion.refined.square().sum().backward()
        results.append([completion.refined.detach(), *(p.grad for p in network.parameters() if p.grad is not None)])
        names.add(tuple(network.state_dict()))
    assert len(names) == 1
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(plain, fast, rtol=1e-4, atol=1e-4)
    convolutions = [node for graph in graphs for node in graph.graph.nodes if node.target is torch.conv2d]
    assert len(convolutions) == sum(isinstance(module, nn.Conv2d) for module in network.modules())


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of tensors that torch.compile looks at
def test_compiled_critics_equal_the_critics() -> None:
    """With compiled patch critics, the losses of critics and network and the gradients of both are the plain ones, with R1, too."""
    results: list[list[Tensor]] = []
    for compiled in (False, True):
        trainer, batch = make_trainer(replace(SETTINGS, critic="patch", gan="relativistic", r1=1.0, feature_weight=1.0)), make_batch()
        if compiled:
            compile_critics(cast("PatchCritics", trainer.adversary.critics), "aot_eager")  # has no second derivatives, as "inductor"
        fake = batch.image.flip(0).requires_grad_()
        loss, terms = trainer.adversary.loss(batch.image, fake.detach(), batch.mask, 0)
        loss.backward()  # type: ignore[no-untyped-call]
        pulls = trainer.adversary.pull(batch.image, fake, batch.mask)
        torch.stack([*pulls.values()]).sum().backward()  # type: ignore[no-untyped-call]
        assert fake.grad is not None
        gradients = [parameter.grad for parameter in trainer.adversary.critics.parameters() if parameter.grad is not None]
        results.append([loss.detach(), *terms.values(), *(pull.detach() for pull in pulls.values()), fake.grad, *gradients])
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(plain, fast, rtol=1e-4, atol=1e-5)
