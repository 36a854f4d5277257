"""The int8 form of a network: its convolutions quantised, as OpenVINO's two files beside the network file; made by `quantization`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gi_plugin import network_file
from gi_plugin.errors import EngineMissing, ModelError, first_line
from gi_plugin.openvino_core import CORE

if TYPE_CHECKING:
    import openvino

SOURCE = ["gi_plugin", "network"]  # where the file keeps the fingerprint of the network that it was made from


def int8_path(network: Path) -> Path:
    """Where the int8 form of a network file is; its parameters are beside it in a file of the same name that ends in .bin."""
    return network.with_suffix(".int8.xml")


def files(network: Path) -> tuple[Path, Path]:
    """Both files of the int8 form.

    :raises EngineMissing: if one is not there.
    """
    graph = int8_path(network)
    found = graph, graph.with_suffix(".bin")
    for path in found:
        if not path.is_file():
            raise EngineMissing(f"{path}: this network has no int8 form; make it with: gi-plugin quantize {network} --data PICTURES")
    return found


def load(network: Path) -> openvino.Model:
    """The int8 form of a network file, for windows of any size; takes `rows` and `columns` as `hole_region.around_hole` says.

    :raises EngineMissing: if there is none.
    :raises ModelError: if it cannot be read, or was made from another network.
    """
    graph, parameters = files(network)
    try:
        model = CORE.read_model(graph, parameters)
        source = model.get_rt_info(SOURCE).value if model.has_rt_info(SOURCE) else ""
    except RuntimeError as error:
        raise ModelError(f"{graph}: not a readable int8 form ({first_line(error)}); make it again: gi-plugin quantize") from error
    if source != network_file.fingerprint(network):
        raise ModelError(f"{graph}: was made from another network than {network}; make it again: gi-plugin quantize")
    return model
