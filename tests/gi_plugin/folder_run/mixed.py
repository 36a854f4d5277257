"""Helpers that write small pictures in many formats, good and broken, with masks, and check the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageOps

from gi_plugin.arrays import Array, Bools
from tests.gi_plugin.files.test_bad_files import BROKEN

TOP_LEFT = 20  # of a hole of 12 x 16
HOLE = (slice(TOP_LEFT, TOP_LEFT + 12), slice(TOP_LEFT, TOP_LEFT + 16))
ROTATED = 6  # EXIF orientation: the first row is the right side


@dataclass(frozen=True)
class Kind:
    """A kind of picture: how to write it, and the suffix of its result."""

    suffix: str
    result: str  # suffix of the result
    write: Callable[[Path, Array], None]


def _save(mode: str, **options: object) -> Callable[[Path, Array], None]:
    return lambda path, pixels: Image.fromarray(pixels).convert(mode).save(path, **options)


def _rotated(path: Path, pixels: Array) -> None:
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90).save(path, quality=95, exif=exif)


def _transparent(path: Path, pixels: Array) -> None:
    alpha = np.broadcast_to(np.linspace(0, 255, pixels.shape[1]).astype(np.uint8), pixels.shape[:2])
    Image.fromarray(np.dstack((pixels, alpha))).save(path)


KINDS = {
    "rgb": Kind(".png", ".png", _save("RGB")),
    "grey": Kind(".png", ".png", _save("L")),
    "palette": Kind(".png", ".png", _save("P")),
    "rgba": Kind(".png", ".png", _transparent),
    "jpeg": Kind(".jpg", ".png", _save("RGB", quality=90)),
    "rotated": Kind(".jpg", ".png", _rotated),
    "cmyk": Kind(".jpg", ".tif", _save("CMYK", quality=90)),
    "deep": Kind(".tif", ".tif", lambda path, pixels: tifffile.imwrite(path, pixels * np.uint16(257), photometric="rgb")),
    "deep grey": Kind(".png", ".png", lambda path, pixels: path.write_bytes(imagecodecs.png_encode(pixels[..., 0] * np.uint16(257)))),
    "webp": Kind(".webp", ".webp", _save("RGB", lossless=True)),
}
MASKS: dict[str, tuple[Bools | None, str]] = {  # name of a picture with a wrong mask: the mask, and the expected error
    "no mask.png": (None, "there is no mask named no mask"),
    "other size.png": (np.eye(30, 20) > 0, r"mask has shape \(30, 20\), the image is 90 x 100"),
    "nothing known.png": (np.ones((90, 100), bool), "marks every pixel as missing"),
}
FILES = [name for name in BROKEN if name not in ("bomb.png", "deep bomb.tif", "folder.png", "missing.png")]  # a folder run's own failures


def soft(seed: int, height: int, width: int) -> Array:
    """Return soft colours [H, W, 3] with some noise, uint8."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(30, 220, (6, 6, 3)).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    return (np.asarray(coarse) + random.integers(0, 20, (height, width, 3))).astype(np.uint8)


def make_good(folder: Path, masks: Path, count: int, kinds: list[str] | None = None) -> dict[str, str]:
    """Write pictures of all kinds in turn, with masks; return the path of each result and of its picture, relative to their folders."""
    made = {}
    for number in range(count):
        name = (kinds or list(KINDS))[number % len(kinds or KINDS)]
        kind, stem = KINDS[name], f"{name}/{number:03}"
        (folder / name).mkdir(parents=True, exist_ok=True)
        (masks / name).mkdir(parents=True, exist_ok=True)
        height, width = np.random.default_rng(number).integers(80, 160, 2)
        kind.write(folder / f"{stem}{kind.suffix}", soft(number, height, width))
        mask = np.zeros((height, width), bool)
        mask[HOLE] = True
        Image.fromarray(mask).save(masks / f"{stem}.png")
        made[f"{stem}{kind.result}"] = f"{stem}{kind.suffix}"
    return made


def make_broken(folder: Path, masks: Path) -> dict[str, str]:
    """Write pictures that cannot be filled, each for another reason; return their names and the expected errors (regular expressions)."""
    for name in FILES:
        BROKEN[name][0](folder / name)
        Image.fromarray(np.eye(24, 30) > 0).save(masks / f"{Path(name).stem}.png")
    for name, (mask, _) in MASKS.items():
        Image.fromarray(soft(0, 90, 100)).save(folder / name)
        if mask is not None:
            Image.fromarray(mask).save(masks / name)
    return {name: BROKEN[name][1] for name in FILES} | {name: reason for name, (_, reason) in MASKS.items()}


def is_filled(source: Path, result: Path) -> bool:
    """Return whether a result has its picture's mode, depth and known pixels, and other pixels in the hole."""
    (kind, before), (other, after) = _decoded(source), _decoded(result)
    hole: Bools = np.zeros(before.shape[:2], bool)
    hole[HOLE] = True
    same = (kind, before.shape, before.dtype) == (other, after.shape, after.dtype)
    return same and bool((after[~hole] == before[~hole]).all()) and bool((after[hole] != before[hole]).mean() > 0.2)


def _decoded(path: Path) -> tuple[str, Array]:
    """Return the mode and the upright pixels of a file, read without our code."""
    if path.suffix == ".tif" and (deep := np.asarray(tifffile.imread(path))).dtype == np.uint16:
        return "deep", deep
    if path.suffix == ".png" and (pixels := np.asarray(imagecodecs.png_decode(path.read_bytes()))).dtype == np.uint16:
        return "deep", pixels
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        return upright.mode, np.asarray(upright)
