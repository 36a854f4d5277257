"""The coarse-to-fine generator of the paper (section 3.1 and supplementary table): two stages, mirror padding, ELU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gi_plugin.config import TrainSettings

from .attention import ContextualAttention
from .smooth_base import SmoothBase

BaseFill = Literal["smooth", "grey"]
DILATIONS = (2, 4, 8, 16)


@dataclass(frozen=True)
class NetworkSettings:
    """Settings that determine the structure of a network; they are stored in the network file."""

    width: int = 32  # channels of the first layer; the channels of all other layers are proportional to it
    attention: bool = True  # False: the paper's baseline without contextual attention
    fill: BaseFill = "smooth"  # "grey": the hole starts empty, as in the paper; "smooth": it starts as the `SmoothBase`

    @classmethod
    def of(cls, settings: TrainSettings) -> NetworkSettings:
        """Return the settings of the network that a training run with `settings` trains."""
        return cls(settings.width, settings.attention, settings.fill)  # type: ignore[arg-type]  # checked by the configuration


class Completion(NamedTuple):
    """Outputs of the network; every picture is [N, 3, H, W] in [-1, 1]."""

    coarse: Tensor  # output of the first stage, whole picture
    refined: Tensor  # output of the second stage, whole picture
    completed: Tensor  # `refined` in the hole, the input elsewhere
    matches: Tensor  # [N, H/8 * W/8] int64, best-matching background cell of every cell


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Build a mirror-padded convolution with zero bias; it divides height and width by the stride.

    Weights are Glorot-uniform as in the published code. If size and number of channels stay the same, they are the identity plus a
    quarter of that, as in the context module of Yu and Koltun (ICLR 2016, section 3). The long dilated stacks then pass pictures on from
    the first training step.
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
    """Convolutions, each followed by an ELU; `last` replaces the activation of the last one."""

    def __init__(self, *layers: nn.Conv2d, last: nn.Module | None = None) -> None:
        activations = [*(nn.ELU() for _ in layers[:-1]), last or nn.ELU()]
        super().__init__(*(module for pair in zip(layers, activations, strict=True) for module in pair))


class Upsampled(nn.Module):
    """Double height and width by repeating pixels, then convolve."""

    def __init__(self, *layers: nn.Conv2d) -> None:
        super().__init__()
        self.convolutions = Convolutions(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [N, C, H, W] to [N, C', 2H, 2W]."""
        result: Tensor = self.convolutions(functional.interpolate(features, scale_factor=2.0, mode="nearest"))
        return result


class Decoder(nn.Sequential):
    """Decode features at a quarter of the size into a picture with unbounded values, by two doublings."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(
            Convolutions(convolution(inputs, 4 * width), convolution(4 * width, 4 * width)),
            Upsampled(convolution(4 * width, 2 * width), convolution(2 * width, 2 * width)),
            Upsampled(convolution(2 * width, width), convolution(width, width // 2)),
            convolution(width // 2, 3),
        )


class CoarseNetwork(nn.Module):
    """First stage: 17 convolutions, four of them dilated, with a receptive field of 301 px."""

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
        """Map image [N, 3, H, W] and mask [N, 1, H, W] to a picture [N, 3, H, W] with unbounded values."""
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
        """Map image [N, 3, H, W] and mask [N, 1, H, W] to a picture [N, 3, H, W] with unbounded values, and matches [N, H/8 * W/8].

        Without attention, the match of each cell is the cell itself.
        """
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
    """Return the first five layers of a branch; `narrow` is the number of channels after the second stride."""
    return [
        convolution(4, width, kernel=5),
        convolution(width, width, stride=2),
        convolution(width, 2 * width),
        convolution(2 * width, narrow, stride=2),
        convolution(narrow, 4 * width),
    ]


class InpaintingNetwork(nn.Module):
    """The whole generator: the first stage completes a picture coarsely, the second refines it with contextual attention."""

    def __init__(self, settings: NetworkSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or NetworkSettings()
        self.coarse = CoarseNetwork(self.settings.width)
        self.refinement = RefinementNetwork(self.settings.width, self.settings.attention)
        self.base = SmoothBase() if self.settings.fill == "smooth" else None
        if self.base is not None:  # zero weights: an untrained network adds nothing to the smooth base
            for decoder in (self.coarse.decoder, self.refinement.decoder):
                nn.init.zeros_(decoder[-1].weight)  # type: ignore[arg-type]  # a convolution

    def forward(self, image: Tensor, mask: Tensor) -> Completion:
        """Fill the hole.

        :param image: [N, 3, H, W] in [-1, 1]; values inside the hole are ignored. H and W are multiples of 8, at least 72.
        :param mask: [N, 1, H, W] float, 1 = hole.
        """
        known = image * (1 - mask)
        base = torch.zeros_like(known) if self.base is None else self.base(known, mask)
        coarse = (base + self.coarse(known + base * mask, mask)).clamp(-1, 1)
        detail, matches = self.refinement(known + coarse * mask, mask)
        refined = (base + detail).clamp(-1, 1)
        return Completion(coarse, refined, known + refined * mask, matches)
