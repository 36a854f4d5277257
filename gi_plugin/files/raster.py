"""Pictures as the numbers that their file stores, of any depth and with any number of bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from ..arrays import Array, Bools
from ..errors import ImageError
from . import modes

COLOURS = {"grey": 1, "RGB": 3, "P": 1, "CMYK": 4, "LAB": 3}  # bands that are filled, by kind
BY_PILLOW = ("P", "CMYK", "LAB")  # kinds that Pillow converts to RGB; 8 bits only
ALPHA = ("unassalpha", "assocalpha")  # tifffile's names of alpha, and of alpha that the colours are multiplied by


@dataclass(frozen=True)
class Raster:
    """The stored values of an upright picture, [H, W, bands]: first the colours of its kind, then alpha and other bands."""

    values: Array
    kind: str  # a key of `COLOURS`
    extra: tuple[str, ...] = ()  # what the further bands mean, in tifffile's names
    white: int | None = None  # largest value of unsigned integers, e.g. 4095 for 12 bits; None for other types
    inverted: bool = False  # 0 is white
    palette: Array | None = None  # of kind P: [256, 3] uint16, the colour of each index
    compression: str = "zlib"  # lossless, of a TIFF, in tifffile's terms

    @property
    def alpha(self) -> str:
        """The kind of alpha that follows the colours; empty if there is none."""
        return self.extra[0] if self.extra and self.extra[0] in ALPHA else ""

    @property
    def unfilled(self) -> int:
        """The number of bands that are neither colours nor alpha."""
        return len(self.extra) - bool(self.alpha)

    @property
    def white_pixel(self) -> Any:
        """White in the numbers of `pixels`: what an inverted value is subtracted from."""
        if self.white is None:
            return -1.0 if self.values.dtype.kind == "i" else 1.0  # -1 - v turns the range of signed integers round
        return np.uint8(255) if self.white <= 255 else np.uint16(self.white) if self.white <= 65535 else float(self.white)

    def pixels(self) -> Array:
        """Return the picture for the inpainter: HxW, HxWx3 or HxWx4; uint8, uint16 or float."""
        if self.kind in BY_PILLOW:
            return modes.to_array(self._colour_image())
        bands = COLOURS[self.kind] + (1 if self.alpha and self.kind == "RGB" else 0)
        pixels = _for_filling(self.values[..., :bands], self.white)
        if self.inverted:
            pixels = self.white_pixel - pixels
        return pixels[..., 0] if bands == 1 else pixels

    def fill(self, filled: Array, hole: Bools) -> None:
        """Store the hole's colours of a filled picture of the form of `pixels`; all other values stay as they are."""
        bands = COLOURS[self.kind]
        if self.kind in BY_PILLOW:
            image = self._colour_image()
            modes.fill(image, filled, hole)
            self.values[hole, :bands] = _planes(image)[hole]
            return
        new = filled[hole] if filled.ndim == 3 else filled[hole][:, None]
        new = new[:, :bands]
        self.values[hole, :bands] = _stored(self.white_pixel - new if self.inverted else new, self.values.dtype, self.white)

    def transparent(self) -> Bools | None:
        """Return which pixels [H, W] are not fully opaque; None if there is no alpha."""
        return np.asarray(self.values[..., COLOURS[self.kind]] < self._opaque_value) if self.alpha else None

    def opaque(self) -> Raster:
        """Return a copy in which every pixel is opaque; colours stay."""
        values = self.values.copy()
        if self.alpha:
            values[..., COLOURS[self.kind]] = self._opaque_value
        return replace(self, values=values)

    def to_image(self) -> Image.Image | None:
        """Return the picture as a Pillow picture of 8 bits or 1 bit; None if it has more bits, or bands that Pillow does not have."""
        mode = {"grey": "L", "RGB": "RGB"}.get(self.kind, self.kind)
        if self.values.dtype == np.bool_ and mode == "L" and not self.extra:
            return Image.fromarray(self.values[..., 0] ^ self.inverted)
        if self.values.dtype != np.uint8 or self.extra not in ((), ("unassalpha",)) or (self.extra and mode not in ("L", "RGB")):
            return None
        if mode in BY_PILLOW:
            return self._colour_image()
        values = _for_filling(self.values, self.white)
        if self.inverted:
            values[..., 0] = 255 - values[..., 0]
        return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values, f"{mode}A" if self.extra else mode)

    def to_deep(self) -> Array | None:
        """Return the picture as uint16 of the full range, [H, W] or [H, W, C], lossless; None if it is no such picture."""
        if self.values.dtype != np.uint16 or self.kind in BY_PILLOW or self.extra not in ((), ("unassalpha",)):
            return None
        values = rescaled(self.values, self.white or 65535, 65535)
        if self.inverted:
            values = np.concatenate([65535 - values[..., :1], values[..., 1:]], axis=2)
        return values[..., 0] if values.shape[2] == 1 else values

    @property
    def _opaque_value(self) -> float:
        if self.white is not None:
            return self.white
        return 1.0 if self.values.dtype.kind == "f" else int(np.iinfo(self.values.dtype).max)

    def _colour_image(self) -> Image.Image:
        planes = np.ascontiguousarray(self.values[..., : COLOURS[self.kind]])
        height, width = planes.shape[:2]
        if self.kind == "LAB":
            planes = planes ^ np.array([0, 128, 128], np.uint8)  # Pillow counts a and b from 128
        image = Image.frombytes(self.kind, (width, height), planes.tobytes())
        if self.kind == "P":
            image.putpalette((palette_of(self.palette) >> 8).astype(np.uint8).tobytes())
        return image


def raster_of(image: Image.Image) -> Raster:
    """Return the stored values of a Pillow picture whose mode is in `modes.KEPT`."""
    if "transparency" in image.info:
        image = image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    alpha = ("unassalpha",) if image.mode in ("LA", "RGBA") else ()
    kind = {"1": "grey", "L": "grey", "LA": "grey", "I;16": "grey", "F": "grey", "RGBA": "RGB"}.get(image.mode, image.mode)
    values = _planes(image)
    palette = np.reshape(image.getpalette("RGB") or [], (-1, 3)).astype(np.uint16) * 257 if image.mode == "P" else None
    return Raster(values, kind, alpha, white_of(values.dtype), palette=palette)


def raster_of_array(pixels: Array) -> Raster:
    """Return pixels HxW, HxWx1, HxWx3 or HxWx4 as the values of a picture that was not read from one of our formats.

    :raises ImageError: if they have another shape.
    """
    values = pixels[..., None] if pixels.ndim == 2 else pixels
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4):
        raise ImageError(f"has pixels of shape {pixels.shape}: expected HxW, HxWx1, HxWx3 or HxWx4")
    check_type(values.dtype)
    alpha = ("unassalpha",) if values.shape[2] == 4 else ()
    return Raster(values.copy(), "grey" if values.shape[2] == 1 else "RGB", alpha, white_of(values.dtype))


def white_of(dtype: np.dtype[Any], bits: int = 0) -> int | None:
    """Return the largest value of unsigned integers of `bits` bits, or of all bits of the type; None for other types."""
    if dtype.kind == "b":
        return 1
    return int(2 ** (bits or 8 * dtype.itemsize) - 1) if dtype.kind == "u" else None


def rescaled(values: Array, white: int, new: int) -> Array:
    """Scale unsigned integers from the range up to `white` to the range up to `new`, which is no smaller."""
    if white == new:
        return values
    table = np.rint(np.arange(white + 1) * (new / white)).astype(np.uint8 if new < 256 else np.uint16)
    return np.asarray(table[np.minimum(values, white)])


def upright(pixels: Array, orientation: int) -> Array:
    """Apply an EXIF orientation (1 to 8) to an array."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def palette_of(colours: Array | None) -> Array:
    """Return a palette of 256 colours, [256, 3] uint16: those given, then black."""
    result = np.zeros((256, 3), np.uint16)
    if colours is not None:
        result[: len(colours)] = colours[:256]
    return result


def check_type(dtype: np.dtype[Any]) -> None:
    """Check that pixels are real numbers.

    :raises ImageError: if they are not.
    """
    if dtype.kind not in "buif" or (dtype.kind == "f" and dtype.itemsize > 8):
        raise ImageError(f"has {dtype} pixels: expected integers or real numbers")


def _planes(image: Image.Image) -> Array:
    values = np.array(image)
    if image.mode == "LAB":
        values ^= np.array([0, 128, 128], np.uint8)
    return values if values.ndim == 3 else values[..., None]


def _for_filling(values: Array, white: int | None) -> Array:
    """Convert stored values to a type that the inpainter takes; small integers to the full range of 8 bits."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8:
        return rescaled(values, white or 255, 255)
    if values.dtype.kind == "f" or values.dtype == np.uint16:
        return values
    return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)


def _stored(values: Array, dtype: np.dtype[Any], white: int | None) -> Array:
    """Convert values from the inpainter back to the type of the file."""
    if dtype.kind == "b":
        return values > 127
    if dtype == np.uint8 and white is not None and white < 255:
        return np.rint(values * (white / 255)).astype(np.uint8)
    if dtype.kind == "f" or dtype == values.dtype:
        return values
    limits = np.iinfo(dtype)
    highest = float(limits.max) if int(float(limits.max)) <= limits.max else np.nextafter(float(limits.max), 0)  # of 64 bits
    return np.rint(values).clip(limits.min, highest).astype(dtype)
