"""Pictures of noise in every mode, as files, and the way of a picture through reading, filling and writing."""

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
    """Noise over the whole range, [H, W] or [H, W, C]."""
    values = np.random.default_rng(channels).random((*shape, channels))
    pixels = (values if np.issubdtype(dtype, np.floating) else values * np.iinfo(dtype).max).astype(dtype)  # type: ignore[type-var]
    return pixels[..., 0] if channels == 1 else pixels


def picture(mode: str, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Image.Image:
    """A Pillow picture of noise; "P index" and "P bytes" are palette pictures with one transparent entry, or with an alpha per entry."""
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
    """How a deep picture is written and read by the codec itself."""

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
    """Read, fill the hole with the picture upside down, write; returns what was to be written."""
    read = files.read_picture(source, LIMIT)
    filled = read.pixels.copy()
    colours = filled[..., :3] if filled.ndim == 3 else filled  # alpha is carried through
    colours[HOLE] = colours[::-1][HOLE]
    files.write_picture(read, filled, HOLE, target)
    return filled
