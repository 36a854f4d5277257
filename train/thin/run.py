"""Train the tiny network within a budget; a run that was stopped continues where it was."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gi_plugin.errors import ConfigError, TrainingError
from gi_plugin.thin import TILE

from ..checkpoint import AVERAGE
from ..data.pictures import find_pictures
from ..loop import REPORT_SECONDS, SAVE_SECONDS, Budget, Progress
from ..model.precision import placed
from ..psnr import decibel
from ..run_state import LAST
from . import state
from .network import ThinNetwork, ThinSettings
from .samples import LARGE_SHARE, LARGE_TILE, ThinBatch, batch_of, draw_masks, load
from .settings import ThinTrainSettings

SCALED_WEIGHT = 0.02  # of the errors in units of each tile's spread, so that tiles of little contrast count, too
CLIP = 1.0  # largest norm of the gradient
WARMUP = 100  # steps


def train(
    data: Path,
    folder: Path,
    settings: ThinTrainSettings,
    budget: Budget,
    report: Callable[[Progress], None],
    start: Path | None = None,
) -> Progress:
    """Train until the budget is used. If `folder` already contains a run, continue it.

    :param data: folder of pictures, .tar shard or list file; all pictures are kept in memory.
    :param folder: receives last.safetensors, the whole state; `gi-plugin export` makes a network file of it.
    :param start: network file, or state of another run, that a new run starts from.
    :return: the last report.
    :raises TrainingError: if the loss is not a number, or the run in `folder` has other settings.
    :raises ConfigError: if the data cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(data, folder, settings, start)
    return run.run(budget, report)


class _Run:
    def __init__(self, data: Path, folder: Path, settings: ThinTrainSettings, start: Path | None) -> None:
        self.settings, self.file = settings, folder / LAST
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(settings.seed)
        network = ThinNetwork(ThinSettings(settings.channels)) if start is None else state.read_network(start)[0]
        if network.settings.channels != settings.channels:
            raise ConfigError(f"{start}: a network of {network.settings.channels} channels, expected {settings.channels}: --set channels=…")
        self.network = placed(network, self.device, torch.channels_last).train()
        self.average = deepcopy(self.network).requires_grad_(requires_grad=False)
        self.adam = torch.optim.Adam(self.network.parameters(), settings.learning_rate, (0.9, 0.99))
        self.position: dict[str, float] = {"step": 0, "seconds": 0.0}
        if self.file.is_file():
            self.position = state.restore(self._modules(), self.adam, settings, self.file)
        self._read(data)

    def _read(self, data: Path) -> None:
        pictures = load(find_pictures(data))
        if len(pictures) <= self.settings.validation:
            raise ConfigError(f"{len(pictures)} usable pictures: expected more than the {self.settings.validation} for validation")
        order = np.random.default_rng(self.settings.seed).permutation(len(pictures))
        self.held_out, self.pictures = ([pictures[n] for n in part] for part in np.split(order, [self.settings.validation]))
        self.holes = {size: draw_masks(self.settings.seed, size) for size in (TILE, LARGE_TILE)}

    def run(self, budget: Budget, report: Callable[[Progress], None]) -> Progress:
        begun = time.monotonic() - self.position["seconds"]
        saved = reported = time.monotonic()
        progress = Progress(0, 0.0, 0.0, 0.0, 0.0, 0, 0.0)
        while (share := max(self.position["step"] / budget.steps, self.position["seconds"] / 60 / budget.minutes)) < 1:
            loss = self._step(share)
            self.position = {"step": self.position["step"] + 1, "seconds": time.monotonic() - begun}
            valid = self.position["step"] % self.settings.validate_every == 0
            if valid or time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                progress = self._progress(float(loss), share, psnr=self._psnr() if valid else None)
                report(progress)
            if time.monotonic() - saved > SAVE_SECONDS:
                saved = time.monotonic()
                self._save(progress)
        progress = self._progress(progress.loss, 1.0, self._psnr())
        self._save(progress)
        return progress

    def _step(self, share: float) -> Tensor:
        step = int(self.position["step"])
        for group in self.adam.param_groups:
            cosine = 0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * share))
            group["lr"] = self.settings.learning_rate * cosine * min(1.0, (step + 1) / WARMUP)
        loss = self._loss(self.network, self._batch(np.random.default_rng((self.settings.seed, step))))
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        if not torch.isfinite(nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)):
            raise TrainingError(f"training diverged at step {step}; start a new run with a lower learning_rate")
        self.adam.step()
        with torch.no_grad():
            for average, current in zip(self.average.parameters(), self.network.parameters(), strict=True):
                average.lerp_(current, 1 - min(self.settings.ema, (step + 1) / (step + 20)))
        return loss.detach()

    def _batch(self, random: np.random.Generator) -> ThinBatch:
        large = random.random() < LARGE_SHARE
        count = max(self.settings.batch // (4 if large else 1), 1)
        return batch_of(random, self.pictures, self.holes[LARGE_TILE if large else TILE], count)

    def _errors(self, network: ThinNetwork, batch: ThinBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Errors [N, 3, S, S] of missing pixels, in units of each tile's spread; the spread; the number of values."""
        image, mask, wanted, spread = (part.to(self.device, non_blocking=True) for part in batch)
        with self._autocast():
            correction = network(image.contiguous(memory_format=torch.channels_last), mask)
        return (correction.float() - wanted) * mask, spread, 3 * mask.sum()

    def _loss(self, network: ThinNetwork, batch: ThinBatch) -> Tensor:
        errors, spread, count = self._errors(network, batch)
        levels = errors * spread
        loss: Tensor = (levels.abs() + self.settings.squares * levels.square() + SCALED_WEIGHT * errors.abs()).sum() / count
        return loss

    def _psnr(self) -> float:
        """PSNR in dB of the missing pixels on the held-out pictures."""
        batch = batch_of(np.random.default_rng(self.settings.seed), self.held_out, self.holes[TILE], 8 * len(self.held_out))
        with torch.no_grad():
            errors, spread, count = self._errors(self.average, batch)
        return decibel(float((errors * spread / 2).square().sum() / count))

    def _progress(self, loss: float, share: float, psnr: float | None) -> Progress:
        step, seconds = int(self.position["step"]), self.position["seconds"]
        return Progress(step, seconds, self.settings.batch * step / max(seconds, 1e-9), share, loss, 0, 0.0, psnr)

    def _save(self, progress: Progress) -> None:
        notes = {"training": f"{progress.step} steps, {progress.seconds / 60:.0f} minutes"}
        state.save(self._modules(), self.adam, self.position, self.settings, self.file, notes)

    def _modules(self) -> dict[str, ThinNetwork]:
        return {"network": self.network, AVERAGE: self.average}

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.settings.precision == "bf16" else nullcontext()
