"""The whole state of a training run of the tiny network, in one safetensors file; and reading a network from such a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from gi_plugin import network_file
from gi_plugin.errors import ModelError, TrainingError
from gi_plugin.network_file import SETTINGS_KEY

from .. import run_state
from ..checkpoint import AVERAGE, RUN_TEXTS, read_tensors, write_tensors
from .network import ThinNetwork, ThinSettings
from .settings import ThinTrainSettings


def save(
    modules: Mapping[str, ThinNetwork],
    adam: torch.optim.Optimizer,
    position: Mapping[str, float],
    settings: ThinTrainSettings,
    path: Path,
    notes: Mapping[str, str],
) -> None:
    """Write everything that the next step depends on, atomically.

    :param modules: the network, and its running average under the name `AVERAGE`.
    """
    structure = json.dumps(asdict(modules[AVERAGE].settings))
    texts = {"position": json.dumps(position), "settings": json.dumps(asdict(settings)), SETTINGS_KEY: structure}
    write_tensors(run_state.flattened(modules, {"adam": adam}), path, {**notes, **texts})


def restore(modules: Mapping[str, ThinNetwork], adam: torch.optim.Optimizer, settings: ThinTrainSettings, path: Path) -> dict[str, float]:
    """Load a saved state, and return the position of its run.

    :raises ModelError: if the file is damaged.
    :raises TrainingError: if it is no such state, or belongs to a run with other settings.
    """
    tensors, texts = read_tensors(path)
    try:
        saved = json.loads(texts["settings"])
        run_state.restore(modules, {"adam": adam}, tensors)
        position: dict[str, float] = json.loads(texts["position"])
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path}: not the state of a run with --recipe thin ({error}); start a new run in another folder") from error
    run_state.check_unchanged(saved, settings, path)
    return position


def read_network(path: Path) -> tuple[ThinNetwork, dict[str, str]]:
    """Read a tiny network and its notes from a network file (.onnx), or the averaged one from the state of a run.

    :raises ModelError: if the file is missing or damaged, or contains no such network.
    """
    if path.suffix == ".onnx":
        model = network_file.load(path, network_file.THIN)
        state = {name: torch.from_numpy(value.astype(np.float32)) for name, value in network_file.parameters(model).items()}
        notes = network_file.metadata(model)
    else:
        tensors, notes = read_tensors(path)
        state = run_state.under(tensors, AVERAGE)
    try:
        settings = json.loads(notes[SETTINGS_KEY])
        network = ThinNetwork(ThinSettings(settings["channels"], tuple(settings["dilations"])))
        network.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{path}: contains no tiny network for thin holes ({error}); make one with: gi-plugin train --recipe thin"
        ) from error
    return network.eval(), {key: text for key, text in notes.items() if key not in RUN_TEXTS}


def holds_thin_network(path: Path) -> bool:
    """Whether a file that exists holds a tiny network: a network file (.onnx), or the state of a run.

    :raises ModelError: if it cannot be read.
    """
    if path.suffix != ".onnx":
        return path.is_file() and '"dilations"' in read_tensors(path)[1].get(SETTINGS_KEY, "")
    try:
        network_file.load(path, network_file.THIN)
    except ModelError:
        return False
    return True
