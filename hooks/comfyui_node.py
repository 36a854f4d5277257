"""A node for ComfyUI: image and mask in, filled image out.

To install it, put a file with the line `from gi_plugin.hooks.comfyui_node import *` into ComfyUI's custom_nodes folder (see
docs/comfyui.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gi_plugin.errors import ImageError

from .plugin import inpaint

if TYPE_CHECKING:
    import torch

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]


class ContextualAttentionInpaint:
    """ComfyUI node that fills the masked part of images. ComfyUI defines the names of its attributes."""

    CATEGORY = "image/inpainting"
    DESCRIPTION = "Fills the masked part of an image with a contextual-attention network (gi-plugin). Known pixels stay as they are."
    FUNCTION = "fill"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("filled",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802  # ComfyUI's name
        """Return the inputs by name: the type of each, and the range of a number."""
        return {
            "required": {
                "image": ("IMAGE",),
                "mask": ("MASK",),
                "grow_mask": ("INT", {"default": 0, "min": 0, "max": 64, "tooltip": "Grow the hole by this many pixels first."}),
            }
        }

    def fill(self, image: torch.Tensor, mask: torch.Tensor, grow_mask: int = 0) -> tuple[torch.Tensor]:
        """Fill the holes of a batch of images.

        :param image: [B, H, W, C] float in [0, 1].
        :param mask: float [B, H, W], or [1, H, W] or [H, W] for all images; 1 = missing. An image with an empty mask is returned unchanged.
        :param grow_mask: pixels by which the hole is grown first.
        :return: one tensor of the shape, dtype and device of `image`.
        :raises ImageError: if the number or the size of the masks does not match the images.
        """
        import torch  # noqa: PLC0415  # ComfyUI installs it; no other host needs it

        images, masks = image.detach().cpu().float().numpy(), mask.detach().cpu().float().numpy()
        masks = masks[None] if masks.ndim == 2 else masks
        if len(masks) not in (1, len(images)):
            raise ImageError(f"{len(images)} images and {len(masks)} masks: expected one mask for all, or one per image")
        filled = [_fill(picture, masks[index % len(masks)], grow_mask) for index, picture in enumerate(images)]
        return (torch.from_numpy(np.stack(filled)).to(device=image.device, dtype=image.dtype),)


def _fill(image: np.ndarray[Any, Any], mask: np.ndarray[Any, Any], grow: int) -> Any:
    if not mask.any():  # *Load Image* outputs an empty 64 x 64 mask for a picture without alpha
        return image
    return inpaint(image=image, mask=mask, options={"dilate": grow})


NODE_CLASS_MAPPINGS = {"ContextualAttentionInpaint": ContextualAttentionInpaint}
NODE_DISPLAY_NAME_MAPPINGS = {"ContextualAttentionInpaint": "Inpaint (contextual attention)"}
