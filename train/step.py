"""The training steps of Algorithm 1 of the paper: update the critics, update the generator."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gi_plugin.config import TrainSettings

from .adversary import Adversary
from .data.pictures import Batch
from .distributed import average_gradients
from .losses.balance import EVERY
from .model.compiled import compile_blocks, is_compiled
from .model.network import Completion, InpaintingNetwork
from .model.precision import low_precision, placed
from .objective import Objective


class Trainer:
    """State of a training: network, critics, their optimisers, and the running average of the network.

    A step reads no value from the device and makes nothing on the host, so that a GPU never waits for its next work.
    """

    def __init__(self, network: InpaintingNetwork, settings: TrainSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.updates = self.critic_updates = 0  # of the generator, of the critics
        self._layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        torch.manual_seed(settings.seed)
        self.random = torch.Generator(device).manual_seed(settings.seed)  # of the gradient penalty and the texture loss
        self.network = placed(network, device, self._layout)
        self.adversary = Adversary(settings, device, self._layout, self.random)
        self.average = placed(InpaintingNetwork(network.settings), device, self._layout).requires_grad_(requires_grad=False)
        self.average.load_state_dict(network.state_dict())
        self.optimizer, self.critic_optimizer = (self._adam(module) for module in (self.network, self.adversary.critics))
        torch.backends.cudnn.benchmark = device.type == "cuda"  # the shapes of a run repeat
        self.objective = Objective(settings, device, self.adversary, self.random)
        self._compiled = is_compiled(settings, device)
        if self._compiled:
            compile_blocks(self.network)
            self.adversary.compile()

    def critic_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update both critics once, and return their loss and gradient penalty by name."""
        image, mask = self._to_device(batch.image), self._to_device(batch.mask)
        # with gradients, a compiled network runs in the form of the generator step; without them it would be compiled once more
        with torch.set_grad_enabled(self._compiled), low_precision(self.device, self.settings.precision):
            fake = self.network(image, mask).completed.float().detach()
        loss, terms = self.adversary.loss(image, fake, mask, self.critic_updates)
        self.critic_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.adversary.critics.parameters())
        self.critic_optimizer.step()
        self.critic_updates += 1
        return terms

    def generator_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the network and its running average once, and return the terms of the loss by name."""
        self.optimizer.zero_grad(set_to_none=True)
        totals: dict[str, Tensor] = {}
        measure = self.settings.balance and self.updates % EVERY == 0
        for part in _parts(batch, self.settings.accumulate):
            image, mask, distance = (self._to_device(plane) for plane in (part.image, part.mask, part.distance))
            placed_part = part._replace(image=image, mask=mask, distance=distance)
            loss, terms = self.objective.loss(self.network, placed_part, measure=measure)
            (loss / self.settings.accumulate).backward()
            totals = {name: totals.get(name, 0) + value.detach() / self.settings.accumulate for name, value in terms.items()}
            measure = False
        average_gradients(self.network.parameters())
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_([*self.average.parameters()], [*self.network.parameters()], 1 - self.settings.ema)
        self.updates += 1
        return totals

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of both optimisers."""
        for optimizer in (self.optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = rate

    def complete(self, batch: Batch) -> Completion:
        """Run the averaged network on a batch, without gradients, in the precision of the training."""
        with torch.no_grad(), low_precision(self.device, self.settings.precision):
            completion: Completion = self.average(self._to_device(batch.image), self._to_device(batch.mask))
        return completion

    def _adam(self, module: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(module.parameters(), self.settings.learning_rate, (self.settings.beta1, self.settings.beta2), fused=True)

    def _to_device(self, plane: Tensor) -> Tensor:
        return plane.to(self.device, memory_format=self._layout, non_blocking=True)


def _parts(batch: Batch, count: int) -> Iterator[Batch]:
    return (Batch(*planes) for planes in zip(*(plane.chunk(count) for plane in batch), strict=True))
