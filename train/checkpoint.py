"""Read and write trained networks: safetensors during training, the network file (.onnx) after export. Nothing uses pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gi_plugin import network_file
from gi_plugin.atomic import replacing
from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError, ModelError

from .model.network import InpaintingNetwork, NetworkSettings

AVERAGE = "average"  # prefix of the averaged parameters in the saved state of a training run
RUN_TEXTS = ("position", "settings", network_file.SETTINGS_KEY)  # metadata keys that are not notes


def save_network(network: InpaintingNetwork, path: Path, notes: Mapping[str, str]) -> None:
    """Write the settings and parameters of a network as safetensors, atomically.

    :param notes: metadata for the exported file, for example licence, training data, steps.
    """
    write_tensors(network.state_dict(), path, {**notes, network_file.SETTINGS_KEY: json.dumps(asdict(network.settings))})


def open_network(settings: TrainSettings, start: Path | None) -> tuple[InpaintingNetwork, dict[str, str]]:
    """Make a new network, or read the one that a run starts from, with the notes that its exports keep.

    :raises ModelError: if the start cannot be read.
    :raises ConfigError: if its network is not of these settings.
    """
    wanted = NetworkSettings.of(settings)
    if start is None:
        torch.manual_seed(settings.seed)
        return InpaintingNetwork(wanted), {}
    network, notes = read_network(start)
    if network.settings != wanted:
        given, asked = (", ".join(f"{key} = {value!r}" for key, value in asdict(each).items()) for each in (network.settings, wanted))
        raise ConfigError(
            f"{start}: contains a network of {given}, but [train] has {asked}; change the settings, or start from another file"
        )
    return network, {key: text for key, text in notes.items() if key in ("licence", "data")}


def read_network(path: Path) -> tuple[InpaintingNetwork, dict[str, str]]:
    """Read a network and its notes from a checkpoint, the saved state of a training run, or a network file (.onnx).

    From the state of a training run it reads the averaged network.

    :raises ModelError: if the file is missing or damaged, or contains no such network.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such checkpoint; expected a .safetensors or .onnx file")
    if path.suffix != ".onnx":
        return network_from(path, *read_tensors(path))
    return load_network(path), _notes(network_file.metadata(network_file.load(path)))


def network_from(path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> tuple[InpaintingNetwork, dict[str, str]]:
    """Make a network, and its notes, of the content of a checkpoint; of the state of a training run, the averaged network.

    :param path: names the checkpoint in messages.
    :raises ModelError: if it contains no such network.
    """
    prefix = f"{AVERAGE}."
    averaged = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return _network(path, texts.get(network_file.SETTINGS_KEY, "null"), averaged or tensors), _notes(texts)


def load_network(path: Path) -> InpaintingNetwork:
    """Build the PyTorch network from a network file. Its parameters are exactly the fp16 values of the file.

    :raises ModelError: if the file does not contain such a network.
    """
    model = network_file.load(path)
    state = {name: torch.from_numpy(value.astype(np.float32)) for name, value in network_file.parameters(model).items()}
    return _network(path, json.dumps(network_file.settings(model)), state)


def blend(network: InpaintingNetwork, start: InpaintingNetwork, share: float) -> None:
    """Interpolate the parameters of a network, in place, with those of the network that its training started from.

    Example: `start` was trained for small errors, `network` continued from it for texture. The result is a compromise of both (Wang
    et al., "ESRGAN", ECCV workshops 2018, section 3.4).

    :param share: weight of `start` in the result, 0 to 1.
    :raises ModelError: if the networks have different settings.
    """
    if network.settings != start.settings:
        raise ModelError(f"cannot blend a network of {network.settings} with one of {start.settings}: expected equal settings")
    with torch.no_grad():
        for parameter, other in zip(network.parameters(), start.parameters(), strict=True):
            parameter.lerp_(other, share)


def write_tensors(tensors: Mapping[str, Tensor], path: Path, texts: Mapping[str, str]) -> None:
    """Write named tensors and texts as safetensors, atomically.

    :raises OSError: if the file cannot be written, for example because the disk is full; an older one is kept.
    """
    content = save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, dict(texts))
    with replacing(path) as partial:
        partial.write_bytes(content)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the named tensors and texts of a file that `write_tensors` wrote.

    :raises ModelError: if the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a readable checkpoint ({error}); expected a .safetensors file from a training run") from error


def _notes(texts: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if key not in RUN_TEXTS}


def _network(path: Path, settings: str, state: Mapping[str, Tensor]) -> InpaintingNetwork:
    try:
        network = InpaintingNetwork(NetworkSettings(**json.loads(settings)))
    except (TypeError, ValueError) as error:  # of the tiny network, or of another program
        raise ModelError(
            f"{path}: contains no settings of the large network; expected a checkpoint of gi-plugin train (without --recipe thin), "
            "or a network file made from one"
        ) from error
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            f"{path}: the parameters do not fit the network that the settings in the file describe "
            f"({shorten(str(error), 200)}); use another copy of the file"
        ) from error
    return network
