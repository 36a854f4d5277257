"""Views of a scene: frames with the place of their camera, from which hidden pixels are taken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..arrays import Array, Bools
from .motion import Motion, places_after

Places = npt.NDArray[np.float64]  # [2, N] rows and columns
Pixels = tuple[npt.NDArray[np.intp], ...]  # rows and columns [N] of pixels
WHOLE = 0.1  # a pan that differs less than so many pixels from whole ones is taken as whole
MARGIN = 4  # pixels around the places that are read, for the cubic interpolation
CLEAR = 2  # distance in pixels from the hole of a view at which its pixels can be interpolated
RING = 3  # width of the ring around the hole in which a view is compared with the frame, in pixels
VISIBLE = 0.03  # smallest change of the gain, or of the middle of the range, that is passed on to made-up pixels; less may be an error
FOREIGN = 0.06  # mean difference in the ring, as a share of the range, from which on a view is not used


@dataclass(frozen=True)
class View:
    """A frame, or the made-up part of one, with the place of its camera."""

    number: int  # of the frame
    pixels: Array  # [H, W, C]
    usable: Bools  # [H, W], True = may be taken
    place: Motion  # takes pixels of this view to the scene
    scene: int  # number of the scene: a cut starts another one
    tone: tuple[float, float] = (1.0, 0.0)  # gain and offset that take grey values of this view, in [0, 1], to those of the scene

    @cached_property
    def clear(self) -> Bools:
        """[H, W], True = usable like the pixels `CLEAR` before and after it in both directions, so that places here can be interpolated."""
        rows, columns = self.usable.shape
        padded = np.pad(self.usable, CLEAR)  # outside the picture nothing is usable
        shifts = [(down, right) for down in (0, CLEAR, 2 * CLEAR) for right in (0, CLEAR, 2 * CLEAR)]
        return np.asarray(np.logical_and.reduce([padded[down : down + rows, right : right + columns] for down, right in shifts]))


@dataclass(frozen=True)
class Target:
    """A frame that is being filled."""

    view: View
    pixels: Array  # [H, W, C], filled in place
    ring: Pixels  # around the hole
    low: float
    high: float
    limits: tuple[float, float]  # of the values that are written

    @classmethod
    def of(cls, view: View, low: float, high: float) -> Target:
        """Make the target that fills a view; `low` and `high` are what counts as black and white."""
        from scipy import ndimage  # noqa: PLC0415  # heavy

        hole = ~view.usable
        ring = ndimage.binary_dilation(hole, np.ones((3, 3)), iterations=RING) & view.usable
        return cls(view, view.pixels.copy(), np.nonzero(ring), low, high, _limits(view.pixels, low, high))

    def take(self, missing: Pixels, view: View) -> Pixels:
        """Copy what another frame shows of the missing pixels, if it shows the same around the hole.

        :return: the pixels that are still missing.
        """
        motion = self._motion_to(view)
        there = places_after(motion, *missing)
        seen = _clear(there, view)
        change = self._change(view, motion) if seen.any() else None
        return missing if change is None else self._write(missing, seen, _read(view.pixels, there[:, seen]) + change)

    def take_made(self, missing: Pixels, view: View) -> Pixels:
        """Copy the made-up pixels of an earlier frame to the missing pixels that show the same place of the scene.

        :return: the pixels that are still missing.
        """
        there = places_after(self._motion_to(view), *missing)
        seen = _at(np.rint(there), view.usable)
        return self._write(missing, seen, self._exposed(_read(view.pixels, there[:, seen]), view)) if seen.any() else missing

    def _motion_to(self, view: View) -> Motion:
        return np.asarray(np.linalg.inv(view.place) @ self.view.place)

    def _exposed(self, values: Places, view: View) -> Places:
        """Change values [N, C] of a view to the exposure of this frame, if the two differ visibly."""
        gain = view.tone[0] / self.view.tone[0]
        offset = (view.tone[1] - self.view.tone[1]) / self.view.tone[0]
        if max(abs(gain - 1), abs(gain / 2 + offset - 1 / 2)) < VISIBLE:
            return values
        return (values - self.low) * gain + self.low + offset * (self.high - self.low)

    def _write(self, missing: Pixels, seen: Bools, values: Places) -> Pixels:
        rows, columns = missing
        values = np.rint(values) if self.pixels.dtype.kind in "ui" else values
        self.pixels[rows[seen], columns[seen], :3] = values.clip(*self.limits)[:, :3]
        return rows[~seen], columns[~seen]

    def _change(self, view: View, motion: Motion) -> npt.NDArray[np.float64] | None:
        """Difference [C] in brightness between this frame and a view around the hole; None if they show different things there."""
        there = places_after(motion, *self.ring)
        seen = _clear(there, view)
        if seen.sum() < max(0.25 * seen.size, 1):
            return np.zeros(self.pixels.shape[2])
        rows, columns = (axis[seen] for axis in self.ring)
        difference = self.pixels[rows, columns].astype(np.float64) - _read(view.pixels, there[:, seen])
        change = np.median(difference, axis=0)
        return None if np.abs(difference - change).mean() > FOREIGN * (self.high - self.low) else np.asarray(change)


def _limits(pixels: Array, low: float, high: float) -> tuple[float, float]:
    """The limits of an integer type; for floats the range from `low` to `high`, widened by what the pixels hold."""
    if pixels.dtype.kind == "u":
        return 0.0, float(np.iinfo(pixels.dtype).max)
    return min(low, float(np.nanmin(pixels[..., :3]))), max(high, float(np.nanmax(pixels[..., :3])))


def _at(places: Places, usable: Bools) -> Bools:
    """Whether whole places [2, N] are usable; False outside the picture."""
    inside = (places >= 0).all(axis=0) & (places[0] < usable.shape[0]) & (places[1] < usable.shape[1])
    row, column = np.where(inside, places, 0).astype(np.intp)
    return np.asarray(inside & usable[row, column])


def _clear(there: Places, view: View) -> Bools:
    """Whether places can be read without the influence of unusable pixels."""
    near = _whole(there)
    return _at(np.rint(there), view.clear) if near is None else _at(near, view.usable)


def _whole(there: Places) -> Places | None:
    """The places as whole numbers, if all of them nearly are; else None."""
    near = np.rint(there)
    return near if np.abs(there - near).max(initial=0) < WHOLE else None


def _read(pixels: Array, there: Places) -> Places:
    """Values [N, C] at places [2, N]: copied if these are whole, else interpolated by cubic splines."""
    near = _whole(there)
    if near is not None:
        row, column = near.astype(np.intp)
        return np.asarray(pixels[row, column], np.float64)
    from scipy import ndimage  # noqa: PLC0415  # heavy

    start = np.maximum(np.floor(there.min(axis=1)).astype(int) - MARGIN, 0)
    end = np.ceil(there.max(axis=1)).astype(int) + MARGIN
    part = pixels[start[0] : end[0], start[1] : end[1]].astype(np.float32)
    planes = [ndimage.map_coordinates(part[..., channel], there - start[:, None], mode="nearest") for channel in range(part.shape[2])]
    return np.stack(planes, axis=1).astype(np.float64)
