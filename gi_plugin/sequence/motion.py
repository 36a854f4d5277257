"""The motion of the camera between two frames: none, a pan, or a homography; None after a cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..arrays import Bools, Floats

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Motion = npt.NDArray[np.float64]  # [3, 3] takes (column, row, 1) of one frame to the other, as scikit-image's transforms do

LONGEST = 640  # longest side of a frame in which motion is measured, in pixels
FINE = 20  # a pan is measured to 1 / FINE pixels of the reduced frame
SAME = 0.002  # largest mean difference of frames that are taken as the same view, as a share of the range
CORNERS, FEWEST = 500, 12  # ORB's corners in a frame, and the fewest that must agree on a homography
MATCHING = 0.85  # smallest correlation of frames that show the same scene
BLOCKS, BLOCK = 3, 64  # blocks in each direction in which a pan is checked, and the longest side of one in pixels
EVEN = 0.3  # largest difference of the blocks' motion in a pan, in pixels
_LIMIT = Lock()  # the limit on threads is that of the process: one motion at a time sets and resets it
FEWEST_PAIRS = 0.05  # fewest pixels, as a share of the frame, in which two frames can be compared
AGREEING = 5  # fewest blocks that must agree on a turn or a zoom


@dataclass(frozen=True)
class Look:
    """A frame as motion is measured from it, reduced to at most LONGEST pixels."""

    grey: Floats  # [h, w] in [0, 1]
    known: Bools  # [h, w], True = may be used
    factor: int  # by which the frame was reduced

    @classmethod
    def of(cls, grey: Floats, known: Bools) -> Look:
        """Reduce a frame: grey values [H, W] in [0, 1], and which of them may be used."""
        factor = -(-max(grey.shape) // LONGEST)
        return cls(grey[::factor, ::factor], known[::factor, ::factor], factor)

    @cached_property
    def is_empty(self) -> bool:
        """Whether there is nothing to be seen, as in a black frame."""
        return not self.known.any() or float(self.grey[self.known].std()) < SAME

    @cached_property
    def corners(self) -> tuple[Any, Any] | None:
        """Columns and rows [N, 2] of ORB's corners, and their descriptors; None if there is no corner."""
        from skimage.feature import ORB  # noqa: PLC0415  # heavy

        found: Any = ORB(n_keypoints=CORNERS)
        try:
            found.detect_and_extract(np.where(self.known, self.grey, self.grey[self.known].mean()))
        except (RuntimeError, IndexError, ValueError):  # there is no corner
            return None
        inside = self.known[tuple(found.keypoints.astype(int).T)]
        return found.keypoints[inside][:, ::-1], found.descriptors[inside]


class Change(NamedTuple):
    """What happens from one frame to another."""

    motion: Motion
    gain: float  # of the exposure: grey values become `gain` times as large, plus `offset`
    offset: float


def motion_between(before: Look, after: Look) -> Change | None:
    """Estimate the motion of the camera from one frame to another, and the change of the exposure.

    :return: None if no motion of a camera explains the change.
    """
    both = before.known & after.known
    if not both.any():
        return None
    if np.abs(before.grey - after.grey)[both].mean() < SAME:
        return Change(np.eye(3), 1.0, 0.0)
    if before.is_empty or after.is_empty:
        return None
    small = before.grey, before.known, after.grey, after.known
    with _one_thread():
        found: Motion | None = _turned(_pan(*small), *small)
        pairs = _pairs(found, *small)
        if _agreement(*pairs) < MATCHING:
            found = _homography(before, after)
            pairs = _pairs(found, *small)
    if found is None or _agreement(*pairs) < MATCHING:
        return None
    first, second = pairs
    gain = float(second.std() / first.std())
    scale = np.diag([before.factor, before.factor, 1.0])
    return Change(np.asarray(scale @ found @ np.linalg.inv(scale)), gain, float(second.mean() - gain * first.mean()))


def grey_of(pixels: npt.NDArray[np.generic], low: float, high: float) -> Floats:
    """Grey values [H, W] in [0, 1] of pixels [H, W, C] whose values run from `low` to `high`."""
    total = sum(pixels[..., channel].astype(np.float32) for channel in range(min(pixels.shape[2], 3)))
    return np.asarray((total / np.float32(min(pixels.shape[2], 3)) - np.float32(low)) / np.float32(high - low), np.float32)


def moved(step: tuple[float, float]) -> Motion:
    """The motion of a pan by (rows, columns)."""
    return np.array([[1, 0, step[1]], [0, 1, step[0]], [0, 0, 1]], np.float64)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let numpy multiply matrices in this thread alone. They are small here; on a busy machine, waiting for other threads takes longer."""
    with _LIMIT, _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415  # looks through all loaded libraries

    return ThreadpoolController()


def _pan(before: Floats, known_before: Bools, after: Floats, known_after: Bools) -> Motion:
    return moved(_shift(before, known_before, after, known_after))


def _shift(before: Floats, known_before: Bools, after: Floats, known_after: Bools) -> tuple[float, float]:
    """Rows and columns by which pixels move, from the phases of the spectra."""
    from skimage.registration import phase_cross_correlation  # noqa: PLC0415  # heavy

    rows, columns = (np.hanning(size + 2)[1:-1].astype(np.float32) for size in before.shape)
    window = rows[:, None] * columns
    flat = [np.where(known, grey - grey[known].mean(), 0) * window for grey, known in ((before, known_before), (after, known_after))]
    step, _, _ = phase_cross_correlation(flat[1], flat[0], upsample_factor=FINE)
    return float(step[0]), float(step[1])


def _turned(pan: Motion, before: Floats, known_before: Bools, after: Floats, known_after: Bools) -> Motion:
    """Measure the rest of the motion in blocks; if they differ, the camera turned or zoomed a little, else return the pan."""
    from skimage.measure import ransac  # noqa: PLC0415  # heavy
    from skimage.transform import SimilarityTransform  # noqa: PLC0415  # heavy

    places, ends = [], []
    whole = np.rint(pan[:2, 2][::-1]).astype(int)  # rows and columns
    low, high = np.maximum(-whole, 0), np.minimum(before.shape, np.array(before.shape) - whole)
    edges = [np.linspace(start, end, BLOCKS + 1).astype(int) for start, end in zip(low, high, strict=True)]
    for row, column in np.ndindex(BLOCKS, BLOCKS):
        here = tuple(_middle(*edge[number : number + 2]) for edge, number in zip(edges, (row, column), strict=True))
        there = tuple(slice(part.start + step, part.stop + step) for part, step in zip(here, whole, strict=True))
        block = before[here], known_before[here], after[there], known_after[there]
        if min(block[0].shape) >= 8 and min(block[1].mean(), block[3].mean()) > 0.7 and min(block[0].std(), block[2].std()) > SAME:
            step = _shift(*block)
            centre = np.array([(part.start + part.stop - 1) / 2 for part in here])
            places.append(centre[::-1])
            ends.append((centre + whole + step)[::-1])
    rest = np.array(ends) - np.array(places) - pan[:2, 2]
    if len(places) < AGREEING or np.abs(rest).max() < EVEN:
        return pan
    points = np.array(places), np.array(ends)
    found, agreeing = ransac(points, SimilarityTransform, min_samples=2, residual_threshold=1.0, max_trials=50, rng=0)
    return pan if agreeing is None or agreeing.sum() < AGREEING else np.asarray(found.params)


def _middle(start: int, end: int) -> slice:
    """The middle of a range, at most BLOCK long."""
    length = min(int(end - start), BLOCK)
    first = int(start + end - length) // 2
    return slice(first, first + length)


def _homography(before: Look, after: Look) -> Motion | None:
    from skimage.feature import match_descriptors  # noqa: PLC0415  # heavy
    from skimage.measure import ransac  # noqa: PLC0415  # heavy
    from skimage.transform import ProjectiveTransform  # noqa: PLC0415  # heavy

    if before.corners is None or after.corners is None:
        return None
    (places, descriptors), (ends, others) = before.corners, after.corners
    pairs = match_descriptors(descriptors, others, cross_check=True)
    if len(pairs) < FEWEST:
        return None
    points = places[pairs[:, 0]], ends[pairs[:, 1]]
    found, agreeing = ransac(points, ProjectiveTransform, min_samples=4, residual_threshold=1.5, max_trials=300, rng=0)
    return None if agreeing is None or agreeing.sum() < FEWEST else np.asarray(found.params)


def _agreement(first: Floats, second: Floats) -> float:
    """Correlation of the values of two frames at the same places; 0 if there are no places, or one frame shows nothing there."""
    spread = first.std() * second.std() if first.size else 0.0
    return 0.0 if spread < SAME**2 else float(((first - first.mean()) * (second - second.mean())).mean() / spread)


def _pairs(motion: Motion | None, before: Floats, known_before: Bools, after: Floats, known_after: Bools) -> tuple[Floats, Floats]:
    """Values [N] of the known pixels that both frames show, of every other row and column; none if these are too few."""
    none = np.zeros(0, np.float32)
    if motion is None:
        return none, none
    rows, columns = (axis.ravel() for axis in np.mgrid[: before.shape[0] : 2, : before.shape[1] : 2])
    near = np.rint(places_after(motion, rows, columns)).astype(np.int64)
    inside = (near >= 0).all(axis=0) & (near[0] < after.shape[0]) & (near[1] < after.shape[1])
    rows, columns, near = rows[inside], columns[inside], near[:, inside]
    use = known_before[rows, columns] & known_after[near[0], near[1]]
    enough = use.sum() >= FEWEST_PAIRS * before.size
    return (before[rows, columns][use], after[near[0], near[1]][use]) if enough else (none, none)


def places_after(motion: Motion, rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Rows and columns [2, N] to which a motion takes pixels."""
    x, y, w = motion @ np.stack([columns, rows, np.ones_like(rows)]).astype(np.float64)
    return np.stack([y / w, x / w])
