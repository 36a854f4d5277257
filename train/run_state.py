"""Save and restore the whole state of a training run: in one safetensors file, atomically and without loss."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from gi_plugin import network_file
from gi_plugin.errors import TrainingError

from .checkpoint import AVERAGE, read_tensors, write_tensors
from .step import Trainer

LAST = "last.safetensors"  # in the folder of a run
# settings that a continued run may change, because they do not affect the training
CHANGEABLE = frozenset({"workers", "validate_every", "compile"})


@dataclass
class Position:
    """Position of a training run."""

    step: int = 0  # number of generator updates
    sample: int = 0  # number of samples drawn
    seconds: float = 0.0  # of training
    best: float = -1.0  # highest PSNR in the hole on the validation pictures, in dB


class RunState(Protocol):
    """Where and how the state of a run is saved in the folder of the run."""

    def save(self, trainer: Trainer, position: Position, folder: Path, notes: Mapping[str, str]) -> None:
        """Write everything that the next step depends on."""

    def restore(self, trainer: Trainer, folder: Path) -> Position | None:
        """Load the saved state into a trainer and return its position; None if there is no state yet."""


class LocalState:
    """Saves a run in one file, without loss: a continued run on a CPU equals an uninterrupted one bit for bit."""

    def save(self, trainer: Trainer, position: Position, folder: Path, notes: Mapping[str, str]) -> None:
        """Write everything that the next step depends on to one file, atomically."""
        write_tensors(tensors_of(trainer), folder / LAST, {**notes, **texts_of(trainer, position)})

    def restore(self, trainer: Trainer, folder: Path) -> Position | None:
        """Load the saved state; None if there is none.

        :raises ModelError: if the file is damaged.
        :raises TrainingError: if the file is no state of a training run, or belongs to a run with other settings.
        """
        path = folder / LAST
        if not path.is_file():
            return None
        tensors, notes = read_tensors(path)
        try:
            saved, position = json.loads(notes["settings"]), Position(**json.loads(notes["position"]))
        except (KeyError, ValueError, TypeError) as error:
            raise _unusable(path, error) from error
        check_unchanged(saved, trainer.settings, path)
        load(trainer, tensors, path)
        count_updates(trainer, position)
        return position


def tensors_of(trainer: Trainer) -> dict[str, Tensor]:
    """Return all tensors of a training's state by name."""
    return {"random": trainer.random.get_state(), **flattened(_modules(trainer), _optimizers(trainer))}


def flattened(modules: Mapping[str, torch.nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Return the tensors of modules and optimisers, each under the prefix of its name."""
    tensors = {f"{prefix}.{name}": value for prefix, module in modules.items() for name, value in module.state_dict().items()}
    for prefix, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"{prefix}.{index}.{name}": value for name, value in state.items()}
    return tensors


def restore(modules: Mapping[str, torch.nn.Module], optimizers: Mapping[str, torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Load the tensors that `flattened` returned; a KeyError, IndexError or RuntimeError if they do not fit."""
    for prefix, module in modules.items():
        module.load_state_dict(under(tensors, prefix))
    for prefix, optimizer in optimizers.items():
        _restore_optimizer(optimizer, under(tensors, prefix))


def texts_of(trainer: Trainer, position: Position) -> dict[str, str]:
    """Return position and settings of a training as texts."""
    return {
        "position": json.dumps(asdict(position)),
        "settings": json.dumps(asdict(trainer.settings)),
        network_file.SETTINGS_KEY: json.dumps(asdict(trainer.network.settings)),
    }


def load(trainer: Trainer, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load the tensors that `tensors_of` returned into a trainer; `path` names their file in messages.

    :raises TrainingError: if they do not fit the trainer.
    """
    try:
        restore(_modules(trainer), _optimizers(trainer), tensors)
        _restore_random(trainer.random, tensors["random"])
    except (KeyError, IndexError, RuntimeError) as error:
        raise _unusable(path, error) from error


def count_updates(trainer: Trainer, position: Position) -> None:
    """Set the numbers of updates that a trainer has made; every update of the network or of the critics has drawn one batch."""
    trainer.updates = position.step
    trainer.critic_updates = position.sample // trainer.settings.batch - position.step


def _unusable(path: Path, error: Exception) -> TrainingError:
    return TrainingError(f"{path}: not the state of a training run with these settings ({error}); start a new run in another folder")


def _restore_random(generator: torch.Generator, state: Tensor) -> None:
    """Restore a random generator; one of another kind of device keeps its seed, because their states differ."""
    if state.shape == generator.get_state().shape:
        generator.set_state(state)


def check_unchanged(saved: Mapping[str, Any], settings: Any, path: Path) -> None:
    """Check that a continued run has the settings, a dataclass, that it was started with; one that is newer than the run had its default.

    :raises TrainingError: if one that affects the training differs.
    """
    started = {**asdict(type(settings)()), **saved}
    changed = [key for key, value in asdict(settings).items() if key not in CHANGEABLE and started[key] != value]
    if changed:
        key = changed[0]
        raise TrainingError(
            f"{path}: the run was started with {key} = {started[key]!r}, got {getattr(settings, key)!r}: "
            "use the old settings, or start a new run in another folder"
        )


def _modules(trainer: Trainer) -> dict[str, torch.nn.Module]:
    return {
        "network": trainer.network,
        AVERAGE: trainer.average,
        "critics": trainer.adversary.critics,
        "balance": trainer.objective.balance,
    }


def _optimizers(trainer: Trainer) -> dict[str, torch.optim.Optimizer]:
    return {"adam": trainer.optimizer, "critic_adam": trainer.critic_optimizer}


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix` and a dot, without both."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = _laid_out(value, parameters[int(index)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _laid_out(value: Tensor, parameter: Tensor) -> Tensor:
    """Copy a moment into the memory layout of its parameter: the fused optimiser pairs their elements in the order of the memory."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
