"""Turn an image and a mask of any kind into numpy arrays, and the filled array into the kind of the image."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..config import HookSettings

CHANNELS = ("band", "bands", "c", "channel", "channels", "rgb", "rgba")  # names of the channels' dimension in xarray
Wrap = Callable[[Array], Any]


@dataclass(frozen=True)
class Unwrapped:
    """An image and a mask as arrays.

    `wrap` turns the filled array into an image of the kind that was given.
    """

    image: Array
    mask: Array
    channel_axis: int | None
    wrap: Wrap


def unwrap(image: Any, mask: Any, channel_axis: int | None, max_pixels: int = HookSettings().max_pixels) -> Unwrapped:
    """Turn an image and a mask into numpy arrays; what is none of the known kinds stays as it is, for the check that follows.

    :param image: a numpy array or masked array, a Pillow picture, a torch tensor HxW or CxHxW, an xarray `DataArray`, or the path of a
        picture file, which becomes an array HxW, HxWx3 or HxWx4 of the file's depth.
    :param mask: of any of these kinds; 1xHxW counts as HxW; `numpy.ma.nomask` if no pixels but those of a masked array are missing.
    :param channel_axis: as for `gi_plugin.inpaint`; for tensors the default, -1, means that the channels come first, and for `DataArray`
        that the names of the dimensions tell; it is not used for files.
    :param max_pixels: largest picture file that is read.
    :raises ImageError: if a file cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        image, channel_axis = _read(image, max_pixels), -1
    if isinstance(mask, str | os.PathLike):
        mask = _read_mask(mask, max_pixels)
    pixels, axis, wrap = _image(image, channel_axis)
    if not isinstance(pixels, np.ndarray):
        return Unwrapped(pixels, mask, channel_axis, wrap)
    last = np.moveaxis(pixels, axis, -1) if axis is not None and pixels.ndim == 3 and -3 <= axis < 3 else pixels
    shape = last.shape[:2]
    return Unwrapped(pixels, _mask(mask, shape), axis, wrap)


def _read(path: str | os.PathLike[str], max_pixels: int) -> Array:
    from ..files import read_picture  # noqa: PLC0415  # only for files

    return read_picture(Path(path), max_pixels).pixels


def _read_mask(path: str | os.PathLike[str], max_pixels: int) -> Array:
    from ..files import read_mask  # noqa: PLC0415  # as above

    return read_mask(Path(path), max_pixels)


def _kind(value: Any) -> str:
    """The library that a value comes from."""
    return type(value).__module__.partition(".")[0]


def _image(image: Any, axis: int | None) -> tuple[Any, int | None, Wrap]:
    if _kind(image) == "torch":
        return _tensor(image), 0 if image.ndim == 3 and axis == -1 else axis, lambda filled: _as_tensor(filled, image)
    if _kind(image) == "xarray":
        named = [number for number, name in enumerate(image.dims) if str(name).lower() in CHANNELS]
        return np.asarray(image.data), named[0] if axis == -1 and named else axis, lambda filled: image.copy(data=filled)
    if _is_picture(image):
        return _picture(image)
    return image, axis, lambda filled: filled


def _mask(mask: Any, shape: tuple[int, ...]) -> Any:
    if "numpy.ma" in sys.modules and mask is np.ma.nomask:  # as `has_masked_pixels`
        return np.zeros(shape, np.bool_)
    if _kind(mask) == "torch":
        mask = _tensor(mask)
    elif _kind(mask) == "xarray":
        mask = np.asarray(mask.data)
    elif _is_picture(mask):
        mask = np.asarray(mask.convert("L") if mask.mode in ("1", "P", "LA") else mask)
    return mask[0] if isinstance(mask, np.ndarray) and mask.ndim == 3 and mask.shape == (1, *shape) else mask


def _tensor(tensor: Any) -> Array:
    """Values of a tensor as an array; bfloat16, which numpy lacks, as float32."""
    on_cpu = tensor.detach().cpu()
    return np.asarray((on_cpu.float() if on_cpu.is_floating_point() and on_cpu.element_size() < 4 else on_cpu).numpy())


def _as_tensor(filled: Array, like: Any) -> Any:
    import torch  # noqa: PLC0415  # the caller has it

    return torch.from_numpy(filled).to(device=like.device, dtype=like.dtype)


def _is_picture(value: Any) -> bool:
    pillow = sys.modules.get("PIL.Image")  # imported by whoever made a picture
    return pillow is not None and isinstance(value, pillow.Image)


def _picture(image: Any) -> tuple[Array, int, Wrap]:
    """Pixels of a Pillow picture; the filled one has the mode, profile and metadata of the picture."""
    from ..files import modes  # noqa: PLC0415  # as above

    kept = modes.to_kept_mode(image.copy())
    pixels = modes.to_array(kept)

    def wrap(filled: Array) -> Any:
        changed = filled != pixels
        modes.fill(kept, filled, changed if changed.ndim == 2 else changed.any(axis=2))
        return kept

    return pixels, -1, wrap
