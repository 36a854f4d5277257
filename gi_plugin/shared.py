"""The function `inpaint`, and the inpainter that its calls in one process share."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .arrays import Array
from .config import Config, Detail, config_source, load_config
from .containers import unwrap
from .inpainter import Inpainter
from .options import Options, Stoppable, names_nearest_keyword


def current_config() -> Config:
    """Return what `load_config()` reads. A file is read again only if it changed, or GI_PLUGIN_CONFIG names another one."""
    source = config_source()
    return _kept_config(source, source.stat().st_mtime_ns if source is not None and source.exists() else 0)


@functools.lru_cache(maxsize=4)
def _kept_config(source: Path | None, _changed: int) -> Config:
    return load_config(source)


_default: Inpainter | None = None
_default_lock = threading.Lock()


def default_inpainter() -> Inpainter:
    """The inpainter of this process, made with the user's settings at the first call, and anew if the settings have changed since."""
    global _default  # noqa: PLW0603  # one per process, so that engines are opened once
    with _default_lock:
        config = current_config()
        if _default is None or _default.config != config:
            _default = Inpainter(config)  # running calls keep the old one
        return _default


def close_default_inpainter() -> None:
    """Release the engines of `default_inpainter`; the next call reads the settings anew."""
    global _default  # noqa: PLW0603  # as above
    with _default_lock:
        if _default is not None:
            _default.close()
        _default = None


@names_nearest_keyword
def inpaint(
    image: Any,
    mask: Any,
    *,
    channel_axis: int | None = -1,
    data_range: tuple[float, float] | None = None,
    dilate: int | None = None,
    mask_alpha: bool = False,
    detail: Detail | None = None,
    sources: Array | None = None,
    seed: int = 0,
    invert_mask: bool = False,
    channel_order: str = "rgb",
    cancel: Stoppable | None = None,
    deadline: float | None = None,
    progress: Callable[[float], None] | None = None,
    split_into_regions: bool = False,  # noqa: ARG001  # see below
) -> Any:
    """Fill the hole of an image with the contextual-attention network.

    Called like `skimage.restoration.inpaint_biharmonic`, except that the result keeps the dtype and range of the input.

    :param image: HxW, HxWx1, HxWx3 or HxWx4; uint8, uint16 or float. Values in the hole are ignored; alpha is carried through. Masked
        pixels of a masked array are missing, too. Also a Pillow picture, a torch tensor or an xarray `DataArray`, which the result is
        then, too; or the path of a picture file, whose result is an array.
    :param mask: HxW or HxWx1 (or a colour picture of a mask); bool, integer or float; non-zero = missing (above half of its range in a mask
        with more than 16 values). Also a path, or any of the other kinds. A `MaskWarning` tells if it is probably not what you meant.
    :param channel_axis: where the channels stand in a three-dimensional image.
    :param data_range: lowest and highest value of the image. If None: 0 to 255 for uint8, [0, 1] for floats inside it, else the
        range of the known pixels around the hole.
    :param dilate: pixels by which the hole is grown first; the setting [hook] dilate if None.
    :param mask_alpha: read the hole from the alpha channel of a mask with four channels.
    :param detail: "transfer" takes pixels from the known part of the image, guided by the network; "network" takes the network's own. The
        setting [hook] detail if None.
    :param sources: a mask like `mask`: non-zero = the transfer may take pixels from here; from everywhere that is known if None.
    :param seed: another number gives another result of the transfer.
    :param invert_mask: zero means missing.
    :param channel_order: "bgr" if the first channel is blue, as in OpenCV.
    :param cancel: an event; once it is set, the call ends with `Cancelled`. Other calls go on.
    :param deadline: seconds after which the call ends with `Cancelled`.
    :param progress: a function that is called with the share that is done, up to 1.
    :param split_into_regions: accepted and ignored: holes that stand apart always get windows of their own.
    :return: a new image of the same kind, shape and dtype; every known pixel is bit-identical.
    :raises ImageError: if image or mask cannot be used.
    :raises ConfigError: if the value of an option or a setting is wrong.
    :raises EngineError: if no engine can run, or one fails.
    :raises Cancelled: if the caller cancelled the call, or its deadline passed.
    :raises TypeError: if there is no such option; the message names the nearest.
    """
    choices = (data_range, dilate, mask_alpha, detail, sources, seed, invert_mask, channel_order, cancel, deadline, progress)
    inpainter = default_inpainter()
    given = unwrap(image, mask, channel_axis, inpainter.config.hook.max_pixels)
    return given.wrap(inpainter.run(given.image, given.mask, Options(given.channel_axis, *choices)).image)
