"""Other inpainting methods, for comparison: OpenCV's and its contrib's, scikit-image's biharmonic, PatchMatch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gi_plugin.arrays import Array, Bools, Bytes
from gi_plugin.errors import ConfigError, GiError, MissingDependency, first_line, require

FillMethod = Callable[[Bytes, Bools], Bytes]  # (picture [H, W, 3], hole [H, W]) -> filled picture [H, W, 3]

PATCH = 5  # side of PatchMatch's patches, in pixels: the package's default of 15 blurs
RADIUS = 3  # neighbourhood of OpenCV's methods, in pixels: the value of OpenCV's own examples
CONTRIB = "pip uninstall opencv-python-headless; pip install opencv-contrib-python-headless"  # both have a module cv2


class BaselineFailed(GiError):
    """A method of another package failed on a picture."""


def baseline(name: str) -> FillMethod:
    """Return the method with this name. It raises BaselineFailed on a picture that its package cannot fill.

    :param name: "telea" or "ns" (OpenCV's Navier-Stokes), "fsr" or "shiftmap" (OpenCV contrib's fast frequency selective reconstruction
        and shift-map), "biharmonic" (scikit-image), "patchmatch" (the package pypatchmatch). OpenCV's methods but "shiftmap" also take
        grey pictures [H, W], of 8 or 16 bits.
    :raises ConfigError: if the name is unknown.
    :raises MissingDependency: if its package is not installed.
    """
    if name not in BASELINES:
        raise ConfigError(f"unknown baseline {name!r}: expected one of {', '.join(BASELINES)}")
    return partial(_filled, name, BASELINES[name]())


def _filled(name: str, fill: FillMethod, image: Bytes, hole: Bools) -> Bytes:
    try:
        return fill(image, hole)
    except Exception as error:  # other packages raise many types of errors
        raise BaselineFailed(f"{name} failed: {type(error).__name__}: {first_line(error)}") from error


def _opencv(flag: str) -> FillMethod:
    cv2: Any = require("cv2", "train")
    return lambda image, hole: np.asarray(cv2.inpaint(image, hole.astype(np.uint8), RADIUS, getattr(cv2, flag)))


def _fsr() -> FillMethod:
    xphoto = _xphoto()
    return lambda image, hole: _contrib_fill(xphoto, image, hole, xphoto.INPAINT_FSR_FAST)


def _shiftmap() -> FillMethod:
    cv2: Any = require("cv2", "train")
    xphoto = _xphoto()

    def fill(image: Bytes, hole: Bools) -> Bytes:
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2Lab)
        return np.asarray(cv2.cvtColor(_contrib_fill(xphoto, lab, hole, xphoto.INPAINT_SHIFTMAP), cv2.COLOR_Lab2RGB))

    return fill


def _contrib_fill(xphoto: Any, image: Array, hole: Bools, method: int) -> Any:
    filled = np.zeros_like(image)
    xphoto.inpaint(image, np.where(hole, np.uint8(0), np.uint8(255)), filled, method)  # 0 = missing
    return filled


def _xphoto() -> Any:
    xphoto = getattr(require("cv2", "train"), "xphoto", None)
    if xphoto is None:
        raise MissingDependency(f"cv2.xphoto is not installed: it is a part of OpenCV's contrib. Install it with: {CONTRIB}")
    return xphoto


def _biharmonic() -> FillMethod:
    require("skimage", "train")

    def fill(image: Bytes, hole: Bools) -> Bytes:
        from skimage.restoration import inpaint_biharmonic  # noqa: PLC0415  # slow to import

        filled = inpaint_biharmonic(image, hole, split_into_regions=True, channel_axis=-1)
        return np.asarray(np.rint(filled.clip(0, 1) * 255), dtype=np.uint8)

    return fill


def _patchmatch() -> FillMethod:
    patchmatch: Any = require("patchmatch", "judge")
    return lambda image, hole: np.asarray(patchmatch.inpaint(image.copy(), (hole * np.uint8(255))[..., None], patch_size=PATCH))


BASELINES: Mapping[str, Callable[[], FillMethod]] = {
    "telea": partial(_opencv, "INPAINT_TELEA"),
    "ns": partial(_opencv, "INPAINT_NS"),
    "fsr": _fsr,
    "shiftmap": _shiftmap,
    "biharmonic": _biharmonic,
    "patchmatch": _patchmatch,
}
