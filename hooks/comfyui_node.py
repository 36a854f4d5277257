"""A node for ComfyUI: image and mask in, filled image out.

To install it, put a file with the line `from gi_plugin.hooks.comfyui_node import *` into ComfyUI's custom_nodes folder (see
docs/comfyui.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from gi_plugin.arrays import Array
from gi_plugin.config import DETAILS
from gi_plugin.errors import ImageError

from .calling.session import inpaint_by_plugins, inpaint_sequence_by_plugins

if TYPE_CHECKING:
    import torch

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]

LARGEST_SEED = 2**64 - 1  # of ComfyUI's own nodes
SEEDS = 2**31  # number of seeds that the option takes
GROW = {"default": 0, "min": 0, "max": 64, "tooltip": "Grow the hole by this many pixels first."}
DETAIL = {"default": DETAILS[0], "tooltip": "transfer: pixels of the image, guided by the network. network: the network's own pixels."}
SEED = {"default": 0, "min": 0, "max": LARGEST_SEED, "tooltip": "Another number gives another result of the transfer."}
FRAMES = {"default": False, "tooltip": "The batch holds the frames of a film: fill them calmly. Needs gi-plugin[sequence]."}
SOURCES = {"tooltip": "Where pixels may come from. If it is not connected or empty: from everywhere."}


class ContextualAttentionInpaint:
    """ComfyUI node that fills the masked part of images. ComfyUI defines the names of its attributes."""

    CATEGORY = "image/inpainting"
    DESCRIPTION = "Fills the masked part of an image with a contextual-attention network (gi-plugin). Known pixels stay as they are."
    FUNCTION = "fill"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("filled",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802  # ComfyUI's name
        """Return the inputs by name: the type of each, and the range of a number.

        Inputs that older workflows lack are optional, so that these still run.
        """
        return {
            "required": {"image": ("IMAGE",), "mask": ("MASK",), "grow_mask": ("INT", GROW)},
            "optional": {
                "detail": (list(DETAILS), DETAIL),
                "seed": ("INT", SEED),
                "sources": ("MASK", SOURCES),
                "frames": ("BOOLEAN", FRAMES),
            },
        }

    def fill(
        self,
        image: torch.Tensor,
        mask: torch.Tensor,
        grow_mask: int = 0,
        detail: str = DETAILS[0],
        seed: int = 0,
        sources: torch.Tensor | None = None,
        frames: bool = False,
    ) -> tuple[torch.Tensor]:
        """Fill the holes of a batch of images.

        :param image: [B, H, W, C] float; values above 1 are kept, and the fill has the range of the known pixels around the hole.
        :param mask: float [B, H, W], or [1, H, W] or [H, W] for all images; 1 = missing. An image with an empty mask is returned unchanged.
        :param grow_mask: pixels by which the hole is grown first.
        :param detail: where the pixels come from, "transfer" or "network".
        :param seed: another number gives another result of the transfer; numbers from 2**31 on stand for their remainder.
        :param sources: like `mask`: 1 = pixels may come from here. An empty one means everywhere.
        :param frames: the images are the frames of a film: what other frames show is used, and the rest stays calm.
        :return: one tensor of the shape, dtype and device of `image`.
        :raises ImageError: if the number or the size of the masks does not match the images, or frames have a mask of sources.
        """
        import torch  # noqa: PLC0415  # ComfyUI installs it; no other host needs it

        images = image.detach().cpu().float().numpy()
        masks, regions = _one_per_image(mask, len(images)), _one_per_image(sources, len(images))
        options = {"dilate": grow_mask, "detail": detail, "seed": seed % SEEDS}
        if frames and any(region is not None for region in regions):
            raise ImageError("sources and frames: pixels of a film come from its other frames; disconnect sources, or set frames to false")
        fill = _fill_frames(images, masks, options) if frames else map(_fill, images, masks, regions, repeat(options))
        filled = list(fill)
        return (torch.from_numpy(np.stack(filled)).to(device=image.device, dtype=image.dtype),)


def _one_per_image(mask: torch.Tensor | None, count: int) -> list[Array | None]:
    """Masks [H, W] of the images of a batch; None where a mask is missing or empty.

    *Load Image* outputs an empty 64 x 64 mask for a picture without alpha.
    """
    if mask is None:
        return [None] * count
    masks = mask.detach().cpu().float().numpy()
    masks = masks[None] if masks.ndim == 2 else masks
    if len(masks) not in (1, count):
        raise ImageError(f"{count} images and {len(masks)} masks: expected one mask for all, or one per image")
    return [one if one.any() else None for one in np.broadcast_to(masks, (count, *masks.shape[1:]))]


def _fill(image: Array, mask: Array | None, sources: Array | None, options: Mapping[str, Any]) -> Any:
    return image if mask is None else inpaint_by_plugins(image, mask, {**options, "sources": sources})


def _fill_frames(images: Array, masks: list[Array | None], options: Mapping[str, Any]) -> Iterable[Array]:
    """Fill the frames of a film; a frame whose mask is empty only shows what others hide."""
    if all(mask is None for mask in masks):
        return images
    holes = [np.zeros(images.shape[1:3], np.float32) if mask is None else mask for mask in masks]
    return inpaint_sequence_by_plugins(images, holes, options)


NODE_CLASS_MAPPINGS = {"ContextualAttentionInpaint": ContextualAttentionInpaint}
NODE_DISPLAY_NAME_MAPPINGS = {"ContextualAttentionInpaint": "Inpaint (contextual attention)"}
