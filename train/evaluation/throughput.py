"""Measure the training speed of several settings, in pictures per second of a full step including the critic updates."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch

from gi_plugin.bench.sample import square_hole
from gi_plugin.config import TrainSettings

from ..data.pictures import Batch
from ..model.network import InpaintingNetwork, NetworkSettings
from ..model.precision import device_name
from ..step import Trainer
from .step_profile import StepProfile, profile_of

TURNS = 3  # timed turns per setting, after one turn that is not timed
STEPS = {"cpu": 1, "cuda": 10}  # steps per turn: a GPU gets the next step before it has finished the last one, as in training
Accelerate = Callable[[InpaintingNetwork], object]


@dataclass(frozen=True)
class Throughput:
    """Training speed with one setting."""

    name: str
    device: str
    pictures_per_second: float
    ratio: float  # speed / speed with the first setting
    turns: int  # timed turns so far; the speed is that of their median
    preparation: float  # seconds of the first turn, in which blocks are compiled and kernels loaded
    profile: StepProfile


def variants(settings: TrainSettings) -> dict[str, TrainSettings]:
    """Return the settings to compare, by name: fp32, bf16 with the channels-last layout, and the latter without critics."""
    fast = replace(settings, precision="bf16", channels_last=True)
    compared = {"fp32": replace(settings, precision="fp32", channels_last=False), "bf16, channels last": fast}
    return compared | ({"bf16, no critics": replace(fast, critic_steps=0)} if settings.critic_steps else {})


def measure(
    settings: Mapping[str, TrainSettings], progress: Callable[[str], None], accelerate: Accelerate = lambda _: None
) -> Iterator[Throughput]:
    """Time generator updates with their critic updates, on random pictures with a hole in the middle, and profile one.

    A setting's row comes as soon as it is timed once. Then the settings take turns, so that a slow phase of the machine affects all of
    them, and every further turn gives the row anew.

    :param settings: the settings by name; ratios are relative to the first one.
    :param progress: called with the name of the setting before each turn.
    :param accelerate: as for `train`.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    runs: dict[str, _Run] = {}
    for _ in range(TURNS):
        for name, setting in settings.items():
            progress(name)
            runs[name] = run = runs.get(name) or _Run(setting, device, accelerate)
            run.seconds.append(run.turn())
            speeds = [timed.pictures / statistics.median(timed.seconds) for timed in (run, next(iter(runs.values())))]
            yield Throughput(name, device_name(device), speeds[0], speeds[0] / speeds[1], len(run.seconds), run.preparation, run.profile)


class _Run:
    """Training steps with one setting on one random batch, and the seconds of its timed turns."""

    def __init__(self, settings: TrainSettings, device: torch.device, accelerate: Accelerate) -> None:
        self._settings, self._device = settings, device
        self._trainer, self._batch = Trainer(InpaintingNetwork(NetworkSettings.of(settings)), settings, device), _batch(settings, device)
        accelerate(self._trainer.network)
        self.pictures, self.seconds = settings.batch * STEPS[device.type], list[float]()  # pictures per turn
        self.preparation = self.turn()
        self.profile = profile_of(self._step, device)

    def turn(self) -> float:
        """Make the steps of one turn, and return their seconds."""
        start = time.perf_counter()
        for _ in range(STEPS[self._device.type]):
            self._step()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter() - start

    def _step(self) -> None:
        for _ in range(self._settings.critic_steps):
            self._trainer.critic_step(self._batch)
        self._trainer.generator_step(self._batch)


def _batch(settings: TrainSettings, device: torch.device) -> Batch:
    image = (torch.rand(settings.batch, 3, settings.crop, settings.crop) * 2 - 1).to(device)
    mask = torch.from_numpy(square_hole(settings.crop, batch=settings.batch))
    missing = mask.sum((1, 2, 3)).long()
    return Batch(image, mask.to(device), mask.to(device), torch.zeros_like(missing), missing)
