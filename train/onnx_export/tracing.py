"""What the exports of both networks share: tracing the structure, inserting fp16 parameters, checking and writing the file."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from gi_plugin import network_file
from gi_plugin.atomic import replacing
from gi_plugin.errors import ModelError

OPSET = 18
TOLERANCE = 1e-3  # largest allowed difference between the outputs of the file and of PyTorch, on a scale of -1 to 1
PREFIX = "network."  # `traced` expects the network under this name; so parameters have other names than their casts to fp32


def with_random_parameters(network: nn.Module) -> None:
    """Give all parameters random values, because the exporter would merge parameters of equal value."""
    for parameter in network.parameters():
        nn.init.normal_(parameter)


def traced(module: nn.Module, example: tuple[Tensor, Tensor], outputs: Sequence[str], dynamic: Mapping[int, Any]) -> onnx.ModelProto:
    """Export the structure of a module whose attribute `network` is the network.

    :param example: image and mask.
    :param outputs: names of the outputs.
    :param dynamic: the dimensions of image and mask that stay open.
    :raises ModelError: if this version of torch cannot export it.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own deprecations and about dimension names
        program = torch.onnx.export(
            module.eval(),
            example,
            dynamo=True,
            verbose=False,
            input_names=network_file.INPUTS,
            output_names=outputs,
            dynamic_shapes=dict.fromkeys(network_file.INPUTS, dynamic),
            opset_version=OPSET,
        )
    if program is None:
        raise ModelError("torch.onnx.export returned no program: use the tested version of torch (constraints.txt)")
    model: onnx.ModelProto = program.model_proto
    return model


def half_parameters(model: onnx.ModelProto, state: Mapping[str, Tensor]) -> onnx.ModelProto:
    """Insert the trained parameters as fp16, under their training names, each followed by a cast to fp32."""
    casts = []
    for stored in list(model.graph.initializer):
        name = stored.name.removeprefix(PREFIX)
        if name not in state:
            continue
        half = numpy_helper.from_array(state[name].numpy().astype(np.float16), name)
        casts.append(helper.make_node("Cast", [name], [stored.name], to=TensorProto.FLOAT))
        model.graph.initializer.remove(stored)
        model.graph.initializer.append(half)
    if len(casts) != len(state):
        raise ModelError(
            f"the exporter kept {len(casts)} of {len(state)} parameters by name: use the tested version of torch (constraints.txt)"
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def write(model: onnx.ModelProto, settings: Mapping[str, Any], notes: Mapping[str, str], path: Path, compare: Callable[[], float]) -> float:
    """Complete and check a network file, and write it.

    :param settings: of the network.
    :param compare: computes the largest difference between PyTorch and the completed model.
    :return: that difference.
    :raises ModelError: if it exceeds `TOLERANCE`; no file is written then.
    """
    _remove_traces(model)
    del model.graph.value_info[:]  # intermediate shapes; each reader infers them for its own window size
    helper.set_model_props(model, {**notes, network_file.SETTINGS_KEY: json.dumps(settings)})
    onnx.checker.check_model(model)
    difference = compare()
    if not difference <= TOLERANCE:  # true for NaN, too
        raise ModelError(
            f"the exported network differs from PyTorch by {difference:.2e}, expected at most {TOLERANCE:g}; no file was written"
        )
    with replacing(path) as partial:
        partial.write_bytes(model.SerializeToString())
    return difference


def _remove_traces(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes about the source code: stack traces with paths of this machine, 0.5 MB of them."""
    for part in (model.graph, *model.functions):
        part.doc_string = ""
        for entry in (part, *part.node, *part.value_info):
            del entry.metadata_props[:]
            entry.doc_string = ""
