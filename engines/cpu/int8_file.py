"""Read the int8 version of a network: two OpenVINO files beside the network file, written by `quantization`."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gi_plugin import network_file
from gi_plugin.errors import EngineMissing, ModelError, first_line
from gi_plugin.openvino_core import CORE

if TYPE_CHECKING:
    import openvino

SOURCE = ["gi_plugin", "network"]  # key in the file for the fingerprint of the original network
GUIDE_DROP = ["gi_plugin", "guide_drop"]  # key for the drop of the mean PSNR of the fills that it guides, measured by `quantization`, in dB
LARGEST_DROP = 0.1  # of a version that is chosen by itself, in dB
log = logging.getLogger(__name__)


def int8_path(network: Path) -> Path:
    """Return the path of a network's int8 version. Its parameters are in a file of the same name that ends in .bin."""
    return network.with_suffix(".int8.xml")


def files(network: Path) -> tuple[Path, Path]:
    """Return the paths of both files of the int8 version.

    :raises EngineMissing: if one of them does not exist.
    """
    graph = int8_path(network)
    found = graph, graph.with_suffix(".bin")
    for path in found:
        if not path.is_file():
            raise EngineMissing(
                f"{path}: no such file, so this network has no int8 version; make one with: gi-plugin quantize {network} --data PICTURES"
            )
    return found


def is_usable(network: Path, fingerprint: str) -> bool:
    """Whether int8 may be chosen by itself: there is an int8 version of just this network, and it is hardly worse as guide of the transfer.

    :param fingerprint: of the network file.
    """
    try:
        files(network)
        content = int8_path(network).read_bytes()
    except (EngineMissing, OSError):
        return False
    # only the notes at the end of the file: OpenVINO takes fifty times as long to read all of it
    notes = dict(re.findall(rb'<(\w+) value="([^"]*)"', content.rpartition(b"<gi_plugin>")[2].partition(b"</gi_plugin>")[0]))
    if notes.get(SOURCE[1].encode(), b"").decode() != fingerprint:
        log.warning("%s was made from another network and is not used; make it again with: gi-plugin quantize", int8_path(network))
        return False
    try:
        return float(notes[GUIDE_DROP[1].encode()]) <= LARGEST_DROP
    except (KeyError, ValueError):  # made before the drop was measured, or damaged
        return False


def load(network: Path) -> openvino.Model:
    """Read the int8 version of a network, for windows of any size. It has the inputs `rows` and `columns` of `hole_region.around_hole`.

    :raises EngineMissing: if there is no int8 version.
    :raises ModelError: if it cannot be read or was made from another network.
    """
    graph, parameters = files(network)
    try:
        model = CORE.read_model(graph, parameters)
        source = model.get_rt_info(SOURCE).value if model.has_rt_info(SOURCE) else ""
    except RuntimeError as error:
        raise ModelError(
            f"{graph}: OpenVINO cannot read this int8 version ({first_line(error)}); make it again with: gi-plugin quantize"
        ) from error
    if source != network_file.fingerprint(network):
        raise ModelError(f"{graph}: this int8 version was made from another network than {network}; make it again with: gi-plugin quantize")
    return model
