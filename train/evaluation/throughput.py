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
from .step_profile import StepProfile, profile_of

TURNS = 3  # timed turns per setting, after one turn that is not timed
STEPS = {"cpu": 1, "cuda": 10}  # steps per turn: a GPU gets the next step before it has finished the last one, as in training


@dataclass(frozen=True)
class Throughput:
    """Training speed with one setting."""

    name: str
    pictures_per_second: float
    ratio: float  # speed / speed with the first setting
    profile: StepProfile


def variants(settings: TrainSettings) -> dict[str, TrainSettings]:
    """Return the settings to compare, by name: fp32, bf16 with the channels-last layout, and the latter without critics."""
    fast = replace(settings, precision="bf16", channels_last=True)
    compared = {"fp32": replace(settings, precision="fp32", channels_last=False), "bf16, channels last": fast}
    return compared | ({"bf16, no critics": replace(fast, critic_steps=0)} if settings.critic_steps else {})


def measure(settings: Mapping[str, TrainSettings], progress: Callable[[str], None]) -> list[Throughput]:
    """Time generator updates with their critic updates, on random pictures with a hole in the middle, and profile one.

    The settings take turns, so that a slow phase of the machine affects all of them.

    :param settings: the settings by name; ratios are relative to the first one.
    :param progress: called with the name of the setting before each turn.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps = {name: _step(setting, device) for name, setting in settings.items()}
    seconds = in_turns({name: partial(_turn, step, device, partial(progress, name)) for name, step in steps.items()}, TURNS, warm=1)
    rates = {name: settings[name].batch * STEPS[device.type] / statistics.median(times) for name, times in seconds.items()}
    reference = next(iter(rates.values()))
    return [Throughput(name, rate, rate / reference, profile_of(steps[name], device)) for name, rate in rates.items()]


def _step(settings: TrainSettings, device: torch.device) -> Callable[[], None]:
    """Return a function that runs one training step on one random batch."""
    trainer, batch = Trainer(InpaintingNetwork(NetworkSettings.of(settings)), settings, device), _batch(settings, device)

    def step() -> None:
        for _ in range(settings.critic_steps):
            trainer.critic_step(batch)
        trainer.generator_step(batch)

    return step


def _turn(step: Callable[[], None], device: torch.device, progress: Callable[[], None]) -> None:
    progress()
    for _ in range(STEPS[device.type]):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _batch(settings: TrainSettings, device: torch.device) -> Batch:
    image = (torch.rand(settings.batch, 3, settings.crop, settings.crop) * 2 - 1).to(device)
    mask = torch.from_numpy(square_hole(settings.crop, batch=settings.batch))
    missing = mask.sum((1, 2, 3)).long()
    return Batch(image, mask.to(device), mask.to(device), torch.zeros_like(missing), missing)
