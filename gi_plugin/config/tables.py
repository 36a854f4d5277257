"""The tables of plugin.toml as frozen dataclasses, and the values that each setting may have."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import ConfigError

Detail = Literal["transfer", "network"]  # where the pixels of a fill come from
DETAILS: tuple[Detail, ...] = ("transfer", "network")
BACKENDS = ("tensorrt", "tensorrt-rtx", "openvino", "torch")


def _one_of(default: Any, *choices: Any) -> Any:
    allowed = " or ".join(repr(choice) for choice in choices)
    return field(default=default, metadata={"allowed": allowed, "test": lambda value: value in choices})


def _between(default: Any, low: float, high: float) -> Any:
    return field(default=default, metadata={"allowed": f"{low} to {high}", "test": lambda value: low <= value <= high})


def _matching(default: str, pattern: str, allowed: str) -> Any:
    return field(default=default, metadata={"allowed": allowed, "test": lambda value: re.fullmatch(pattern, value) is not None})


def _multiple_of_32(default: int, low: int, high: int) -> Any:
    allowed = f"a multiple of 32 from {low} to {high}"
    return field(default=default, metadata={"allowed": allowed, "test": lambda value: low <= value <= high and value % 32 == 0})


@dataclass(frozen=True)
class PluginSettings:
    """[plugin]: the manifest; its values are fixed, so that a host can rely on them."""

    name: str = _one_of("contextual-attention", "contextual-attention")
    project: str = _one_of("gi_plugin", "gi_plugin")
    group: str = _one_of("gi_plugin", "gi_plugin")


@dataclass(frozen=True)
class HookSettings:
    """[hook]: defaults of the options of an `inpaint` call."""

    dilate: int = _between(0, 0, 64)
    detail: Detail = _one_of("transfer", *DETAILS)  # noqa: RUF009  # a field, as the others
    max_pixels: int = _between(500_000_000, 1, 2**40)


@dataclass(frozen=True)
class ModelSettings:
    """[model]: the trained networks."""

    path: str = ""
    thin: str = ""


@dataclass(frozen=True)
class EngineSettings:
    """[engine]: the engine that runs the network, and its options."""

    backend: str = _matching("auto", r"[\w.-]+", "a name")  # one of `BACKENDS`, or of a plugin
    device: str = _matching("auto", r"auto|cpu|gpu(:\d{1,2})?", "'auto', 'cpu', 'gpu' or a numbered GPU such as 'gpu:1'")
    precision: str = _one_of("auto", "auto", "fp32", "bf16", "fp16", "int8")
    layer: str = _one_of("auto", "auto", "plugin", "aot", "native")
    batch: int = _between(1, 1, 64)
    threads: int = _between(0, 0, 1024)
    streams: int = _between(0, 0, 64)
    cache: str = ""
    cache_size: int = _between(0, 0, 2**30)

    def gpu_number(self) -> int:
        """Number of the GPU to use, if one is used: that of the setting, else 0."""
        return int(self.device.partition(":")[2] or 0)

    def cores(self) -> int:
        """Threads that may run at once: the setting, else one per core that this process may use."""
        return self.threads or usable_cores()


@dataclass(frozen=True)
class TrainSettings:
    """[train]: the training run; the defaults follow the paper, except for `fill`, `ema` and the augmentations."""

    width: int = _between(32, 8, 256)
    attention: bool = True
    fill: str = _one_of("smooth", "smooth", "grey")
    seed: int = _between(0, 0, 2**31)
    crop: int = _multiple_of_32(256, 96, 1024)
    batch: int = _between(16, 1, 1024)
    accumulate: int = _between(1, 1, 64)
    scale_jitter: bool = True
    mixed_scales: bool = False
    mixed_crops: bool = False
    flip: bool = True
    colour_jitter: float = _between(0.1, 0.0, 1.0)
    hole_smallest: int = _between(96, 1, 1024)
    hole_largest: int = _between(128, 1, 1024)
    hole_ramp: int = _between(0, 0, 10**9)
    free_form: float = _between(0.0, 0.0, 1.0)
    blobs: float = _between(0.0, 0.0, 1.0)
    shapes: float = _between(0.0, 0.0, 1.0)
    workers: int = _between(1, 0, 64)
    critic: str = _one_of("paper", "paper", "patch")
    gan: str = _one_of("wgan-gp", "wgan-gp", "hinge", "lsgan", "bce", "relativistic")
    critic_steps: int = _between(5, 0, 100)
    critic_warmup: int = _between(100, 0, 100_000)
    gradient_penalty: float = _between(10.0, 0.0, 1000.0)
    r1: float = _between(0.0, 0.0, 1000.0)
    r1_every: int = _between(1, 1, 1000)
    adversarial_weight: float = _between(0.001, 0.0, 10.0)
    hole_weight: float = _between(1.2, 0.0, 100.0)
    known_weight: float = _between(1.2, 0.0, 100.0)
    coarse_weight: float = _between(1.2, 0.0, 100.0)
    feature_weight: float = _between(0.0, 0.0, 100.0)
    texture_weight: float = _between(0.0, 0.0, 100.0)
    low_weight: float = _between(0.0, 0.0, 100.0)
    attention_weight: float = _between(0.0, 0.0, 100.0)
    balance: bool = False
    discount: float = _between(0.99, 0.5, 1.0)
    learning_rate: float = _between(1e-4, 1e-8, 1.0)
    decay: bool = False
    beta1: float = _between(0.5, 0.0, 0.9999)
    beta2: float = _between(0.9, 0.0, 0.99999)
    ema: float = _between(0.999, 0.0, 0.99999)
    precision: str = _one_of("fp32", "fp32", "bf16")
    channels_last: bool = True
    compile: str = _one_of("auto", "auto", "on", "off")
    pictures: str = _one_of("auto", "auto", "device", "workers")
    validation: int = _between(32, 1, 10_000)
    validate_every: int = _between(500, 1, 10**9)


@dataclass(frozen=True)
class Config:
    """All settings, one attribute per table."""

    plugin: PluginSettings = PluginSettings()
    hook: HookSettings = HookSettings()
    model: ModelSettings = ModelSettings()
    engine: EngineSettings = EngineSettings()
    train: TrainSettings = TrainSettings()
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)  # [plugins.NAME]: checked by that plugin's options
    source: Path | None = field(default=None, compare=False, kw_only=True)  # the file that they were read from; not a table


def check_settings(settings: Any, origin: str) -> None:
    """Check a table of settings that did not come from a file, e.g. from the command line; `origin` is their name in error messages.

    :raises ConfigError: if a value is wrong.
    """
    for entry in dataclasses.fields(settings):
        check_value(entry, getattr(settings, entry.name), origin)


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_value(entry: dataclasses.Field[Any], value: Any, origin: str) -> None:
    """Check one setting; `origin` stands before its name in error messages.

    :raises ConfigError: if the value has the wrong type, or is not allowed.
    """
    accepted: tuple[type, ...] = (int, float) if isinstance(entry.default, float) else (type(entry.default),)
    kind = type(entry.default).__name__
    if type(value) not in accepted:  # not isinstance: bool is a subclass of int
        raise ConfigError(f"{origin} {entry.name} = {value!r}: expected {kind}, got {type(value).__name__}")
    test = entry.metadata.get("test")
    if test is not None and not test(value):
        raise ConfigError(f"{origin} {entry.name} = {value!r}: expected {entry.metadata['allowed']}")
