"""Samples for the tiny network: small crops of photos, some reduced, grey or replaced by a ramp of a few counts, each with a thin hole.

The seed and the number of a step alone determine its samples, so that a continued run goes on exactly where it stopped.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gi_plugin.arrays import Array, Bools, Bytes, Floats
from gi_plugin.errors import ConfigError
from gi_plugin.thin import TILE, scaled

from ..data.pictures import Source, decode
from . import masks

LARGE_TILE = 2 * TILE  # some steps use larger tiles, for more context and more of the picture at once
LARGE_SHARE = 0.3
REDUCTIONS, REDUCED_SHARES = (1, 2, 3), (0.6, 0.3, 0.1)  # photos at smaller scale are sharper
SAME_PHOTO = 4  # crops that a step takes from one photo
MASKS = 12_000  # drawn once per run
PERMUTED, GREY, RAMP = 0.08, 0.08, 0.03  # shares of crops with exchanged channels, without colour, replaced by a ramp
STEEPEST = 0.3  # of a ramp, in counts per pixel


class ThinBatch(NamedTuple):
    """Input of one step, and what the network should return."""

    image: Tensor  # [N, 3, S, S] scaled tiles with their first fill
    mask: Tensor  # [N, 1, S, S], 1 = missing
    correction: Tensor  # [N, 3, S, S]: original minus first fill, scaled
    spread: Tensor  # [N, 1, 1, 1] of the tiles, in units of half the range of 8 bits


def load(sources: list[Source]) -> list[Bytes]:
    """Decode the pictures [H, W, 3] that are large enough; the others are left out.

    :raises ConfigError: if there is none.
    """
    found = []
    for source in sources:
        try:
            picture = decode(source.read(), LARGE_TILE * max(REDUCTIONS))
        except Exception:  # noqa: BLE001, S112  # decoders raise many types of errors
            continue
        if picture is not None:
            found.append(np.asarray(picture))
    if not found:
        raise ConfigError(f"no readable picture of at least {LARGE_TILE * max(REDUCTIONS)} px; expected a folder of photos")
    return found


def draw_masks(seed: int, size: int) -> Bools:
    """Draw the masks [MASKS, size, size] of a run."""
    random = np.random.default_rng((seed, size))
    return np.stack([masks.draw(random, size) for _ in range(MASKS)])


def batch_of(random: np.random.Generator, pictures: list[Bytes], holes: Bools, count: int) -> ThinBatch:
    """Draw the samples of one step; the tiles have the size of `holes` [K, S, S]."""
    size = holes.shape[1]
    photos = [pictures[number] for number in random.integers(0, len(pictures), -(-count // SAME_PHOTO)).repeat(SAME_PHOTO)]
    original = np.stack([_crop(random, photo, size) for photo in photos[:count]])
    missing = holes[random.integers(0, len(holes), count)]
    tiles = scaled(original, missing)
    image, mask = tiles.inputs()
    flat = np.maximum(tiles.spread, 1e-6)
    correction = ((original.transpose(0, 3, 1, 2) - tiles.centre) / flat - tiles.filled).astype(np.float32)
    spread = (tiles.spread / 127.5).astype(np.float32)
    return ThinBatch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (image, mask, correction, spread)))


def _crop(random: np.random.Generator, photo: Bytes, size: int) -> Floats:
    factor = int(random.choice(REDUCTIONS, p=REDUCED_SHARES))
    top, left = (int(random.integers(0, length - size * factor + 1)) for length in photo.shape[:2])
    part = photo[top : top + size * factor, left : left + size * factor].astype(np.float32)
    crop = np.rot90(part.reshape(size, factor, size, factor, 3).mean(axis=(1, 3)), int(random.integers(4)))
    crop = crop[:, ::-1] if random.random() < 0.5 else crop
    return _varied(random, crop)


def _varied(random: np.random.Generator, crop: Floats) -> Array:
    """Sometimes exchange the channels of a crop, remove its colour, or replace it by a ramp of whole counts."""
    chance = random.random()
    if chance < PERMUTED:
        return np.asarray(crop[..., random.permutation(3)])
    if chance < PERMUTED + GREY:
        return np.asarray(crop.mean(axis=2, keepdims=True).repeat(3, axis=2))
    if chance < PERMUTED + GREY + RAMP:
        rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
        down, right = random.uniform(-STEEPEST, STEEPEST, 2)
        ramp = np.rint(128 + random.random() + down * rows + right * columns)
        return np.asarray(ramp[..., None].repeat(3, axis=2), np.float32)
    return crop
