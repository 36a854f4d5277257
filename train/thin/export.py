"""Export the tiny network to its network file."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from gi_plugin import network_file
from gi_plugin.openvino_core import CORE

from ..onnx_export.tracing import half_parameters, traced, with_random_parameters, write
from .network import ThinNetwork, ThinSettings


class _Exported(nn.Module):
    """The network under the name that `traced` expects."""

    def __init__(self, network: ThinNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        correction: Tensor = self.network(image, mask)
        return correction


def export_thin(network: ThinNetwork, path: Path, notes: Mapping[str, str]) -> float:
    """Export a tiny network, compare its output with PyTorch's, and write the network file.

    :param notes: metadata for the file, for example licence, training data, date.
    :return: the largest difference from PyTorch's output.
    :raises ModelError: if the difference exceeds 1e-3; no file is written then.
    """
    rounded = ThinNetwork(network.settings)
    rounded.load_state_dict({name: value.detach().cpu().half().float() for name, value in network.state_dict().items()})
    model = half_parameters(deepcopy(_graph(network.settings)), rounded.state_dict())
    return write(model, asdict(network.settings), notes, path, lambda: _difference(rounded.eval(), model))


@cache
def _graph(settings: ThinSettings) -> onnx.ModelProto:
    """Export the structure with random parameters."""
    batch, rows, columns = (torch.export.Dim(name, min=least, max=4096) for name, least in (("n", 1), ("h", 2), ("w", 2)))
    dynamic = {0: batch, 2: rows, 3: columns}
    exported = ThinNetwork(settings)
    with_random_parameters(exported)
    return traced(_Exported(exported), (torch.zeros(2, 3, 24, 32), torch.zeros(2, 1, 24, 32)), network_file.THIN.outputs, dynamic)


def _difference(network: ThinNetwork, model: onnx.ModelProto) -> float:
    """Compute the largest difference between PyTorch and the file run in fp32, at a size that differs from the export's example."""
    compiled = CORE.compile_model(CORE.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    random = torch.Generator().manual_seed(0)
    image, mask = torch.randn(3, 3, 16, 16, generator=random), (torch.rand(3, 1, 16, 16, generator=random) < 0.2).float()
    with torch.inference_mode():
        expected = network(image, mask)
    (found,) = compiled([image.numpy(), mask.numpy()]).values()
    return float(np.abs(found - expected.numpy()).max())
