"""Everything that can be known before the clock of a rented machine starts."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError

from ..checkpoint import open_network
from ..consistency import check_together
from ..data.pictures import Samples, find_pictures
from ..model.compiled import check_compiler, is_compiled
from ..step import Trainer
from ..validation import Validation, split
from .parts import PartedState, parts_of

DISK = 2 * 10**9  # free bytes that a session needs: two states in parts, TensorBoard files


def check(data: Path, start: Path | None, folder: Path, settings: TrainSettings, part_mb: float, *, cpu: bool) -> None:
    """Check, in seconds, that a session can run: GPU, settings, pictures, start, folder and disk, compiler.

    :param start: network file, checkpoint, or folder with the parts of an earlier session.
    :param part_mb: as for `PartedState`.
    :param cpu: do without a GPU.
    :raises GiError: at the first thing that is missing or does not fit.
    """
    if not cpu and not torch.cuda.is_available():
        raise ConfigError(f"torch {torch.__version__} finds no CUDA GPU; use another interpreter, or --cpu to try the session without one")
    check_together(settings, 1)
    _check_pictures(data, settings)
    _check_start(start, folder, settings, part_mb)
    _check_folder(folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if is_compiled(settings, device):
        check_compiler(device)


def _check_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{folder}: cannot be written to; choose another folder")
    free = shutil.disk_usage(folder).free
    if free < DISK:
        raise ConfigError(f"{folder}: {free / 1e9:.1f} GB are free, expected at least {DISK / 1e9:g} GB")


def _check_start(start: Path | None, folder: Path, settings: TrainSettings, part_mb: float) -> None:
    """Load the start, or the state that the folder already has, into a trainer on the CPU, and plan its parts."""
    parts = parts_of(start)
    network, _ = open_network(settings, None if parts else start)
    trainer = Trainer(network, replace(settings, compile="off"), torch.device("cpu"))
    state = PartedState(part_mb, parts)
    state.restore(trainer, folder)
    state.plan(trainer)


def _check_pictures(data: Path, settings: TrainSettings) -> None:
    """Split the pictures and draw what the run draws first: all of the validation, and one sample."""
    pictures, held_out = split(find_pictures(data), settings)
    Validation(held_out, settings)
    Samples(pictures, settings, 0, 1)[0]
