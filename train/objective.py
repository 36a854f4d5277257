"""The loss of the network: the l1 terms of both stages, and further terms that the settings switch on."""

from __future__ import annotations

import torch
from torch import Tensor

from gi_plugin.config import TrainSettings

from .adversary import Adversary
from .data.pictures import Batch
from .losses.balance import Balance
from .losses.low_frequencies import low_frequencies
from .losses.pasted import pasted_l1
from .losses.reconstruction import discount_weights, hole_l1, known_l1
from .losses.texture import texture
from .model.attention import ContextualAttention, recorded_weights
from .model.network import Completion, InpaintingNetwork
from .model.precision import low_precision


class Objective:
    """Runs the network on a batch and computes its loss."""

    def __init__(self, settings: TrainSettings, device: torch.device, adversary: Adversary, random: torch.Generator) -> None:
        self.settings, self._device, self._adversary, self._random = settings, device, adversary, random
        weights = {
            "texture": settings.texture_weight,
            "low frequencies": settings.low_weight,
            "attention": settings.attention_weight,
            "adversarial": settings.adversarial_weight if settings.critic_steps else 0.0,
            "features": settings.feature_weight if settings.critic_steps else 0.0,
        }
        self._weights = {name: weight for name, weight in weights.items() if weight}
        self.balance = Balance(tuple(self._weights)).to(device)

    def loss(self, network: InpaintingNetwork, batch: Batch, *, measure: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch on the device, and its terms by name.

        :param measure: measure the balance of the terms anew.
        """
        completion, weights = self._run(network, batch)
        l1 = self._l1(completion, batch)
        reference, terms = self._weighted(l1), self._further(network.refinement.attention, completion, batch, weights)
        loss = reference
        if self._weights:
            if measure:
                self.balance.measure(reference, terms, completion.refined, batch.mask)
            loss = loss + self.balance.weighted(terms, self._weights)
        return loss, {**l1, **terms, "loss": loss}

    def _run(self, network: InpaintingNetwork, batch: Batch) -> tuple[Completion, list[Tensor]]:
        attention = network.refinement.attention
        with low_precision(self._device, self.settings.precision):
            if attention is None or "attention" not in self._weights:
                return network(batch.image, batch.mask), []
            with recorded_weights(attention) as weights:
                return network(batch.image, batch.mask), weights

    def _l1(self, completion: Completion, batch: Batch) -> dict[str, Tensor]:
        weights = discount_weights(batch.distance, self.settings.discount)
        terms = {}
        for stage, picture in (("coarse", completion.coarse.float()), ("refined", completion.refined.float())):
            terms[f"l1/{stage} hole"] = hole_l1(picture, batch.image, batch.mask, weights)
            terms[f"l1/{stage} known"] = known_l1(picture, batch.image, batch.mask)
        return terms

    def _weighted(self, l1: dict[str, Tensor]) -> Tensor:
        hole, known = self.settings.hole_weight, self.settings.known_weight
        coarse, refined = (hole * l1[f"l1/{stage} hole"] + known * l1[f"l1/{stage} known"] for stage in ("coarse", "refined"))
        return self.settings.coarse_weight * coarse + refined

    def _further(
        self, attention: ContextualAttention | None, completion: Completion, batch: Batch, weights: list[Tensor]
    ) -> dict[str, Tensor]:
        completed, image, mask = completion.completed.float(), batch.image, batch.mask
        terms = {}
        if "texture" in self._weights:
            largest = int(batch.missing.numpy().max())  # on the host
            terms["texture"] = texture(completed, image, mask, largest, self._random)
        if "low frequencies" in self._weights:
            terms["low frequencies"] = low_frequencies(completed, image, mask, batch.distance)
        if attention is not None and "attention" in self._weights:
            terms["attention"] = pasted_l1(weights[0], image, mask, attention.paste)
        if self.settings.critic_steps:
            terms |= self._adversary.pull(image, completed, mask)
        return terms
