"""The training steps of Algorithm 1 of the paper: update the critics, update the generator."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributed import all_reduce, get_world_size, is_initialized

from gi_plugin.config import TrainSettings

from .data.pictures import Batch
from .losses.adversarial import Gan, critic_loss, generator_loss, gradient_penalty
from .losses.reconstruction import discount_weights, hole_l1, known_l1
from .losses.texture import texture
from .model.compiled import compile_blocks
from .model.critics import Critics, local_crop
from .model.network import Completion, InpaintingNetwork
from .model.precision import placed


class Trainer:
    """State of a training: network, critics, their optimisers, and the running average of the network.

    A step reads no value from the device and makes nothing on the host, so that a GPU never waits for its next work.
    """

    def __init__(self, network: InpaintingNetwork, settings: TrainSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        torch.manual_seed(settings.seed)
        self.network = placed(network, device, layout)
        self.critics = placed(Critics(settings.crop, spectral=settings.gan == "hinge"), device, layout)
        self.average = placed(InpaintingNetwork(network.settings), device, layout).requires_grad_(requires_grad=False)
        self.average.load_state_dict(network.state_dict())
        self.optimizer, self.critic_optimizer = (self._adam(module) for module in (self.network, self.critics))
        self.mix = torch.Generator(device).manual_seed(settings.seed)  # random numbers of the gradient penalty and the texture loss
        self._layout = layout
        if settings.compile == "on" or (settings.compile == "auto" and device.type == "cuda"):
            compile_blocks(self.network)

    def critic_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update both critics once, and return their loss and gradient penalty by name."""
        image, mask = self._to_device(batch.image), self._to_device(batch.mask)
        with torch.no_grad(), self._autocast():
            fake = self.network(image, mask).completed.float()
        with self._autocast():
            scores = self.critics(torch.cat((image, fake)), torch.cat((mask, mask)))
        gan = cast("Gan", self.settings.gan)
        pairs = [score.float().chunk(2) for score in scores]
        loss = torch.stack([critic_loss(real, completed, gan) for real, completed in pairs]).sum()
        penalty = self._penalty(image, fake, mask) if gan == "wgan-gp" else torch.zeros((), device=self.device)
        self._update(self.critic_optimizer, self.critics, loss + self.settings.gradient_penalty * penalty)
        return {"critic/loss": loss.detach(), "critic/penalty": penalty.detach()}

    def generator_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the network and its running average once, and return the terms of the loss by name."""
        self.optimizer.zero_grad(set_to_none=True)
        totals: dict[str, Tensor] = {}
        for part in _parts(batch, self.settings.accumulate):
            loss, terms = self._generator_loss(part)
            (loss / self.settings.accumulate).backward()
            totals = {name: totals.get(name, 0) + value.detach() / self.settings.accumulate for name, value in terms.items()}
        _average_gradients(self.network.parameters())
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_([*self.average.parameters()], [*self.network.parameters()], 1 - self.settings.ema)
        return totals

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of both optimisers."""
        for optimizer in (self.optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = rate

    def complete(self, batch: Batch) -> Completion:
        """Run the averaged network on a batch, without gradients, in the precision of the training."""
        with torch.no_grad(), self._autocast():
            completion: Completion = self.average(self._to_device(batch.image), self._to_device(batch.mask))
        return completion

    def _generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        image, mask, distance = (self._to_device(plane) for plane in batch[:3])
        weights = discount_weights(distance, self.settings.discount)
        with self._autocast():
            completion = self.network(image, mask)
        terms = {}
        for stage, picture in (("coarse", completion.coarse.float()), ("refined", completion.refined.float())):
            terms[f"l1/{stage} hole"] = hole_l1(picture, image, mask, weights)
            terms[f"l1/{stage} known"] = known_l1(picture, image, mask)
        stages = {"coarse": self.settings.coarse_weight, "refined": 1.0}
        loss = sum(
            (
                weight * (self.settings.hole_weight * terms[f"l1/{stage} hole"] + self.settings.known_weight * terms[f"l1/{stage} known"])
                for stage, weight in stages.items()
            ),
            torch.zeros((), device=self.device),
        )
        if self.settings.texture_weight:
            terms["texture"] = texture(completion.completed.float(), image, mask, _largest(batch), self.mix)
            loss = loss + self.settings.texture_weight * terms["texture"]
        if self.settings.critic_steps:
            terms["adversarial"] = self._adversarial(completion.completed.float(), mask)
            loss = loss + self.settings.adversarial_weight * terms["adversarial"]
        return loss, {**terms, "loss": loss}

    def _adversarial(self, fake: Tensor, mask: Tensor) -> Tensor:
        self.critics.requires_grad_(requires_grad=False)
        with self._autocast():
            scores = self.critics(fake, mask)
        self.critics.requires_grad_(requires_grad=True)
        return torch.stack([generator_loss(score.float(), cast("Gan", self.settings.gan)) for score in scores]).sum()

    def _penalty(self, image: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        side = self.critics.size // 2
        crops = (local_crop(image, mask, side), local_crop(fake, mask, side), local_crop(mask, mask, side))
        penalties = []
        for critic, (real, completed, hole) in ((self.critics.whole, (image, fake, mask)), (self.critics.local, crops)):
            mix = torch.rand(len(real), generator=self.mix, device=self.device)
            penalties.append(gradient_penalty(critic, real, completed, hole, mix))
        return torch.stack(penalties).sum()

    def _update(self, optimizer: torch.optim.Optimizer, module: nn.Module, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        _average_gradients(module.parameters())
        optimizer.step()

    def _adam(self, module: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(module.parameters(), self.settings.learning_rate, (self.settings.beta1, self.settings.beta2), fused=True)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.settings.precision == "bf16" else nullcontext()

    def _to_device(self, plane: Tensor) -> Tensor:
        return plane.to(self.device, memory_format=self._layout, non_blocking=True)


def _parts(batch: Batch, count: int) -> Iterable[Batch]:
    return (Batch(*planes) for planes in zip(*(plane.chunk(count) for plane in batch), strict=True))


def _largest(batch: Batch) -> int:
    """Return the number of missing pixels of the sample with the largest hole; `missing` is on the host."""
    return int(batch.missing.numpy().max())


def _average_gradients(parameters: Iterable[Tensor]) -> None:
    """Average the gradients over the processes of a distributed run; do nothing in a single process."""
    if not is_initialized():
        return
    for parameter in parameters:
        if parameter.grad is not None:
            all_reduce(parameter.grad)
            parameter.grad /= get_world_size()
