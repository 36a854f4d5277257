"""Measure the training speed of several settings, in pictures per second of a full step including the critic updates."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch

from gi_plugin.bench.sample import square_hole
from gi_plugin.bench.timing import in_turns
from gi_plugin.config import TrainSettings

from ..data.pictures import Batch
from ..model.network import InpaintingNetwork, NetworkSettings
from ..step import Trainer

STEPS = 3  # timed steps per setting, after one step that is not timed


@dataclass(frozen=True)
class Throughput:
    """Training speed with one setting."""

    name: str
    pictures_per_second: float
    ratio: float  # speed / speed with the first setting


def variants(settings: TrainSettings) -> dict[str, TrainSettings]:
    """Return the two settings to compare, by name: fp32, and bf16 with the channels-last layout."""
    plain = replace(settings, precision="fp32", channels_last=False)
    return {"fp32": plain, "bf16, channels last": replace(settings, precision="bf16", channels_last=True)}


def measure(settings: Mapping[str, TrainSettings], progress: Callable[[str], None]) -> list[Throughput]:
    """Time one generator update with its critic updates, on random pictures with a hole in the middle.

    The settings take turns, so that a slow phase of the machine affects all of them.

    :param settings: the settings by name; ratios are relative to the first one.
    :param progress: called with the name of the setting before each step.
    """
    steps = {name: _step(setting, partial(progress, name)) for name, setting in settings.items()}
    seconds = in_turns(steps, STEPS, warm=1)
    rates = {name: settings[name].batch / statistics.median(times) for name, times in seconds.items()}
    reference = next(iter(rates.values()))
    return [Throughput(name, rate, rate / reference) for name, rate in rates.items()]


def _step(settings: TrainSettings, progress: Callable[[], None]) -> Callable[[], None]:
    """Return a function that runs one training step on one random batch."""
    network = InpaintingNetwork(NetworkSettings.of(settings))
    trainer = Trainer(network, settings, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    batch = _batch(settings)

    def step() -> None:
        progress()
        for _ in range(settings.critic_steps):
            trainer.critic_step(batch)
        float(trainer.generator_step(batch)["loss"])  # float() waits for the device

    return step


def _batch(settings: TrainSettings) -> Batch:
    image = torch.rand(settings.batch, 3, settings.crop, settings.crop) * 2 - 1
    mask = torch.from_numpy(square_hole(settings.crop, batch=settings.batch))
    return Batch(image, mask, mask, torch.zeros(settings.batch, dtype=torch.int64))
