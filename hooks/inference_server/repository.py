"""Write a model repository for NVIDIA Triton Inference Server: a model of the network, and a model that fills whole pictures with it."""

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

VERSION = "1"  # name of a model's version folder; the server loads the highest number


@dataclass(frozen=True)
class Plan:
    """A TensorRT engine from the engine cache, and the shape of its input."""

    content: bytes
    window: int  # side of the input, in pixels
    batch: int


def export(directory: Path, network: Path, backend: str = "onnxruntime", batch: int = 4, plans: Sequence[Plan] = ()) -> list[str]:
    """Write the models into a repository.

    :param directory: the repository; other models in it are not touched.
    :param network: the network file.
    :param backend: the server's backend for the network, "onnxruntime" or "openvino"; windows with a plan run on "tensorrt".
    :param batch: largest number of windows per call of the ONNX network.
    :param plans: TensorRT engines, at most one per window size.
    :return: the names of the models.
    :raises ConfigError: if the backend is unknown, two plans have the same window size, or the folder of a model exists.
    :raises ModelError: if the network file cannot be used.
    """
    if backend not in model_config.BACKENDS:
        raise ConfigError(f"backend {backend!r}: expected one of {', '.join(model_config.BACKENDS)}; pass TensorRT engines as plans")
    by_window = {plan.window: plan for plan in plans}
    if len(by_window) < len(plans) or not by_window.keys() <= set(WINDOWS):
        given, sizes = ", ".join(str(plan.window) for plan in plans), ", ".join(map(str, WINDOWS))
        raise ConfigError(f"plans for windows of {given} px: expected at most one each for {sizes} px")
    onnx_model = network_file.expanded(
        network_file.load(network)
    ).SerializeToString()  # the OpenVINO backend does not support local functions
    configs = [(model_config.network(backend, batch), onnx_model)]
    configs += [(model_config.planned_network(plan.window, plan.batch), plan.content) for plan in by_window.values()]
    networks = {size: _network_for(by_window.get(size), batch) for size in WINDOWS}
    planners = 1 + (batch if backend == "onnxruntime" else 1)  # while the network runs, the other processes collect the next full batch
    configs.append((model_config.pictures(networks, planners), resources.files(__package__).joinpath("triton_model.py").read_bytes()))
    names = [str(config["name"]) for config, _ in configs]
    for name in names:
        if (directory / name).exists():
            raise ConfigError(f"{directory / name} exists: remove it, or choose another folder")
    for config, content in configs:
        _write(directory / str(config["name"]), config, content)
    return names


def read_plan(path: Path) -> Plan:
    """Read a TensorRT engine from the engine cache; the cache entry states its window size and batch.

    :param path: the `engine.bin` of a cache entry.
    :raises ConfigError: if the file is not in the engine cache, or the server cannot run the engine.
    :raises EngineMismatch: if the file was changed.
    """
    folder = path.expanduser().resolve().parent
    cache = EngineCache(folder.parent.parent)
    entry = next((entry for entry in cache.entries() if entry.folder == folder), None)
    content = None if entry is None else cache.load(entry.parts)
    if entry is None or content is None:
        raise ConfigError(f"{path}: not an engine of the cache; expected the engine.bin of an entry that `gi-plugin engines list` shows")
    if entry.parts["backend"].split()[0] != "tensorrt":
        raise ConfigError(f"{path}: an engine for {entry.parts['backend']}; the server runs only engines for tensorrt")
    if "layer plugin" in entry.parts["options"]:
        raise ConfigError(
            f"{path}: its attention layer needs Python, which the server's TensorRT backend lacks; build it with --layer aot or native"
        )
    return Plan(content, int(entry.parts["window"]), int(entry.parts["batch"]))


def _network_for(plan: Plan | None, batch: int) -> model_config.Message:
    """Arguments of `ServedNetwork` for windows of one size: the model's name, its batch, and whether it needs full batches."""
    if plan is None:
        return {"model": model_config.NETWORK, "batch": batch, "full": False}
    return {"model": model_config.planned_name(plan.window), "batch": plan.batch, "full": True}


def _write(folder: Path, config: model_config.Message, content: bytes) -> None:
    """Write the folder of one model; remove it if a write fails."""
    try:
        (folder / VERSION).mkdir(parents=True)
        (folder / VERSION / str(config["default_model_filename"])).write_bytes(content)
        (folder / "config.pbtxt").write_text(model_config.as_text(config), encoding="utf-8")
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
