"""Pillow's pixel modes: the array that the inpainter takes from a picture, and the filled array back in the picture's mode."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gi_plugin.errors import ImageError
from gi_plugin.image import Array, Bools

DIRECT = ("L", "RGB", "RGBA", "I;16", "F")  # their arrays are what the inpainter takes
KEPT = (*DIRECT, "1", "LA", "P", "CMYK", "LAB")  # results come back in these; the others become RGB, RGBA or I;16


def kept(image: Image.Image) -> Image.Image:
    """The picture in one of the modes that are kept.

    :raises ImageError: if it has integers of more than 16 bits.
    """
    if image.mode in KEPT:
        return image
    if not image.mode.startswith("I"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    values = np.asarray(image)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise ImageError("has 32-bit integer pixels: expected 8 or 16 bits per channel, or float")
    result = Image.fromarray(values.astype(np.uint16))
    result.info = dict(image.info)
    return result


def to_array(image: Image.Image) -> Array:
    """The pixels [H, W], [H, W, 3] or [H, W, 4] of a picture in a mode that is kept; black and white and grey with alpha give grey."""
    if image.mode in ("1", "LA"):
        return np.asarray(image.convert("L"))
    return np.asarray(image if image.mode in DIRECT else image.convert("RGB"))


def restored(original: Image.Image, filled: Array, hole: Bools) -> Image.Image:
    """The filled array [H, W(, C)] in the original's mode; known pixels are the original's own."""
    if original.mode == "P":
        return _indexed(original, filled, hole)
    image = Image.fromarray(filled)
    if original.mode in DIRECT:
        image.info = dict(original.info)
        return image
    image = Image.merge("LA", (image, original.getchannel("A"))) if original.mode == "LA" else image.convert(original.mode)
    result = original.copy()
    result.paste(image, mask=Image.fromarray(hole))
    return result


def _indexed(original: Image.Image, filled: Array, hole: Bools) -> Image.Image:
    """Fill with the nearest colours of the palette, among those as opaque as the pixel was."""
    from scipy.spatial import KDTree  # noqa: PLC0415  # heavy

    opaque = original.copy()
    opaque.apply_transparency()
    colours = np.reshape(opaque.getpalette("RGBA") or [], (-1, 4))
    indices = np.array(original)
    palette = np.zeros((max(len(colours), int(indices.max()) + 1), 4))  # a damaged file may point beyond its palette
    palette[: len(colours)] = colours
    alpha = palette[indices, 3]
    for level in np.unique(alpha[hole]):
        choices, missing = np.flatnonzero(palette[:, 3] == level), hole & (alpha == level)
        indices[missing] = choices[KDTree(palette[choices, :3]).query(filled[missing])[1]]
    result = original.copy()
    result.paste(Image.fromarray(indices))
    return result
