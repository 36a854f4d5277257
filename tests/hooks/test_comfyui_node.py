"""The ComfyUI node, loaded and called in the same way as by ComfyUI."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gi_plugin
from tests.hooks.pictures import picture
from tests.product import ROOT

KINDS = {"IMAGE": torch.Tensor, "MASK": torch.Tensor, "INT": int, "BOOLEAN": bool}


class ComfyUi:
    """The parts of ComfyUI that use a node: its loader, and the executor that calls the node as the node declares."""

    def __init__(self, folder: Path) -> None:
        self.nodes: dict[str, type[Any]] = {}
        self.titles: dict[str, str] = {}
        for file in folder.glob("*.py"):
            spec = importlib.util.spec_from_file_location(str(file.with_suffix("")), file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            self.nodes |= module.NODE_CLASS_MAPPINGS
            self.titles |= module.NODE_DISPLAY_NAME_MAPPINGS

    def run(self, name: str, **given: Any) -> tuple[Any, ...]:
        """Validate the inputs against the node's declaration, add defaults, and call the node."""
        node = self.nodes[name]
        declared = node.INPUT_TYPES()
        inputs = {key: rest[0]["default"] for key, (_, *rest) in declared["required"].items() if key not in given} | given
        for key, (kind, *rest) in (declared["required"] | declared["optional"]).items():
            if key in inputs or key in declared["required"]:  # an optional input that is not connected is left out of the call
                assert _is_valid(inputs[key], kind, *rest)
        assert inputs.keys() <= declared["required"].keys() | declared["optional"].keys()
        outputs = getattr(node(), node.FUNCTION)(**inputs)
        assert [type(output) for output in outputs] == [KINDS[kind] for kind in node.RETURN_TYPES]
        assert len(node.RETURN_NAMES) == len(node.RETURN_TYPES)
        return tuple(outputs)


def _is_valid(value: Any, kind: Any, options: Mapping[str, Any] | None = None) -> bool:
    """Whether the executor accepts the value of an input; a list as its kind has the choices."""
    if isinstance(kind, list):
        return value in kind
    return isinstance(value, KINDS[kind]) and (kind != "INT" or (options or {})["min"] <= value <= (options or {})["max"])


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> ComfyUi:
    """ComfyUI with the file that the install command of docs/comfyui.md writes."""
    text = (ROOT / "docs" / "comfyui.md").read_text(encoding="utf-8")
    (code,) = re.findall(r'^python -c "(.*)"$', text, re.MULTILINE)
    assert not set(code) & set('$`%!\\"')  # sh, cmd and PowerShell pass such a text in double quotes on as it is
    folder = tmp_path_factory.mktemp("comfy")
    (folder / "ComfyUI" / "custom_nodes").mkdir(parents=True)
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    return ComfyUi(folder / "ComfyUI" / "custom_nodes")


def _batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    pictures = [picture(seed) for seed in range(count)]
    images = np.stack([image for image, _ in pictures]).astype(np.float32) / 255
    return torch.from_numpy(images), torch.from_numpy(np.stack([mask for _, mask in pictures]).astype(np.float32))


def _fill(comfyui: ComfyUi, image: torch.Tensor, mask: torch.Tensor, **given: Any) -> torch.Tensor:
    (filled,) = comfyui.run("ContextualAttentionInpaint", image=image, mask=mask, **given)
    assert isinstance(filled, torch.Tensor)
    return filled


def test_the_install_command_adds_the_node(comfyui: ComfyUi) -> None:
    """ComfyUI finds one node, with a title and a place in the menu."""
    assert list(comfyui.nodes) == list(comfyui.titles) == ["ContextualAttentionInpaint"]
    assert comfyui.nodes["ContextualAttentionInpaint"].CATEGORY


def test_each_image_of_a_batch_is_filled_by_its_own_mask(comfyui: ComfyUi) -> None:
    """Each result equals that of `gi_plugin.inpaint`, and the inputs stay unchanged."""
    images, masks = _batch(3)
    before = images.clone()
    filled = _fill(comfyui, images, masks)
    assert torch.equal(images, before)
    for index in range(3):
        expected = gi_plugin.inpaint(images[index].numpy(), masks[index].numpy())
        np.testing.assert_array_equal(filled[index].numpy(), expected)


@pytest.mark.parametrize("single", [lambda mask: mask[:1], lambda mask: mask[0]], ids=["a batch of one", "without batch"])
def test_one_mask_serves_all_images(comfyui: ComfyUi, single: Any) -> None:
    """A single mask is the hole of every image."""
    images, masks = _batch(2)
    filled = _fill(comfyui, images, single(masks))
    assert torch.equal(filled, _fill(comfyui, images, masks[:1].repeat(2, 1, 1)))
    hole = masks[0] > 0
    assert torch.equal(filled[1][~hole], images[1][~hole])
    assert not torch.equal(filled[1][hole], images[1][hole])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_result_has_the_images_dtype(comfyui: ComfyUi, dtype: torch.dtype) -> None:
    """Known pixels are bit-identical in every floating type."""
    images, masks = _batch(1)
    images = images.to(dtype)
    filled = _fill(comfyui, images, masks)
    assert (filled.dtype, filled.shape) == (dtype, images.shape)
    assert torch.equal(filled[masks == 0], images[masks == 0])


def test_growing_the_mask_is_dilation(comfyui: ComfyUi) -> None:
    """The input `grow_mask` is the option `dilate`."""
    images, masks = _batch(1)
    grown = _fill(comfyui, images, masks, grow_mask=3)
    np.testing.assert_array_equal(grown[0].numpy(), gi_plugin.inpaint(images[0].numpy(), masks[0].numpy(), dilate=3))
    assert not torch.equal(grown, _fill(comfyui, images, masks))


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"detail": "network"}, {"detail": "network"}),
        ({"detail": "transfer", "seed": 5}, {"seed": 5}),
        ({"seed": 2**64 - 1}, {"seed": 2**31 - 1}),
        ({"sources": torch.zeros(1, 64, 64)}, {}),
    ],
)
def test_detail_and_seed_are_the_options(comfyui: ComfyUi, given: dict[str, Any], options: dict[str, Any]) -> None:
    """The inputs are the options of the same names; seeds go on to 2**64 as those of ComfyUI, and an empty mask of sources is none."""
    images, masks = _batch(1)
    filled = _fill(comfyui, images, masks, **given)
    np.testing.assert_array_equal(filled[0].numpy(), gi_plugin.inpaint(images[0].numpy(), masks[0].numpy(), **options))
    assert torch.equal(filled, _fill(comfyui, images, masks)) == (not options)


@pytest.mark.parametrize("one_for_all", [True, False])
def test_pixels_come_from_the_sources(comfyui: ComfyUi, one_for_all: bool) -> None:  # a table
    """The mask of sources is the option of that name: one for all images, or one for each."""
    images, masks = _batch(2)
    sources = torch.zeros(2, 64, 80)
    sources[0, :, :40] = sources[1, :, 40:] = 1
    sources = sources[0] if one_for_all else sources
    filled = _fill(comfyui, images, masks, sources=sources)
    for index, region in enumerate(sources.expand(2, 64, 80)):
        expected = gi_plugin.inpaint(images[index].numpy(), masks[index].numpy(), sources=region.numpy())
        np.testing.assert_array_equal(filled[index].numpy(), expected)
    assert not torch.equal(filled, _fill(comfyui, images, masks))


def test_an_empty_mask_of_the_loaders_size_changes_nothing(comfyui: ComfyUi) -> None:
    """An image with an empty mask, such as the 64 x 64 one of *Load Image*, stays unchanged; other images of the batch are filled."""
    images, masks = _batch(2)
    assert torch.equal(_fill(comfyui, images, torch.zeros(1, 64, 64)), images)
    masks[0] = 0
    filled = _fill(comfyui, images, masks)
    assert torch.equal(filled[0], images[0])
    assert not torch.equal(filled[1], images[1])


@pytest.mark.parametrize("highest", [0.8, 4.0, 1000.0])
def test_high_dynamic_range_is_kept(comfyui: ComfyUi, highest: float) -> None:
    """Values above 1 stay as they are, and the fill has the range of what surrounds the hole."""
    images, masks = _batch(2)
    images = images * 0.8
    bright = _fill(comfyui, images * highest / 0.8, masks)
    assert torch.equal(bright[masks == 0], (images * highest / 0.8)[masks == 0])
    assert bright[masks > 0].max() <= 1.5 * highest
    assert 0.5 * highest < bright[masks > 0].max()


def test_frames_of_a_film_are_filled_calmly(comfyui: ComfyUi) -> None:
    """A batch of frames is filled as `inpaint_sequence` does: what another frame shows is used. Without holes, it stays as it is."""
    images, masks = _batch(1)
    frames, holes = images.repeat(3, 1, 1, 1), masks.repeat(3, 1, 1)
    holes[1] = 0
    filled = _fill(comfyui, frames, holes, frames=True)
    assert torch.equal(filled, frames)  # the second frame shows what the others hide
    holes[1] = holes[0]
    expected = np.stack(list(gi_plugin.inpaint_sequence(list(frames.numpy()), list(holes.numpy()))))
    np.testing.assert_array_equal(_fill(comfyui, frames, holes, frames=True).numpy(), expected)
    assert torch.equal(_fill(comfyui, frames, torch.zeros(1, 64, 64), frames=True), frames)
    with pytest.raises(gi_plugin.ImageError, match="disconnect sources"):
        _fill(comfyui, frames, holes, frames=True, sources=holes)


@pytest.mark.parametrize(
    ("mask", "text"),
    [(torch.ones(3, 64, 80), "2 images and 3 masks"), (torch.ones(1, 32, 40), r"mask has shape \(32, 40\)")],
)
def test_a_mask_that_does_not_match_the_images_is_an_error(comfyui: ComfyUi, mask: torch.Tensor, text: str) -> None:
    """The message states the numbers or sizes."""
    images, masks = _batch(2)
    with pytest.raises(gi_plugin.ImageError, match=text):
        _fill(comfyui, images, mask)
    with pytest.raises(gi_plugin.ImageError, match=text):
        _fill(comfyui, images, masks, sources=mask)
