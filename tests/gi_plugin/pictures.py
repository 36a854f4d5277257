"""Helpers for picture files: noise in every mode and format, and a function that reads, fills and writes a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms

from gi_plugin import files
from gi_plugin.arrays import Array, Bools

LIMIT = 10**6
HEIGHT, WIDTH = 24, 30
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
HOLE: Bools = np.zeros((HEIGHT, WIDTH), bool)
HOLE[6:15, 4:20] = True


def noise(dtype: type[np.generic], channels: int, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Array:
    """Return noise over the whole range of a dtype, [H, W] or [H, W, C]."""
    values = np.random.default_rng(channels).random((*shape, channels))
    pixels = (values if np.issubdtype(dtype, np.floating) else values * np.iinfo(dtype).max).astype(dtype)  # type: ignore[type-var]
    return pixels[..., 0] if channels == 1 else pixels


def picture(mode: str, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Image.Image:
    """Return a Pillow picture of noise.

    Mode "P index" is a palette picture with one transparent entry, "P bytes" one with an alpha value per entry.
    """
    if mode == "1":
        return Image.fromarray(noise(np.uint8, 1, shape) > 127)
    if mode.startswith("P"):
        image = Image.fromarray(noise(np.uint8, 3, shape)).quantize(60)
        if mode != "P":
            image.info["transparency"] = 0 if mode == "P index" else bytes(4 * index for index in range(60))
        return image
    return Image.frombytes(mode, shape[::-1], noise(np.uint8, len(mode), shape).tobytes())


@dataclass(frozen=True)
class Deep:
    """A kind of deep picture, written and read by the codec itself."""

    suffix: str
    dtype: type[np.generic]
    channels: int
    compression: str | None = "zlib"

    def write(self, path: Path, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
        """Write noise of this kind."""
        pixels = noise(self.dtype, self.channels, shape)
        if self.suffix == ".png":
            path.write_bytes(imagecodecs.png_encode(pixels))
        else:
            tifffile.imwrite(path, pixels, photometric="minisblack" if self.channels == 1 else "rgb", compression=self.compression)

    def read(self, path: Path) -> Array:
        """Read a file of this kind, without our code."""
        return np.asarray(imagecodecs.png_decode(path.read_bytes()) if self.suffix == ".png" else tifffile.imread(path))


def fill(source: Path, target: Path) -> Array:
    """Read a picture, fill its hole with the picture upside down, write it, and return the pixels that were passed to the writer."""
    read = files.read_picture(source, LIMIT)
    filled = read.pixels.copy()
    colours = filled[..., :3] if filled.ndim == 3 else filled  # alpha is carried through
    colours[HOLE] = colours[::-1][HOLE]
    files.write_picture(read, filled, HOLE, target)
    return filled
