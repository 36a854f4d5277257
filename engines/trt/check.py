"""Compare a new TensorRT engine with the network in fp32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from gi_plugin.bench.sample import smooth_window
from gi_plugin.config import Config
from gi_plugin.errors import EngineError, EngineMissing

from ..cache import engine_cache, engine_key
from ..gpu.driver import find_gpu
from ..protocol import Engine
from .build_request import Request
from .builder import Built, engine_parts
from .package import TENSORRT_PACKAGES

LARGEST = 2.0  # accepted mean absolute difference in the hole, on a scale of 0 to 255; typical: bf16 0.2, fp16 0.01


def compare(config: Config, request: Request, built: Built, open_engine: Callable[[Config, int], Engine]) -> str:
    """Run a new engine on one picture and compare it with fp32; an engine that differs too much is removed from the cache.

    :param open_engine: opens the new engine, given the settings and the window.
    :return: a sentence with the difference, or with the reason why it could not be compared here.
    :raises EngineError: if the engine differs too much.
    """
    try:
        gpu = find_gpu(request.device)
    except (EngineMissing, ImportError):
        return "not compared with fp32: there is no GPU here"
    if gpu.capability not in built.runs_on.split():
        return f"not compared with fp32: it does not run on the GPU here, {gpu.capability}"
    from ..cpu.openvino_engine import OpenVinoEngine  # noqa: PLC0415  # slow import, only needed on a machine with a GPU

    engine = open_engine(replace(config, engine=replace(config.engine, backend=request.backend)), request.window)
    reference = OpenVinoEngine(Path(request.network), request.window, replace(config.engine, precision="fp32", device="cpu"))
    image, mask = smooth_window(request.window)
    hole = np.broadcast_to(mask, image.shape) > 0
    difference = 127.5 * float(np.abs(engine(image, mask)[0] - reference(image, mask)[0])[hole].mean())
    engine.close()
    reference.close()
    if difference > LARGEST:
        parts = engine_parts(request, None if TENSORRT_PACKAGES[request.backend].portable else gpu)
        engine_cache(config.engine).remove(engine_key(parts))
        raise EngineError(
            f"the engine differs from fp32 by {difference:.2f} of 255 in the hole, allowed is {LARGEST:g}; it was removed from the cache"
        )
    return f"differs from fp32 by {difference:.3f} of 255 in the hole"
