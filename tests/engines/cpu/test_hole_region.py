"""The network limited to the region around the hole gives the same result as the full network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from gi_plugin import network_file
from gi_plugin.arrays import CELL, Floats
from gi_plugin.config import EngineSettings
from gi_plugin.engines.cpu.hole_region import HALO, STEP, around_hole, region
from gi_plugin.engines.cpu.openvino_engine import OpenVinoEngine
from gi_plugin.errors import ModelError
from gi_plugin.train.model.network import InpaintingNetwork

WINDOW = 136  # 17 cells: not a multiple of the step
HOLES = {  # slices of the missing pixels
    "centre": [np.s_[50:90, 40:100]],
    "one pixel": [np.s_[70, 13]],
    "top left corner": [np.s_[:20, :9]],
    "bottom right corner": [np.s_[120:, 100:]],
    "right border": [np.s_[30:60, 128:]],
    "thin stroke": [np.s_[60, 10:120]],
    "two far apart": [np.s_[8:16, 8:30], np.s_[110:130, 100:128]],
    "nearly everything": [np.s_[4:, :132]],
    "everything": [np.s_[:, :]],
    "nothing": [],
}


@pytest.fixture(scope="module")
def engine(small_network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> OpenVinoEngine:
    settings = EngineSettings(precision="fp32", batch=2, cache=str(tmp_path_factory.mktemp("cache")))
    return OpenVinoEngine(small_network_file, WINDOW, settings)


def _mask(*names: str) -> Floats:
    mask = np.zeros((len(names), 1, WINDOW, WINDOW), np.float32)
    for index, name in enumerate(names):
        for part in HOLES[name]:
            mask[index, 0][part] = 1
    return mask


@pytest.mark.parametrize("names", [*((name,) for name in HOLES), ("one pixel", "right border")], ids=" and ".join)
def test_equals_the_full_network(small_network: InpaintingNetwork, engine: OpenVinoEngine, names: tuple[str, ...]) -> None:
    """For holes at any place, alone or in a batch, picture and matches equal those of PyTorch on the whole window."""
    mask = _mask(*names)
    image = np.random.default_rng(0).uniform(-1, 1, (len(names), 3, 17, 17)).astype(np.float32).repeat(CELL, 2).repeat(CELL, 3)
    image += np.random.default_rng(1).normal(0, 0.05, image.shape).astype(np.float32)
    with torch.inference_mode():
        expected = small_network(torch.from_numpy(image), torch.from_numpy(mask))
    completed, matches = engine(image, mask)
    np.testing.assert_allclose(completed, expected.completed.numpy(), atol=2e-4)
    hole = mask.reshape(len(names), 17, CELL, 17, CELL).any(axis=(2, 4)).reshape(len(names), -1)
    differing = (matches != expected.matches.numpy())[hole]
    assert differing.sum() <= 0.01 * hole.sum()  # rounding may decide between equal keys


@pytest.mark.parametrize("name", HOLES)
def test_the_region_covers_hole_and_halo(name: str) -> None:
    """The region has every cell at most HALO from a missing pixel, and its sides are rounded up to a multiple of STEP."""
    mask = _mask(name)
    for axis, cells in zip((2, 3), region(mask), strict=True):
        missing = np.flatnonzero(mask.any(axis=(0, 1, 5 - axis))) // CELL
        needed = {cell + step for cell in missing for step in range(-HALO, HALO + 1)} & set(range(17))
        assert needed <= set(cells.tolist()) <= set(range(17))
        assert np.diff(cells).tolist() == [1] * (len(cells) - 1)
        assert len(cells) in {STEP * -(-max(len(needed), 1) // STEP), 17} or not len(missing)


def test_an_older_network_file_is_an_error(small_network_file: Path) -> None:
    """For a file without the functions for the region, the message says to export it again."""
    model = onnx.load(small_network_file)
    del model.functions[:]
    with pytest.raises(ModelError, match="older version; export it again"):
        around_hole(model)


def test_the_graph_is_sorted(small_network_file: Path) -> None:
    """The rewritten network passes ONNX's checker, which requires sorted graphs."""
    onnx.checker.check_model(network_file.expanded(around_hole(network_file.load(small_network_file))))
