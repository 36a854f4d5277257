"""Pictures per second of a full training step, critics included, for several settings that take turns in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from gi_plugin.config import TrainSettings
from gi_plugin.train.data import Batch
from gi_plugin.train.network import InpaintingNetwork, NetworkSettings
from gi_plugin.train.step import Trainer

STEPS = 3  # timed per setting; the first call of each is not counted


@dataclass(frozen=True)
class Throughput:
    """Pictures per second, and how many times as many as with the first setting."""

    name: str
    pictures_per_second: float
    ratio: float


def variants(settings: TrainSettings) -> dict[str, TrainSettings]:
    """What the defaults are compared with: plain fp32, and bf16 with the channels last."""
    plain = replace(settings, precision="fp32", channels_last=False)
    return {"fp32": plain, "bf16, channels last": replace(settings, precision="bf16", channels_last=True)}


def measure(settings: Mapping[str, TrainSettings], progress: Callable[[str], None]) -> list[Throughput]:
    """Time one generator update with its critic updates, on random pictures with a hole in the middle.

    :param settings: by name; the first one is what the others are compared with.
    """
    trainers = {name: _trainer(setting) for name, setting in settings.items()}
    seconds: dict[str, list[float]] = {name: [] for name in settings}
    for turn in range(STEPS + 1):
        for name, trainer in trainers.items():
            progress(f"{name}, step {turn} of {STEPS}")
            batch = _batch(trainer.settings)
            start = time.perf_counter()
            for _ in range(trainer.settings.critic_steps):
                trainer.critic_step(batch)
            float(trainer.generator_step(batch)["loss"])  # waits for the device
            seconds[name].append(time.perf_counter() - start)
    rates = {name: settings[name].batch / statistics.median(times[1:]) for name, times in seconds.items()}
    reference = next(iter(rates.values()))
    return [Throughput(name, rate, rate / reference) for name, rate in rates.items()]


def _trainer(settings: TrainSettings) -> Trainer:
    network = InpaintingNetwork(NetworkSettings.of(settings))
    return Trainer(network, settings, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def _batch(settings: TrainSettings) -> Batch:
    image = torch.rand(settings.batch, 3, settings.crop, settings.crop) * 2 - 1
    mask = torch.zeros(settings.batch, 1, settings.crop, settings.crop)
    quarter = settings.crop // 4
    mask[..., quarter:-quarter, quarter:-quarter] = 1
    return Batch(image, mask, mask, torch.zeros(settings.batch, dtype=torch.int64))
