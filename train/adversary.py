"""The adversary of the network: the critics, what they learn from, and how they pull on the network."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from gi_plugin.config import TrainSettings

from .losses.adversarial import Gan, critic_loss, feature_distance, generator_loss, gradient_penalty, r1_penalty
from .model.compiled import compile_critics
from .model.critics import Critics, Verdict, local_crop
from .model.patch_critics import PatchCritics
from .model.precision import low_precision, placed


class Adversary:
    """The critics of a training, with their losses."""

    def __init__(self, settings: TrainSettings, device: torch.device, layout: torch.memory_format, random: torch.Generator) -> None:
        self.settings, self._device, self._random = settings, device, random
        self._gan = cast("Gan", settings.gan)
        critics: nn.Module = PatchCritics() if settings.critic == "patch" else Critics(settings.crop, spectral=settings.gan == "hinge")
        self.critics = placed(critics, device, layout)

    def compile(self) -> None:
        """Compile patch critics; those of the paper stay as they are."""
        if isinstance(self.critics, PatchCritics):
            compile_critics(self.critics)

    def loss(self, image: Tensor, fake: Tensor, mask: Tensor, update: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of the critics on originals and completions, and its terms by name.

        :param update: number of critic updates before this one; R1 is computed at every `r1_every`-th (Karras et al., CVPR 2020).
        """
        verdicts = self._judge(torch.cat((image, fake)), torch.cat((mask, mask)))
        losses = []
        for scores, weights, _ in verdicts:
            real, completed = scores.float().chunk(2)
            losses.append(critic_loss(real, completed, weights.chunk(2)[0], self._gan))
        loss = torch.stack(losses).sum()
        terms, every = {"critic/loss": loss.detach()}, self.settings.r1_every
        if update % every:
            return loss, terms
        penalty = self._penalty(image, fake, mask)
        return loss + every * penalty, {**terms, "critic/penalty": penalty.detach()}

    def pull(self, image: Tensor, fake: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Compute the terms with which the critics train the network: "adversarial", and "features" if they have a weight."""
        self.critics.requires_grad_(requires_grad=False)
        verdicts = self._judge(fake, mask)
        truths = verdicts  # stand-ins where the originals are not needed
        if self.settings.feature_weight or self._gan == "relativistic":
            with torch.no_grad():
                truths = self._judge(image, mask)
        pairs = list(zip(truths, verdicts, strict=True))
        losses = [generator_loss(real.scores.float(), ours.scores.float(), ours.weights, self._gan) for real, ours in pairs]
        terms = {"adversarial": torch.stack(losses).sum()}
        if self.settings.feature_weight:
            terms["features"] = torch.stack([feature_distance(ours.features, real.features) for real, ours in pairs]).mean()
        self.critics.requires_grad_(requires_grad=True)
        return terms

    def _judge(self, picture: Tensor, mask: Tensor) -> tuple[Verdict, ...]:
        with low_precision(self._device, self.settings.precision):
            verdicts: tuple[Verdict, ...] = self.critics(picture, mask)
        return verdicts

    def _penalty(self, image: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        """Compute the weighted penalty on the critics' gradients, in fp32."""
        if self.settings.gan == "wgan-gp" and isinstance(self.critics, Critics):
            return self.settings.gradient_penalty * self._wgan_penalty(self.critics, image, fake, mask)
        if self.settings.r1:
            real = image.detach().requires_grad_()
            verdicts = self.critics.forward(real, mask)  # a compiled call has no second derivatives
            return self.settings.r1 * torch.stack([r1_penalty(scores, weights, real) for scores, weights, _ in verdicts]).sum()
        return image.new_zeros(())

    def _wgan_penalty(self, critics: Critics, image: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
        side = critics.size // 2
        crops = (local_crop(image, mask, side), local_crop(fake, mask, side), local_crop(mask, mask, side))
        penalties = []
        for critic, (real, completed, hole) in ((critics.whole, (image, fake, mask)), (critics.local, crops)):
            mix = torch.rand(len(real), generator=self._random, device=self._device)
            penalties.append(gradient_penalty(critic, real, completed, hole, mix))
        return torch.stack(penalties).sum()
