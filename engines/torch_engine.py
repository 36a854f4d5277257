"""The PyTorch engine, which all other engines are compared with. It runs on a CUDA GPU if there is one, else on the CPU.

On a GPU a call is one CUDA graph, with the attention kernel, between page-locked buffers: at small windows starting the kernels one by one
would take longer than their arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gi_plugin.arrays import Array, Floats, Matches
from gi_plugin.config import EngineSettings
from gi_plugin.errors import EngineError, EngineMissing, first_line
from gi_plugin.train.checkpoint import load_network
from gi_plugin.train.model.network import InpaintingNetwork
from gi_plugin.train.model.precision import placed

from .attention.autograd import accelerate
from .overflow import Fp32Retry
from .protocol import full_batch

Forward = Callable[..., Sequence[Tensor]]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """The network in PyTorch, for windows of one size."""

    def __init__(self, network: Path, window: int, settings: EngineSettings) -> None:
        self.window = window
        self.batch = settings.batch
        device = torch_device(settings)
        precision = _precision(settings.precision, device)
        self._dtype = DTYPES[precision]
        self.backend = f"torch {device.type} {precision}"
        if settings.threads:
            torch.set_num_threads(settings.threads)
        loaded = load_network(network).eval()
        shapes = [(self.batch, channels, window, window) for channels in (3, 1)]
        try:
            loaded = _in_precision(placed(loaded, device), self._dtype)
            if accelerate(loaded):
                self.backend += " + kernel"
            self._run: Callable[..., list[Array]] | None = on_arrays(partial(_completed, loaded, self._dtype), shapes, device)
        except RuntimeError as error:
            raise not_opened(self.backend, f"windows of {window} px", device, error) from error
        self._retry = Fp32Retry(lambda: TorchEngine(network, window, replace(settings, precision="fp32")))

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Fill the holes of windows; see `Engine`."""
        run, count = self._run, image.shape[0]
        if run is None:
            raise EngineError("the engine was closed")
        try:
            completed, matches = run(image, mask)
        except RuntimeError as error:
            raise EngineError(f"{self.backend} failed on a {self.window} px window: {error}") from error
        if self._dtype == torch.float16 and not np.isfinite(completed[:count]).all():
            return self._retry(self.backend, image, mask)
        return completed[:count], matches[:count]

    def close(self) -> None:
        """Release the network."""
        self._run = None
        self._retry.close()


def not_opened(backend: str, purpose: str, device: torch.device, error: RuntimeError) -> EngineError:
    """Describe what keeps an engine from opening: too little memory, or a GPU that this PyTorch was not built for."""
    remedy = "; [engine] device = 'cpu' does without the GPU" if device.type == "cuda" else ""
    return EngineError(f"{backend} cannot be opened for {purpose}: {first_line(error)}{remedy}")


def on_arrays(forward: Forward, shapes: Sequence[tuple[int, ...]], device: torch.device) -> Callable[..., list[Array]]:
    """Make a function of tensors one of arrays: on a GPU one CUDA graph for the whole batch, on the CPU PyTorch's eager mode.

    :param shapes: of its inputs; an array may hold fewer samples, and on a GPU the results are those of a whole batch all the same.
    """
    if device.type == "cpu":
        return partial(_on_cpu, forward)
    from .gpu.recorded import RecordedCall  # noqa: PLC0415  # only needed on a machine with a GPU

    call = RecordedCall(forward, shapes, device)
    return lambda *arrays: call(*(full_batch(array, shape[0]) for array, shape in zip(arrays, shapes, strict=True)))


def _completed(network: InpaintingNetwork, dtype: torch.dtype, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(), torch.autocast(image.device.type, dtype, enabled=dtype != torch.float32):
        completion = network(image, mask)
    return completion.completed.float(), completion.matches


def _on_cpu(forward: Forward, *arrays: Floats) -> list[Array]:
    return [tensor.numpy() for tensor in forward(*map(torch.from_numpy, arrays))]


def torch_device(settings: EngineSettings) -> torch.device:
    """Return PyTorch's name of the device in the settings.

    :raises EngineMissing: if there is no such GPU.
    """
    number = settings.gpu_number()
    if settings.device == "cpu" or (settings.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if number >= torch.cuda.device_count():
        raise EngineMissing(f"torch {torch.__version__} finds {torch.cuda.device_count()} CUDA GPUs, not gpu:{number}; set [engine] device")
    return torch.device("cuda", number)


def _precision(setting: str, device: torch.device) -> str:
    """Resolve the precision setting: "auto" means fp16 on a GPU, else fp32.

    :raises EngineMissing: if PyTorch does not run in this precision.
    """
    if setting == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if setting == "fp16" and device.type == "cpu":
        raise EngineMissing("torch on a CPU runs in fp32 or bf16, not in fp16; set [engine] precision to one of these or to 'auto'")
    if setting not in DTYPES:
        raise EngineMissing(f"torch does not run in {setting}; set [engine] precision = 'auto'")
    return setting


def _in_precision(network: InpaintingNetwork, dtype: torch.dtype) -> InpaintingNetwork:
    """Convert the parameters of the convolutions, in place, so that autocast does not convert them anew in each call."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(dtype)
    return network
