"""The state of a run in small files, for machines from which every megabyte has to be fetched.

Parameters are stored in fp16 and the optimisers' moments in bf16, half the size of `last.safetensors`. Training continues from
them with critics and optimisers, but not bit for bit.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError, ModelError, TrainingError

from ..checkpoint import AVERAGE, network_from, read_tensors, write_tensors
from ..model.network import InpaintingNetwork
from ..run_state import Position, count_updates, load, tensors_of, texts_of
from ..step import Trainer

FOLDER = "parts"
HALVED = ("network", AVERAGE, "critics")  # prefixes of parameters, stored in fp16
MOMENTS = ("exp_avg", "exp_avg_sq")  # last parts of names, stored in bf16
SHAPING = ("width", "attention", "fill", "critic")  # settings that decide about the tensors
SHAPING_PAPER = (*SHAPING, "gan", "crop")  # the same with the paper's critics
UNIT = 10**6  # bytes of a megabyte
TEXTS, ENTRY = 10_000, 160  # bytes that are left for the texts of a part, and for the entry of each tensor besides its name


class PartedState:
    """Saves a run in `parts/step-NNNNNNN/part-I-of-N.safetensors`, and continues from such a folder."""

    def __init__(self, part_mb: float, start: Path | None = None) -> None:
        """Save files of at most `part_mb` megabytes; a run whose folder has no state yet continues from the parts in `start`."""
        self.part_mb, self.start = part_mb, start

    def save(self, trainer: Trainer, position: Position, folder: Path, notes: Mapping[str, str]) -> None:
        """Write all parts to a new folder, and remove the older ones when they are complete.

        :raises ConfigError: if one tensor alone is larger than a part may be.
        """
        parts = self.plan(trainer)
        target = folder / FOLDER / f"step-{position.step:07d}"
        unfinished = target.with_name(f".{target.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        texts = {**notes, **texts_of(trainer, position)}
        try:
            for number, part in enumerate(parts, 1):
                write_tensors(part, unfinished / f"part-{number}-of-{len(parts)}.safetensors", texts)
            shutil.rmtree(target, ignore_errors=True)
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)  # on a full disk, to leave room
        for older in folder.glob(f"{FOLDER}/step-*"):
            if older != target:
                shutil.rmtree(older)

    def plan(self, trainer: Trainer) -> list[dict[str, Tensor]]:
        """Return the tensors of each part.

        :raises ConfigError: if one tensor alone is larger than a part may be.
        """
        return list(self._packed({name: _smaller(name, value) for name, value in tensors_of(trainer).items()}))

    def restore(self, trainer: Trainer, folder: Path) -> Position | None:
        """Load the newest parts of `folder`, else those of the start; None if there are none.

        Settings may have changed, except those in `SHAPING` (`SHAPING_PAPER`), and the time of earlier sessions does not count.

        :raises ModelError: if parts are missing or damaged.
        :raises TrainingError: if they do not fit the settings.
        """
        source = folder if any(folder.glob(f"{FOLDER}/step-*")) else self.start
        if source is None:
            return None
        tensors, texts = read_parts(source)
        try:
            load(trainer, tensors, source)
            saved = json.loads(texts["position"])
        except (TrainingError, KeyError) as error:
            raise _unfit(source, texts, trainer.settings) from error
        position = Position(saved["step"], saved["sample"])
        count_updates(trainer, position)
        return position

    def _packed(self, tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        """Distribute tensors among parts, in their order."""
        limit, part, used = self.part_mb * UNIT - TEXTS, dict[str, Tensor](), 0
        sizes = {name: value.nbytes + len(name) + ENTRY for name, value in tensors.items()}
        largest = max(sizes, key=lambda name: sizes[name])
        if sizes[largest] > limit:
            raise ConfigError(
                f"parts of {self.part_mb:g} MB: the largest tensor, {largest}, has {tensors[largest].nbytes / UNIT:.1f} MB; "
                "allow larger parts"
            )
        for name, value in tensors.items():
            size = sizes[name]
            if used + size > limit:
                yield part
                part, used = {}, 0
            part[name] = value
            used += size
        yield part


def parts_of(start: Path | None) -> Path | None:
    """Return the start of a session if it is a folder with parts, None if it is a file or missing."""
    return start if start is not None and start.is_dir() else None


def read_parts(folder: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and texts of the newest complete state in a folder of a run, or in one `step-…` folder.

    :raises ModelError: if there is none, or a part is missing or damaged.
    """
    newest = max([*folder.glob(f"{FOLDER}/step-*"), *folder.glob("step-*")], default=folder)
    files = sorted(newest.glob("part-*-of-*.safetensors"))
    if not files:
        raise ModelError(
            f"{folder}: contains no {FOLDER}/step-…; expected the folder of an earlier session, a network file or a checkpoint"
        )
    count = int(files[0].stem.rpartition("-")[2])
    if len(files) != count:
        raise ModelError(f"{newest}: found {len(files)} of {count} files part-…-of-{count}.safetensors; copy all of them")
    tensors: dict[str, Tensor] = {}
    for file in files:
        part, texts = read_tensors(file)
        tensors |= part
    return tensors, texts


def read_average(folder: Path) -> tuple[InpaintingNetwork, dict[str, str]]:
    """Read the averaged network and its notes from the newest complete state in a folder of a run.

    :raises ModelError: if there is none, or a part is missing or damaged.
    """
    return network_from(folder, *read_parts(folder))


def _unfit(source: Path, texts: Mapping[str, str], settings: TrainSettings) -> TrainingError:
    saved, wanted = json.loads(texts.get("settings", "{}")), asdict(settings)
    keys = SHAPING_PAPER if settings.critic == saved.get("critic") == "paper" else SHAPING
    changed = [f"{key} = {saved[key]!r} instead of {wanted[key]!r}" for key in keys if saved.get(key, wanted[key]) != wanted[key]]
    if not changed:
        return TrainingError(f"{source}: not the state of a session; start from a network file or a checkpoint")
    return TrainingError(
        f"{source}: the state does not fit these settings, it was saved with {', '.join(changed)}; use the same, or start from its "
        "best.safetensors, which takes over the network only"
    )


def _smaller(name: str, value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value
    if name.rpartition(".")[2] in MOMENTS:
        return value.to(torch.bfloat16)
    return value.half() if name.partition(".")[0] in HALVED else value
