"""Fill the frames of a sequence: what other frames show under the hole is taken from there, and what was made up once stays.

A frame's hole is filled in three steps. First come the other frames, the nearest in time first, as far as the camera stands, pans or turns
between them. Then come the pixels that were made up for earlier frames. The rest is made up by the inpainter.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from ..arrays import Array, Bools
from ..config import Detail
from ..errors import ImageError, require
from ..inpainter import Inpainter
from ..inputs.control import Control
from ..options import Options, Stoppable
from ..shared import default_inpainter
from .scene import Scene
from .views import View

AHEAD = 16  # frames that are read ahead, since they may show what is hidden now


def inpaint_sequence(
    frames: Iterable[Array],
    masks: Array | Iterable[Array],
    *,
    ahead: int = AHEAD,
    channel_axis: int | None = -1,
    data_range: tuple[float, float] | None = None,
    dilate: int | None = None,
    mask_alpha: bool = False,
    detail: Detail | None = None,
    seed: int = 0,
    invert_mask: bool = False,
    channel_order: str = "rgb",
    cancel: Stoppable | None = None,
    deadline: float | None = None,
) -> Iterator[Array]:
    """Fill the holes of the frames of a sequence, so that the fill stays calm from frame to frame.

    What other frames show under the hole is used as far as the camera stands, pans or turns. Options are those of `gi_plugin.inpaint`;
    `deadline` is that of the whole sequence, and is looked at between two frames.

    :param frames: images of one shape and dtype, as for `gi_plugin.inpaint`; taken one after the other.
    :param masks: one mask for all frames (an array), or an iterable with one per frame.
    :param ahead: frames that are read ahead, since they may show what is hidden now; 0 for a live stream.
    :return: an iterator over the filled frames, new arrays; it holds some 50 frames at most.
    :raises ImageError: if a frame or a mask cannot be used, frames differ in shape or dtype, or there are too few masks.
    :raises ConfigError: if the value of an option or a setting is wrong.
    :raises EngineError: if no engine can run, or one fails.
    :raises Cancelled: if the caller cancelled the sequence, or its deadline passed.
    :raises MissingDependency: if scikit-image, which finds the motion of the camera, is not installed.
    """
    options = Options(channel_axis, data_range, dilate, mask_alpha, detail, None, seed, invert_mask, channel_order, cancel, deadline)
    return fill_sequence(frames, masks, default_inpainter(), options, ahead)


def fill_sequence(
    frames: Iterable[Array], masks: Array | Iterable[Array], inpainter: Inpainter, options: Options, ahead: int = AHEAD
) -> Iterator[Array]:
    """Fill the holes of frames by an inpainter; arguments, result and errors as for `inpaint_sequence`.

    :raises Cancelled: if the options ask to stop.
    """
    require("skimage", "sequence")
    control = Control(options.cancel, options.deadline)
    made = replace(options, channel_axis=-1, dilate=0, mask_alpha=False, invert_mask=False, deadline=None, progress=None)

    def fill(image: Array, missing: Bools) -> Array:
        planned = inpainter.plan(missing, missing.shape, made)
        return inpainter.run(image, planned, replace(made, data_range=scene.data_range)).image

    dilate = inpainter.config.hook.dilate if options.dilate is None else options.dilate
    scene, coming = Scene(fill, options, int(dilate)), deque[View]()
    for number, (frame, mask) in enumerate(_pairs(frames, masks)):
        control.check()
        coming.append(scene.view(number, frame, mask))
        if len(coming) > ahead:
            yield scene.filled(coming.popleft(), coming)
    while coming:
        control.check()
        yield scene.filled(coming.popleft(), coming)


def _pairs(frames: Iterable[Array], masks: Array | Iterable[Array]) -> Iterator[tuple[Array, Array]]:
    """Yield every frame with its mask."""
    if isinstance(masks, np.ndarray) and masks.ndim == 2:
        masks = itertools.repeat(masks)
    rest = iter(masks)
    for number, frame in enumerate(frames):
        mask = next(rest, None)
        if mask is None:
            raise ImageError(f"there are only {number} masks: expected one for all frames, or one per frame")
        yield frame, mask
