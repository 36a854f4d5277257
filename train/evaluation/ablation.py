"""Ablation: train several settings with the same budget, seed and data, and compare their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from gi_plugin.arrays import Bools, Bytes
from gi_plugin.config import TrainSettings

from ..checkpoint import read_network
from ..loop import Budget, Progress, train
from ..model.network import InpaintingNetwork
from ..run_state import LAST
from .baselines import FillMethod
from .evaluate import ScoreRow, evaluate
from .mask_sets import PAPER_SETS


def ablate(
    data: Path,
    scored: Sequence[Path],
    folder: Path,
    settings: Mapping[str, TrainSettings],
    budget: Budget,
    report: Callable[[str, Progress], None],
) -> list[ScoreRow]:
    """Train each setting in turn and score the averaged networks on the same pictures and holes.

    :param data: pictures to train on.
    :param scored: pictures to score on.
    :param folder: receives one run per setting; existing runs are continued, finished ones are not repeated.
    :param settings: the settings by name.
    :param report: called with the name of the setting and its progress.
    :raises GiError: as `train` and `evaluate` do.
    """
    steps = {}
    for name, setting in settings.items():
        position = train(data, folder / name, setting, budget, partial(report, name))
        steps[name] = position.step
    methods = {f"{name} ({steps[name]} steps)": network_method(read_network(folder / name / LAST)[0]) for name in settings}
    return evaluate(scored, PAPER_SETS, methods, folder, lambda _text, _number, _total: None)


def network_method(network: InpaintingNetwork) -> FillMethod:
    """Return a fill method for `evaluate` that runs a network in PyTorch on whole pictures.

    The sides of the pictures are multiples of 8, at least 72.
    """
    network.eval()

    def fill(image: Bytes, hole: Bools) -> Bytes:
        pixels = torch.from_numpy(image.astype(np.float32) / np.float32(127.5) - 1).permute(2, 0, 1)[None]
        with torch.inference_mode():
            completed = network(pixels, torch.from_numpy(hole.astype(np.float32))[None, None]).completed
        return np.asarray(((completed[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))

    return fill
