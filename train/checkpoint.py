"""Trained parameters on disk: safetensors while training, the network file once exported. No pickle anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gi_plugin import network_file
from gi_plugin.atomic import replacing
from gi_plugin.errors import ModelError

from .model.network import InpaintingNetwork, NetworkSettings

AVERAGE = "average"  # prefix of the averaged parameters in the state of a training run
RUN_TEXTS = ("position", "settings", network_file.SETTINGS_KEY)  # metadata that is not a note


def save_network(network: InpaintingNetwork, path: Path, notes: Mapping[str, str]) -> None:
    """Write a network's settings and parameters as safetensors; the file appears whole or not at all.

    :param notes: what the exported file's metadata shall say: licence, training data, steps.
    """
    write_tensors(network.state_dict(), path, {**notes, network_file.SETTINGS_KEY: json.dumps(asdict(network.settings))})


def read_network(path: Path) -> tuple[InpaintingNetwork, dict[str, str]]:
    """Read a network and its notes from a checkpoint, the state of a training run (its averaged network) or a network file (.onnx).

    :raises ModelError: if the file is missing, damaged, or holds no such network.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such checkpoint; expected a .safetensors or .onnx file")
    if path.suffix == ".onnx":
        notes = network_file.metadata(network_file.load(path))
        network = load_network(path)
    else:
        tensors, notes = read_tensors(path)
        prefix = f"{AVERAGE}."
        averaged = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        network = _network(path, notes.get(network_file.SETTINGS_KEY, "null"), averaged or tensors)
    return network, {key: text for key, text in notes.items() if key not in RUN_TEXTS}


def load_network(path: Path) -> InpaintingNetwork:
    """Build the PyTorch network from a network file; its parameters equal the file's fp16 values exactly.

    :raises ModelError: if the file does not hold such a network.
    """
    model = network_file.load(path)
    state = {name: torch.from_numpy(value.astype(np.float32)) for name, value in network_file.parameters(model).items()}
    return _network(path, json.dumps(network_file.settings(model)), state)


def blend(network: InpaintingNetwork, start: InpaintingNetwork, share: float) -> None:
    """Move a network's parameters back towards those of the network that its training started from.

    Between a network trained for small errors and one trained on from it for texture lie networks with some of both (Wang et al.,
    "ESRGAN", ECCV workshops 2018, section 3.4).

    :param share: of `start` in the result, 0 to 1.
    :raises ModelError: if the networks are of different kinds.
    """
    if network.settings != start.settings:
        raise ModelError(f"networks of {network.settings} and of {start.settings} cannot be blended: expected two of one kind")
    with torch.no_grad():
        for parameter, other in zip(network.parameters(), start.parameters(), strict=True):
            parameter.lerp_(other, share)


def write_tensors(tensors: Mapping[str, Tensor], path: Path, texts: Mapping[str, str]) -> None:
    """Write named tensors and texts as safetensors; the file appears whole or not at all."""
    with replacing(path) as partial:
        save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, partial, dict(texts))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `write_tensors` wrote.

    :raises ModelError: if the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a readable checkpoint ({error}); expected a .safetensors file of a training run") from error


def _network(path: Path, settings: str, state: Mapping[str, Tensor]) -> InpaintingNetwork:
    try:
        network = InpaintingNetwork(NetworkSettings(**json.loads(settings)))
        network.load_state_dict(state)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: its parameters do not fit the network that its settings describe: {error}") from error
    return network
