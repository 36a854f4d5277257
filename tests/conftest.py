"""A small network that many tests share, because exporting a network takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gi_plugin.train.model.network import InpaintingNetwork


@pytest.fixture(scope="session")
def small_network() -> InpaintingNetwork:
    """Return an untrained network of width 8. Every parameter has a random value, so that every layer affects the result."""
    import torch  # noqa: PLC0415  # heavy

    from gi_plugin.train.model.network import InpaintingNetwork, NetworkSettings  # noqa: PLC0415  # heavy

    torch.manual_seed(1)
    network = InpaintingNetwork(NetworkSettings(width=8))
    for parameter in network.parameters():
        parameter.data = (parameter.data + 0.05 * torch.randn_like(parameter)).half().float()
    return network.eval()


@pytest.fixture(scope="session")
def small_network_file(small_network: InpaintingNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export `small_network` and return its network file."""
    from gi_plugin.train.onnx_export.export import export_network  # noqa: PLC0415  # heavy

    path = tmp_path_factory.mktemp("network") / "network.onnx"
    export_network(small_network, path, {})
    return path
