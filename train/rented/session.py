"""One training session on a rented machine: train until the time is over; what `checks` can find is no longer wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gi_plugin.atomic import replacing
from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError, TrainingError
from gi_plugin.files.sheet import sheet

from ..loop import Budget, Progress, TrainingRun
from ..model.network import InpaintingNetwork
from ..model.precision import device_name
from ..shortage import shortage_explained
from .parts import FOLDER, PartedState, parts_of

SPARE = 3.0  # seconds at the end that are not planned for
SETTLED = 0.3  # share of the session after which its speed is measured; compiling is over then

RECIPE: dict[str, Any] = {  # settings for a session that no settings file describes
    "batch": 40,
    "crop": 160,  # a single size: each one compiles for about a minute
    "mixed_scales": True,
    "hole_smallest": 32,
    "hole_largest": 80,
    "free_form": 0.35,
    "blobs": 0.15,
    "shapes": 0.15,
    "critic": "patch",
    "gan": "relativistic",
    "critic_steps": 1,
    "r1": 0.1,  # with 1.0 the critics hardly learn
    "adversarial_weight": 0.8,
    "feature_weight": 0.8,
    "low_weight": 0.5,
    "attention_weight": 0.5,
    "balance": True,
    "learning_rate": 2e-4,
    "decay": True,
    "beta2": 0.99,
    "ema": 0.998,
    "precision": "bf16",
    "workers": 8,
}


def train_for(
    minutes: float,
    data: Path,
    folder: Path,
    settings: TrainSettings,
    part_mb: float,
    report: Callable[[Progress], None],
    start: Path | None = None,
    accelerate: Callable[[InpaintingNetwork], object] = lambda _: None,
) -> dict[str, Any]:
    """Train for a number of minutes, all included, and write parts, session.json and sheet.png.

    The untrained network is validated twice and saved first. This shows how long the end will take, and whether it can be written.

    :param start: as for `checks.check`.
    :return: what session.json holds.
    :raises GiError: as `train` does, or if the minutes are too few.
    """
    began, seen = time.monotonic(), list[Progress]()

    def follow(progress: Progress) -> None:
        seen.append(progress)
        report(progress)

    parts = parts_of(start)
    with shortage_explained(settings):
        run = TrainingRun(data, folder, settings, Budget(), follow, None if parts else start, state=PartedState(part_mb, parts))
        for trained in (run.trainer.network, run.trainer.average):
            accelerate(trained)
        before, ending = _rehearse(run)
        left = 60 * minutes - (time.monotonic() - began) - ending
        if left <= 0:
            raise ConfigError(
                f"{minutes:g} minutes are too few: to prepare and to save takes {60 * minutes - left:.0f} s; give more, or lower [train] "
                "validation"
            )
        first = run.position.step
        run.budget = Budget(minutes=left / 60)
        position = run.run()
        after = run.validation.run(run.trainer)
    session = {
        "device": device_name(run.trainer.device),
        "torch": torch.__version__,
        "steps": position.step - first,
        "pictures_per_second": _speed(seen, settings.batch),
        "waiting_for_data": seen[-1].waiting if seen else None,
        "psnr_before": before[0],
        "psnr_after": after[0],
        "parts": {file.name: file.stat().st_size for file in sorted(folder.glob(f"{FOLDER}/step-*/part-*"))},
        "settings": asdict(settings),
        "seconds": time.monotonic() - began,
    }
    try:
        with replacing(folder / "session.json") as partial:
            partial.write_text(json.dumps(session, indent=1), encoding="utf-8")
        _write_sheet(folder / "sheet.png", before[1], after[1])
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be written to ({error}); parts and best.safetensors are complete") from error
    return session


def _rehearse(run: TrainingRun) -> tuple[tuple[float, Tensor], float]:
    """Validate and save before the training; return the validation, and the seconds to keep for the end."""
    run.validation.run(run.trainer)  # the first one compiles and loads kernels, so its time says nothing of the end
    began = time.monotonic()
    before = run.validation.run(run.trainer)
    run.save()
    return before, 2 * (time.monotonic() - began) + SPARE


def _speed(seen: list[Progress], batch: int) -> float | None:
    """Compute the pictures per second between the reports after the start and the last one; None if there are too few reports."""
    settled = [progress for progress in seen if progress.share > SETTLED]
    if len(settled) < 2 or settled[-1].seconds == settled[0].seconds:
        return None
    return batch * (settled[-1].step - settled[0].step) / (settled[-1].seconds - settled[0].seconds)


def _write_sheet(path: Path, before: Tensor, after: Tensor) -> None:
    """Write a contact sheet of the pictures that two validations returned: [3 * n, 3, H, W], inputs, results and originals."""
    columns = [*before.chunk(3)[:2], *after.chunk(3)[1:]]
    pixels = [np.asarray((plane.permute(0, 2, 3, 1) * 255).round().clamp(0, 255).to(torch.uint8)) for plane in columns]
    Image.fromarray(sheet(list(zip(*pixels, strict=True)), ["input", "before", "after", "original"])).save(path)
