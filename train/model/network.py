"""The coarse-to-fine generator of the paper (section 3.1 and its supplementary table): two stages, mirror padding, ELU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gi_plugin.config import TrainSettings

from .attention import ContextualAttention
from .smooth_base import smooth_base

BaseFill = Literal["smooth", "grey"]
DILATIONS = (2, 4, 8, 16)


@dataclass(frozen=True)
class NetworkSettings:
    """What distinguishes one network from another before training; stored in the network file."""

    width: int = 32  # channels of the first layer; every other width is a multiple of it
    attention: bool = True  # False: the paper's baseline without contextual attention
    fill: BaseFill = "smooth"  # "grey" is the paper's empty hole; "smooth" adds detail to `smooth_base`

    @classmethod
    def of(cls, settings: TrainSettings) -> NetworkSettings:
        """The network that a training run with `settings` trains."""
        return cls(settings.width, settings.attention, settings.fill)  # type: ignore[arg-type]  # checked by the configuration


class Completion(NamedTuple):
    """What the network returns; every picture is [N, 3, H, W] in [-1, 1]."""

    coarse: Tensor  # first stage, whole picture
    refined: Tensor  # second stage, whole picture
    completed: Tensor  # second stage in the hole, input elsewhere
    matches: Tensor  # [N, H/8 * W/8] int64, best-matching background cell of every cell


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A mirror-padded convolution that keeps the size (divides it by the stride), with zero bias.

    Glorot-uniform like the published code; where shape and width stay, the identity plus a quarter of that, as for the context module
    of Yu and Koltun (ICLR 2016, section 3): the long dilated stacks then pass pictures on from the first step.
    """
    padding = dilation * (kernel // 2)
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, padding_mode="reflect")
    keeps = inputs == outputs and stride == 1
    nn.init.xavier_uniform_(layer.weight, gain=0.25 if keeps else 1.0)
    if keeps:
        with torch.no_grad():
            layer.weight += nn.init.dirac_(torch.empty_like(layer.weight))
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # built with a bias
    return layer


class Convolutions(nn.Sequential):
    """Convolutions, each followed by an ELU; the last activation can be a ReLU."""

    def __init__(self, *layers: nn.Conv2d, last: nn.Module | None = None) -> None:
        activations = [*(nn.ELU() for _ in layers[:-1]), last or nn.ELU()]
        super().__init__(*(module for pair in zip(layers, activations, strict=True) for module in pair))


class Upsampled(nn.Module):
    """Double the size by repeating pixels, then convolve."""

    def __init__(self, *layers: nn.Conv2d) -> None:
        super().__init__()
        self.convolutions = Convolutions(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C', 2H, 2W]."""
        result: Tensor = self.convolutions(functional.interpolate(features, scale_factor=2.0, mode="nearest"))
        return result


class Decoder(nn.Sequential):
    """From features at a quarter of the size to a picture: two doublings, unbounded output."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(
            Convolutions(convolution(inputs, 4 * width), convolution(4 * width, 4 * width)),
            Upsampled(convolution(4 * width, 2 * width), convolution(2 * width, 2 * width)),
            Upsampled(convolution(2 * width, width), convolution(width, width // 2)),
            convolution(width // 2, 3),
        )


class CoarseNetwork(nn.Module):
    """First stage: 17 convolutions, four of them dilated, receptive field 301 px."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = Convolutions(
            convolution(4, width, kernel=5),
            convolution(width, 2 * width, stride=2),
            convolution(2 * width, 2 * width),
            convolution(2 * width, 4 * width, stride=2),
            convolution(4 * width, 4 * width),
            convolution(4 * width, 4 * width),
            *(convolution(4 * width, 4 * width, dilation=dilation) for dilation in DILATIONS),
        )
        self.decoder = Decoder(4 * width, width)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """[N, 3, H, W] and [N, 1, H, W] -> [N, 3, H, W], unbounded."""
        result: Tensor = self.decoder(self.encoder(torch.cat((image, mask), dim=1)))
        return result


class RefinementNetwork(nn.Module):
    """Second stage: a dilated branch and an attention branch in parallel, joined by one decoder."""

    def __init__(self, width: int, attention: bool) -> None:
        super().__init__()
        self.dilated = Convolutions(
            *_branch(width, narrow=2 * width),
            convolution(4 * width, 4 * width),
            *(convolution(4 * width, 4 * width, dilation=dilation) for dilation in DILATIONS),
        )
        self.before = Convolutions(*_branch(width, narrow=4 * width), convolution(4 * width, 4 * width), last=nn.ReLU())
        self.attention = ContextualAttention() if attention else None
        self.after = Convolutions(convolution(4 * width, 4 * width), convolution(4 * width, 4 * width))
        self.decoder = Decoder(8 * width, width)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, H, W] and [N, 1, H, W] -> [N, 3, H, W], unbounded, and matches [N, H/8 * W/8] (own cells without attention)."""
        inputs = torch.cat((image, mask), dim=1)
        features = self.before(inputs)
        if self.attention is None:
            cells = functional.max_pool2d(mask, 8)[:, 0].flatten(1)
            matches = torch.arange(cells.shape[1], device=mask.device).expand(cells.shape)
        else:
            features, matches = self.attention(features, mask)
        joined = torch.cat((self.dilated(inputs), self.after(features)), dim=1)
        return self.decoder(joined), matches


def _branch(width: int, narrow: int) -> list[nn.Conv2d]:
    """The first five layers of both branches; `narrow` is the width behind the second stride."""
    return [
        convolution(4, width, kernel=5),
        convolution(width, width, stride=2),
        convolution(width, 2 * width),
        convolution(2 * width, narrow, stride=2),
        convolution(narrow, 4 * width),
    ]


class InpaintingNetwork(nn.Module):
    """Both stages: complete a picture coarsely, then refine it with contextual attention."""

    def __init__(self, settings: NetworkSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or NetworkSettings()
        self.coarse = CoarseNetwork(self.settings.width)
        self.refinement = RefinementNetwork(self.settings.width, self.settings.attention)
        if self.settings.fill == "smooth":  # detail starts at zero: an untrained network returns the smooth base
            for decoder in (self.coarse.decoder, self.refinement.decoder):
                nn.init.zeros_(decoder[-1].weight)  # type: ignore[arg-type]  # a convolution

    def forward(self, image: Tensor, mask: Tensor) -> Completion:
        """BaseFill the hole.

        :param image: [N, 3, H, W] in [-1, 1]; values inside the hole are ignored. H and W are multiples of 8, at least 72.
        :param mask: [N, 1, H, W] float, 1 = hole.
        """
        known = image * (1 - mask)
        base = smooth_base(known, mask) if self.settings.fill == "smooth" else torch.zeros_like(known)
        coarse = (base + self.coarse(known + base * mask, mask)).clamp(-1, 1)
        detail, matches = self.refinement(known + coarse * mask, mask)
        refined = (base + detail).clamp(-1, 1)
        return Completion(coarse, refined, known + refined * mask, matches)
