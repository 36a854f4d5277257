"""Export a trained PyTorch network to the network file (.onnx) that all engines read."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from gi_plugin import network_file
from gi_plugin.errors import ModelError
from gi_plugin.openvino_core import CORE

from ..model.network import InpaintingNetwork, NetworkSettings
from . import attention_function, region_functions
from .tracing import half_parameters, traced, with_random_parameters, write


class _Exported(nn.Module):
    """The network as it is exported, with only the two outputs of the network file."""

    def __init__(self, network: InpaintingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        completion = self.network(image, mask)
        return completion.completed, completion.matches


def export_network(network: InpaintingNetwork, path: Path, notes: Mapping[str, str]) -> float:
    """Export a network, compare its output with PyTorch's, and write the network file.

    :param notes: metadata for the file, for example licence, training data, date.
    :return: the largest difference from PyTorch's output, on pictures in [-1, 1].
    :raises ModelError: if the difference exceeds 1e-3, or the network has no attention; no file is written then.
    """
    rounded = _rounded(network)
    model = _with_functions(half_parameters(deepcopy(_graph(network.settings)), rounded.state_dict()))
    return write(model, asdict(network.settings), notes, path, lambda: _difference(rounded, model))


def _rounded(network: InpaintingNetwork) -> InpaintingNetwork:
    """Copy a network to the CPU, in evaluation mode, with the fp16-rounded parameters that the file will contain."""
    copy = InpaintingNetwork(network.settings)
    copy.load_state_dict({name: value.detach().cpu().half().float() for name, value in network.state_dict().items()})
    return copy.eval()


def _attention_node(gram: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    outputs = torch.onnx.ops.symbolic_multi_out(
        f"{network_file.DOMAIN}::{network_file.ATTENTION}",
        (gram, mask),
        {"scale": scale},
        dtypes=(torch.float32, torch.int64),
        shapes=(gram.shape, gram.shape[:2]),
        version=1,
    )
    return cast("tuple[Tensor, Tensor]", tuple(outputs))


@cache  # the export takes about 15 seconds
def _graph(settings: NetworkSettings) -> onnx.ModelProto:
    """Export the structure with random parameters."""
    batch, rows, columns = (
        torch.export.Dim(name, min=least, max=most) for name, least, most in (("n", 1, 64), ("h", 9, 512), ("w", 9, 512))
    )
    dynamic = {0: batch, 2: 8 * rows, 3: 8 * columns}
    example = (torch.zeros(2, 3, 128, 160), torch.zeros(2, 1, 128, 160))
    exported = InpaintingNetwork(settings)
    with_random_parameters(exported)
    attention = exported.refinement.attention
    if attention is None:
        raise ModelError(
            "cannot export a network without attention: expected attention = true; such networks are only for comparison in training"
        )
    attention.step = _attention_node
    return traced(_Exported(exported), example, network_file.OUTPUTS, dynamic)


def _with_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    functions = (*attention_function.FUNCTIONS, *region_functions.FUNCTIONS)
    model.functions.extend(function.to_function_proto() for function in functions)
    for value, names in zip((*model.graph.input, *model.graph.output), (*(["n", "h", "w"],) * 3, ["n", "cells"]), strict=True):
        dynamic = [dimension for dimension in value.type.tensor_type.shape.dim if not dimension.dim_value]
        for dimension, name in zip(dynamic, names, strict=True):
            dimension.dim_param = name
    return model


def _difference(network: InpaintingNetwork, model: onnx.ModelProto) -> float:
    """Compute the largest difference between PyTorch and the file run in fp32, at two sizes that differ from the export's example."""
    compiled = CORE.compile_model(
        CORE.read_model(network_file.expanded(model).SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    largest = 0.0
    for seed, (count, height, width) in enumerate([(1, 144, 136), (3, 96, 192)]):
        random = torch.Generator().manual_seed(seed)
        image = torch.rand(count, 3, height, width, generator=random) * 2 - 1
        mask = torch.zeros(count, 1, height, width)
        mask[..., height // 4 : height // 2, width // 3 : width // 2] = 1
        with torch.inference_mode():
            expected = network(image, mask)
        completed, _ = compiled([image.numpy(), mask.numpy()]).values()
        largest = max(largest, float(np.abs(completed - expected.completed.numpy()).max()))
    return largest
