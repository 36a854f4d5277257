"""The tables of plugin.toml, one class each, with their defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from .fields import between, matching, multiple_of_32, one_of

Detail = Literal["transfer", "network"]  # where the pixels of a fill come from
DETAILS: tuple[Detail, ...] = ("transfer", "network")
BACKENDS = ("tensorrt", "tensorrt-rtx", "openvino", "torch")


@dataclass(frozen=True)
class PluginSettings:
    """[plugin]: the manifest; its values are fixed, so that a host can rely on them."""

    name: str = one_of("contextual-attention", "contextual-attention")
    project: str = one_of("gi_plugin", "gi_plugin")
    group: str = one_of("gi_plugin", "gi_plugin")


@dataclass(frozen=True)
class HookSettings:
    """[hook]: defaults of the options of an `inpaint` call."""

    dilate: int = between(0, 0, 64)
    detail: Detail = one_of("transfer", *DETAILS)  # noqa: RUF009  # a field, as the others
    max_pixels: int = between(500_000_000, 1, 2**40)


@dataclass(frozen=True)
class ModelSettings:
    """[model]: the trained networks."""

    path: str = ""
    thin: str = ""


@dataclass(frozen=True)
class EngineSettings:
    """[engine]: the engine that runs the network, and its options."""

    backend: str = one_of("auto", "auto", *BACKENDS)
    device: str = matching("auto", r"auto|cpu|gpu(:\d{1,2})?", "'auto', 'cpu', 'gpu' or a numbered GPU such as 'gpu:1'")
    precision: str = one_of("auto", "auto", "fp32", "bf16", "fp16", "int8")
    layer: str = one_of("auto", "auto", "plugin", "aot", "native")
    batch: int = between(1, 1, 64)
    threads: int = between(0, 0, 1024)
    streams: int = between(0, 0, 64)
    cache: str = ""
    cache_size: int = between(0, 0, 2**30)

    def gpu_number(self) -> int:
        """Number of the GPU to use, if one is used: that of the setting, else 0."""
        return int(self.device.partition(":")[2] or 0)

    def cores(self) -> int:
        """Threads that may run at once: the setting, else one per core that this process may use."""
        return self.threads or usable_cores()


@dataclass(frozen=True)
class TrainSettings:
    """[train]: the training run; the defaults follow the paper, except for `fill`, `ema` and the augmentations."""

    width: int = between(32, 8, 256)
    attention: bool = True
    fill: str = one_of("smooth", "smooth", "grey")
    seed: int = between(0, 0, 2**31)
    crop: int = multiple_of_32(256, 96, 1024)
    batch: int = between(16, 1, 1024)
    accumulate: int = between(1, 1, 64)
    scale_jitter: bool = True
    mixed_scales: bool = False
    flip: bool = True
    colour_jitter: float = between(0.1, 0.0, 1.0)
    hole_smallest: int = between(96, 1, 1024)
    hole_largest: int = between(128, 1, 1024)
    hole_ramp: int = between(0, 0, 10**9)
    free_form: float = between(0.0, 0.0, 1.0)
    blobs: float = between(0.0, 0.0, 1.0)
    shapes: float = between(0.0, 0.0, 1.0)
    workers: int = between(1, 0, 64)
    critic: str = one_of("paper", "paper", "patch")
    gan: str = one_of("wgan-gp", "wgan-gp", "hinge", "lsgan", "bce")
    critic_steps: int = between(5, 0, 100)
    critic_warmup: int = between(100, 0, 100_000)
    gradient_penalty: float = between(10.0, 0.0, 1000.0)
    r1: float = between(0.0, 0.0, 1000.0)
    adversarial_weight: float = between(0.001, 0.0, 10.0)
    hole_weight: float = between(1.2, 0.0, 100.0)
    known_weight: float = between(1.2, 0.0, 100.0)
    coarse_weight: float = between(1.2, 0.0, 100.0)
    feature_weight: float = between(0.0, 0.0, 100.0)
    texture_weight: float = between(0.0, 0.0, 100.0)
    low_weight: float = between(0.0, 0.0, 100.0)
    attention_weight: float = between(0.0, 0.0, 100.0)
    balance: bool = False
    discount: float = between(0.99, 0.5, 1.0)
    learning_rate: float = between(1e-4, 1e-8, 1.0)
    decay: bool = False
    beta1: float = between(0.5, 0.0, 0.9999)
    beta2: float = between(0.9, 0.0, 0.99999)
    ema: float = between(0.999, 0.0, 0.99999)
    precision: str = one_of("fp32", "fp32", "bf16")
    channels_last: bool = True
    compile: str = one_of("auto", "auto", "on", "off")
    pictures: str = one_of("auto", "auto", "device", "workers")
    validation: int = between(32, 1, 10_000)
    validate_every: int = between(500, 1, 10**9)


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
