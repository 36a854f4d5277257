"""Export the tiny network to its network file."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from gi_plugin import network_file
from gi_plugin.atomic import replacing
from gi_plugin.errors import ModelError
from gi_plugin.openvino_core import CORE

from ..onnx_export.export import OPSET, TOLERANCE, half_parameters, remove_traces
from .network import ThinNetwork, ThinSettings


class _Exported(nn.Module):
    """The network under a name of its own: `half_parameters` tells the parameters of a part from its results by the prefix."""

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
    remove_traces(model)
    del model.graph.value_info[:]
    helper.set_model_props(model, {**notes, network_file.SETTINGS_KEY: json.dumps(asdict(network.settings))})
    onnx.checker.check_model(model)
    difference = _difference(rounded.eval(), model)
    if not difference <= TOLERANCE:  # true for NaN, too
        raise ModelError(f"the exported network differs from PyTorch by {difference:.2e}, expected at most {TOLERANCE:g}")
    with replacing(path) as partial:
        partial.write_bytes(model.SerializeToString())
    return difference


@cache
def _graph(settings: ThinSettings) -> onnx.ModelProto:
    """Export the structure with random parameters, because the exporter would merge parameters of equal value."""
    batch, rows, columns = (torch.export.Dim(name, min=least, max=4096) for name, least in (("n", 1), ("h", 2), ("w", 2)))
    dynamic = {0: batch, 2: rows, 3: columns}
    exported = ThinNetwork(settings)
    for parameter in exported.parameters():
        nn.init.normal_(parameter)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own deprecations and about dimension names
        program = torch.onnx.export(
            _Exported(exported).eval(),
            (torch.zeros(2, 3, 24, 32), torch.zeros(2, 1, 24, 32)),
            dynamo=True,
            verbose=False,
            input_names=network_file.INPUTS,
            output_names=network_file.THIN.outputs,
            dynamic_shapes={"image": dynamic, "mask": dynamic},
            opset_version=OPSET,
        )
    if program is None:
        raise ModelError("torch.onnx.export returned no program: use the tested version of torch (constraints.txt)")
    model: onnx.ModelProto = program.model_proto
    return model


def _difference(network: ThinNetwork, model: onnx.ModelProto) -> float:
    """Compute the largest difference between PyTorch and the file run in fp32, at a size that differs from the export's example."""
    compiled = CORE.compile_model(CORE.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    random = torch.Generator().manual_seed(0)
    image, mask = torch.randn(3, 3, 16, 16, generator=random), (torch.rand(3, 1, 16, 16, generator=random) < 0.2).float()
    with torch.inference_mode():
        expected = network(image, mask)
    (found,) = compiled([image.numpy(), mask.numpy()]).values()
    return float(np.abs(found - expected.numpy()).max())
