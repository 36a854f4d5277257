"""The whole state of a training run in one safetensors file: saved atomically, restored exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gi_plugin import network_file
from gi_plugin.config import TrainSettings
from gi_plugin.errors import TrainingError

from .checkpoint import AVERAGE, read_tensors, write_tensors
from .step import Trainer

# what may differ between a run and its continuation without changing its course
FREE = frozenset({"workers", "validate_every"})


@dataclass
class Position:
    """How far a run has come."""

    step: int = 0  # generator updates
    sample: int = 0  # samples drawn
    seconds: float = 0.0
    best: float = -1.0  # highest PSNR in the hole on the validation pictures


def save(trainer: Trainer, position: Position, path: Path, notes: Mapping[str, str]) -> None:
    """Write everything that the next step depends on; the file appears whole or not at all."""
    tensors = {"random.mix": trainer.mix.get_state()}
    for prefix, module in _modules(trainer).items():
        tensors |= {f"{prefix}.{name}": value for name, value in module.state_dict().items()}
    for prefix, optimizer in _optimizers(trainer).items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"{prefix}.{index}.{name}": value for name, value in state.items()}
    texts = {
        "position": json.dumps(asdict(position)),
        "settings": json.dumps(asdict(trainer.settings)),
        network_file.SETTINGS_KEY: json.dumps(asdict(trainer.network.settings)),
    }
    write_tensors(tensors, path, {**notes, **texts})


def restore(trainer: Trainer, path: Path) -> Position:
    """Put a trainer into the state that was saved.

    :raises ModelError: if the file is damaged.
    :raises TrainingError: if it belongs to a run with other settings.
    """
    tensors, notes = read_tensors(path)
    try:
        saved, position = json.loads(notes["settings"]), Position(**json.loads(notes["position"]))
        _check_settings(saved, trainer.settings, path)
        for prefix, module in _modules(trainer).items():
            module.load_state_dict(_under(tensors, prefix))
        for prefix, optimizer in _optimizers(trainer).items():
            _restore_optimizer(optimizer, _under(tensors, prefix))
        trainer.mix.set_state(tensors["random.mix"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path}: is not the state of a training run: {error}; start a new run in another folder") from error
    return position


def _check_settings(saved: Mapping[str, Any], settings: TrainSettings, path: Path) -> None:
    changed = [key for key, value in asdict(settings).items() if key not in FREE and saved.get(key) != value]
    if changed:
        key = changed[0]
        raise TrainingError(
            f"{path}: the run was started with {key} = {saved.get(key)!r}, now it is {getattr(settings, key)!r}: "
            "use the old settings, or start a new run in another folder"
        )


def _modules(trainer: Trainer) -> dict[str, torch.nn.Module]:
    return {"network": trainer.network, AVERAGE: trainer.average, "critics": trainer.critics}


def _optimizers(trainer: Trainer) -> dict[str, torch.optim.Optimizer]:
    return {"adam": trainer.optimizer, "critic_adam": trainer.critic_optimizer}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
