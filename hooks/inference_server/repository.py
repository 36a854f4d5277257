"""A model repository for NVIDIA Triton Inference Server: the network on the server's own backends, and whole pictures on top of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from gi_plugin import network_file
from gi_plugin.engines import EngineCache
from gi_plugin.errors import ConfigError
from gi_plugin.planning import WINDOWS

from . import model_config

VERSION = "1"  # the folder below a model's config.pbtxt; the server takes the highest number


@dataclass(frozen=True)
class Plan:
    """A TensorRT engine of the engine cache."""

    content: bytes
    window: int
    batch: int


def export(directory: Path, network: Path, backend: str = "onnxruntime", batch: int = 4, plans: Sequence[Plan] = ()) -> list[str]:
    """Write the models of a repository.

    :param directory: the repository; other models in it stay as they are.
    :param network: the network file.
    :param backend: what runs it in the server, "onnxruntime" or "openvino"; windows for which there is a plan run on "tensorrt".
    :param batch: most windows per call of the ONNX network.
    :return: the names of the models.
    :raises ConfigError: if the backend is another, two plans are for the same window, or a model's folder exists already.
    :raises ModelError: if the network file cannot be used.
    """
    if backend not in model_config.BACKENDS:
        raise ConfigError(f"backend {backend!r}: expected one of {', '.join(model_config.BACKENDS)}; give TensorRT plans beside it")
    by_window = {plan.window: plan for plan in plans}
    if len(by_window) < len(plans) or not by_window.keys() <= set(WINDOWS):
        raise ConfigError(
            f"plans for windows of {', '.join(str(plan.window) for plan in plans)} px: give at most one each for {', '.join(map(str, WINDOWS))}"
        )
    onnx_model = network_file.expanded(network_file.load(network)).SerializeToString()  # the OpenVINO backend knows no local functions
    configs = [(model_config.network(backend, batch), onnx_model)]
    configs += [(model_config.planned_network(plan.window, plan.batch), plan.content) for plan in by_window.values()]
    networks = {size: _network_for(by_window.get(size), batch) for size in WINDOWS}
    planners = 1 + (batch if backend == "onnxruntime" else 1)  # while the network runs, the windows of the others collect to a full batch
    configs.append((model_config.pictures(networks, planners), resources.files(__package__).joinpath("triton_model.py").read_bytes()))
    names = [str(config["name"]) for config, _ in configs]
    for name in names:
        if (directory / name).exists():
            raise ConfigError(f"{directory / name} exists: remove it, or name another folder")
    for config, content in configs:
        _write(directory / str(config["name"]), config, content)
    return names


def read_plan(path: Path) -> Plan:
    """Read a TensorRT engine of the engine cache (its `engine.bin`), whose entry says for which windows it is.

    :raises ConfigError: if it is none, or one that the server cannot run.
    :raises EngineMismatch: if it was changed.
    """
    folder = path.expanduser().resolve().parent
    cache = EngineCache(folder.parent.parent)
    entry = next((entry for entry in cache.entries() if entry.folder == folder), None)
    content = None if entry is None else cache.load(entry.parts)
    if entry is None or content is None:
        raise ConfigError(
            f"{path}: not an engine of the cache; give the engine.bin in a folder below the one that `gi-plugin engines list` names"
        )
    if entry.parts["backend"].split()[0] != "tensorrt":
        raise ConfigError(f"{path}: an engine for {entry.parts['backend']}; the server runs those of tensorrt")
    if "layer plugin" in entry.parts["options"]:
        raise ConfigError(
            f"{path}: its attention layer is run by Python, which the server's backend lacks; build it with --layer aot or native"
        )
    return Plan(content, int(entry.parts["window"]), int(entry.parts["batch"]))


def _network_for(plan: Plan | None, batch: int) -> model_config.Message:
    """Which model the pictures' model asks for windows of one size: the arguments of its `ServedNetwork`."""
    if plan is None:
        return {"model": model_config.NETWORK, "batch": batch, "full": False}
    return {"model": model_config.planned_name(plan.window), "batch": plan.batch, "full": True}


def _write(folder: Path, config: model_config.Message, content: bytes) -> None:
    """Write one model; what is half-written is removed."""
    try:
        (folder / VERSION).mkdir(parents=True)
        (folder / VERSION / str(config["default_model_filename"])).write_bytes(content)
        (folder / "config.pbtxt").write_text(model_config.as_text(config), encoding="utf-8")
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
