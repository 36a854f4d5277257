"""Conversion between Pillow pictures of any pixel mode and the arrays that the inpainter takes and returns."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..arrays import Array, Bools
from ..errors import ImageError

DIRECT = ("L", "RGB", "RGBA", "I;16", "F")  # the inpainter takes their arrays without conversion
KEYED = ("1", "L", "RGB", "I;16")  # one colour of these may mark transparent pixels
ROWS = 2**14  # pixels whose nearest colours are found at once
KEPT = (*DIRECT, "1", "LA", "P", "CMYK", "LAB")  # results keep these modes; pictures of other modes become RGB, RGBA or I;16


def to_kept_mode(image: Image.Image) -> Image.Image:
    """Convert a picture to one of the modes in `KEPT`, if it has another one.

    :raises ImageError: if its values do not fit into 16 bits.
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
    """Return the pixels [H, W], [H, W, 3] or [H, W, 4] of a picture whose mode is in `KEPT`.

    Modes "1" and "LA" give grey; "P", "CMYK" and "LAB" give RGB.
    """
    if image.mode in ("1", "LA"):
        return np.asarray(image.convert("L"))
    return np.asarray(image if image.mode in DIRECT else image.convert("RGB"))


def transparent(image: Image.Image) -> Bools | None:
    """Return which pixels [H, W] of a picture are not fully opaque; None if its mode has no transparency."""
    if image.mode in KEYED and "transparency" in image.info:
        return _is_key(to_array(image), np.array(image.info["transparency"], np.int64))
    return np.asarray(image.convert("RGBA").getchannel("A")) < 255 if image.has_transparency_data else None


def opaque(image: Image.Image) -> Image.Image:
    """Return a copy of a picture in which every pixel is opaque, in the same mode; colours stay."""
    result = image.copy()
    if image.mode == "P":
        result.putpalette(image.getpalette("RGB") or [])
    if image.mode in ("LA", "RGBA"):
        result.putalpha(255)
    result.info.pop("transparency", None)
    return result


def fill(image: Image.Image, filled: Array, hole: Bools) -> None:
    """Copy the hole's pixels of a filled array [H, W] or [H, W, C] into the picture that the array was made from.

    All other pixels stay as they are, and every pixel stays as transparent as it is.
    """
    if image.mode in KEYED and "transparency" in image.info:
        filled = _beside_key(image, filled, hole)
    if image.mode == "P":
        image.paste(Image.fromarray(_indices(image, filled, hole)))
    elif image.mode in DIRECT:
        rows = np.flatnonzero(hole.any(axis=1))
        if rows.size:  # whole rows are pasted: known pixels are equal in both
            image.paste(Image.fromarray(filled[rows[0] : rows[-1] + 1]), (0, int(rows[0])))
    else:
        new = Image.fromarray(filled)
        new = Image.merge("LA", (new, image.getchannel("A"))) if image.mode == "LA" else new.convert(image.mode)
        image.paste(new, mask=Image.fromarray(hole))


def _beside_key(image: Image.Image, filled: Array, hole: Bools) -> Array:
    """Return a filled array in which opaque pixels do not have the colour that marks transparent ones, and transparent pixels have it."""
    most = int(np.iinfo(filled.dtype).max)
    key = np.array(image.info["transparency"], np.int64)
    if key.max() > most:  # no pixel can have it
        return filled
    near = key.copy()
    near.flat[0] = most - key.flat[0] if image.mode == "1" else key.flat[0] + (1 if key.flat[0] < most else -1)
    transparent, coloured = (_is_key(pixels, key) for pixels in (to_array(image), filled))
    result = filled.copy()
    result[hole & coloured] = near
    result[hole & transparent] = key
    return result


def _is_key(pixels: Array, key: Array) -> Bools:
    return np.asarray(pixels == key if pixels.ndim == 2 else (pixels == key).all(axis=2))


def _indices(original: Image.Image, filled: Array, hole: Bools) -> Array:
    """Return the palette indices [H, W] of a filled palette picture: in the hole, the nearest colour with the alpha that the pixel had."""
    opaque = original.copy()
    opaque.apply_transparency()
    colours = np.reshape(opaque.getpalette("RGBA") or [], (-1, 4))
    indices = np.array(original)
    palette = np.zeros((max(len(colours), int(indices.max()) + 1), 4))  # a damaged file may have indices beyond its palette
    palette[: len(colours)] = colours
    alpha = palette[indices, 3]
    for level in np.unique(alpha[hole]):
        choices, missing = np.flatnonzero(palette[:, 3] == level), hole & (alpha == level)
        indices[missing] = choices[_nearest(palette[choices, :3], filled[missing])]
    return indices


def _nearest(colours: Array, pixels: Array) -> Array:
    """Return the index of the nearest of at most 256 colours [N, 3] for each of the pixels [K, 3], in parts to save memory."""
    lengths = (colours**2).sum(axis=1)
    parts = (pixels[start : start + ROWS].astype(np.float64) for start in range(0, max(len(pixels), 1), ROWS))
    return np.concatenate([(lengths - 2 * part @ colours.T).argmin(axis=1) for part in parts])
