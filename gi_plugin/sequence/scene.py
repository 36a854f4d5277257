"""What is known of a scene while its frames go by: frames, made-up pixels, and the place of each camera."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from ..arrays import Array, Bools, Floats
from ..errors import ImageError
from ..image import check_image
from ..inputs.value_range import Range, value_range
from ..options import Options
from ..planning.hole import grown_hole
from .motion import Change, Look, Motion, grey_of, motion_between
from .views import Target, View

KEPT = 16  # earlier frames that are kept: the last ones, and of older ones about every second, fourth, eighth …
MADE = 16  # frames whose made-up pixels are kept
FAR = 0.25  # motion, as a share of the frame's longer side, from which on it is measured against a newer frame
Fill = Callable[[Array, Bools], Array]  # fills the hole of one frame [H, W, C]


class Scene:
    """The frames of a sequence, one after the other.

    :param fill: fills what no frame shows.
    :param options: the channel axis, the range of values, `mask_alpha` and `invert_mask` are used.
    :param dilate: pixels by which every hole is grown.
    """

    def __init__(self, fill: Fill, options: Options, dilate: int) -> None:
        self._fill, self._options, self._dilate = fill, options, dilate
        self._kept: list[View] = []
        self._made: deque[View] = deque(maxlen=MADE)
        self._seen: list[tuple[View, Look]] = []  # the frame against which motion is measured, and the last one
        self._first: Array | None = None
        self.data_range: Range = (0.0, 1.0)  # once a frame was seen: that of the first, for all frames, so that nothing flickers

    def view(self, number: int, frame: Array, mask: Array) -> View:
        """Check a frame and find the place of its camera. After a cut, a new scene starts.

        :raises ImageError: if the frame or the mask cannot be used, or the frame differs from the first in shape or dtype.
        """
        pixels = check_image(frame, self._options.channel_axis)
        starts = self._first is None
        self._first = frame if self._first is None else self._first
        if (frame.shape, frame.dtype) != (self._first.shape, self._first.dtype):
            expected = f"shape {self._first.shape} and dtype {self._first.dtype}, as the first frame has"
            raise ImageError(f"frame {number} has shape {frame.shape} and dtype {frame.dtype}: expected {expected}")
        options, shape = self._options, (pixels.shape[0], pixels.shape[1])
        hole = grown_hole(mask, shape, alpha=options.mask_alpha, invert=options.invert_mask, dilate=self._dilate)
        if starts:
            self.data_range = value_range(pixels, hole, options.data_range)
        pixels = pixels.copy()
        pixels[hole, :3] = _mean(pixels[..., :3], ~hole)  # the interpolation near the hole reads it
        return self._placed(number, pixels, ~hole)

    def filled(self, view: View, coming: Iterable[View]) -> Array:
        """Fill a frame; call it for every frame in order.

        :param coming: the frames after it that are known already.
        :return: a new array like the frames.
        """
        target, missing = Target.of(view, *self.data_range), np.nonzero(~view.usable)
        others = [other for other in (*self._kept, *coming) if other.scene == view.scene]
        for other in sorted(others, key=lambda other: abs(other.number - view.number)):
            missing = target.take(missing, other) if missing[0].size else missing
        for made in self._made:
            missing = target.take_made(missing, made) if made.scene == view.scene and missing[0].size else missing
        pixels = target.pixels
        if missing[0].size:
            hole = np.zeros_like(view.usable)
            hole[missing] = True
            pixels = self._fill(pixels, hole)
            self._made.append(replace(view, pixels=pixels, usable=hole))
        self._keep(replace(view, pixels=pixels))
        return self._as_frame(pixels)

    def _placed(self, number: int, pixels: Array, usable: Bools) -> View:
        look = Look.of(grey_of(pixels, *self.data_range), usable)
        for before, look_before in self._seen:
            change = motion_between(look_before, look)
            if change is not None:
                view = _after(before, change, number, pixels, usable)
                reference = self._seen[0][0]
                near = _is_near(np.linalg.inv(view.place) @ reference.place, usable.shape)
                if near and before is not reference:
                    break  # the camera is where it was, and yet the picture is another one: a dissolve
                self._seen = [self._seen[0] if near else (view, look), (view, look)]
                return view
        view = View(number, pixels, usable, np.eye(3), number)
        self._seen = [(view, look)]
        return view

    def _keep(self, view: View) -> None:
        """Keep a filled frame. If there are too many, drop the one whose neighbours are closest, compared with its age."""
        self._kept.append(view)
        if len(self._kept) > KEPT:
            numbers = [kept.number for kept in self._kept]
            gaps = [(numbers[i + 1] - numbers[i - 1]) / (view.number + 1 - numbers[i]) for i in range(1, len(numbers) - 1)]
            del self._kept[1 + int(np.argmin(gaps))]

    def _as_frame(self, pixels: Array) -> Array:
        assert self._first is not None  # noqa: S101  # a frame was seen
        if self._first.ndim == 2:
            return pixels[..., 0].copy()
        return np.moveaxis(pixels, -1, self._options.channel_axis or 0).copy()


def _after(before: View, change: Change, number: int, pixels: Array, usable: Bools) -> View:
    """Make the view of a frame from its change since another one."""
    gain, offset = before.tone
    tone = gain / change.gain, offset - gain * change.offset / change.gain
    return View(number, pixels, usable, before.place @ np.linalg.inv(change.motion), before.scene, tone)


def _mean(pixels: Array, known: Bools) -> Floats:
    """The mean colour [C] of the known pixels of [H, W, C]."""
    if pixels.dtype.kind == "f":
        return np.asarray(pixels[known].mean(axis=0))
    sums = [np.sum(pixels[..., channel], where=known, dtype=np.int64) for channel in range(pixels.shape[2])]  # exact, and needs no copy
    return np.asarray(np.array(sums) / np.count_nonzero(known))


def _is_near(motion: Motion, shape: tuple[int, ...]) -> bool:
    centre = np.array([shape[1] / 2, shape[0] / 2, 1])
    x, y, w = motion @ centre
    return bool(np.hypot(x / w - centre[0], y / w - centre[1]) < FAR * max(shape))
