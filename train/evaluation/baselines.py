"""Other inpainting methods, for comparison: OpenCV's Telea and Navier-Stokes, scikit-image's biharmonic, PatchMatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gi_plugin.arrays import Bools, Bytes
from gi_plugin.errors import ConfigError, require

FillMethod = Callable[[Bytes, Bools], Bytes]  # (picture [H, W, 3], hole [H, W]) -> filled picture [H, W, 3]

PATCH = 5  # side of PatchMatch's patches, in pixels: the package's default of 15 blurs
RADIUS = 3  # neighbourhood of OpenCV's methods, in pixels: the value of OpenCV's own examples


def baseline(name: str) -> FillMethod:
    """Return the method with this name.

    :param name: "telea" or "ns" (OpenCV's Navier-Stokes), "biharmonic" (scikit-image), "patchmatch" (the package pypatchmatch).
    :raises ConfigError: if the name is unknown.
    :raises MissingDependency: if its package is not installed.
    """
    if name == "biharmonic":
        return _biharmonic
    if name == "patchmatch":
        patchmatch: Any = require("patchmatch", "judge")
        return lambda image, hole: np.asarray(patchmatch.inpaint(image.copy(), (hole * np.uint8(255))[..., None], patch_size=PATCH))
    if name in ("telea", "ns"):
        cv2: Any = require("cv2", "train")
        flag = {"telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}[name]
        return lambda image, hole: np.asarray(cv2.inpaint(image, hole.astype(np.uint8), RADIUS, flag), dtype=np.uint8)
    raise ConfigError(f"unknown baseline {name!r}: expected telea, ns, biharmonic or patchmatch")


def _biharmonic(image: Bytes, hole: Bools) -> Bytes:
    from skimage.restoration import inpaint_biharmonic  # noqa: PLC0415  # slow to import

    filled = inpaint_biharmonic(image, hole, split_into_regions=True, channel_axis=-1)
    return np.asarray(np.rint(filled.clip(0, 1) * 255), dtype=np.uint8)
