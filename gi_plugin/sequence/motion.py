"""The motion of the camera between two frames: none, a pan, or a homography; None after a cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

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
AGREEING = 5  # fewest blocks that must agree on a turn or a zoom


def motion_between(before: Floats, known_before: Bools, after: Floats, known_after: Bools) -> Motion | None:
    """Estimate the motion that takes pixels of `before` to their places in `after`.

    :param before: [H, W] grey in [0, 1]; `after` likewise.
    :param known_before: [H, W], True = may be used; `known_after` likewise.
    :return: None if no motion of a camera explains the change.
    """
    factor = -(-max(before.shape) // LONGEST)
    before, after = before[::factor, ::factor], after[::factor, ::factor]
    known_before, known_after = known_before[::factor, ::factor], known_after[::factor, ::factor]
    small, both = (before, known_before, after, known_after), known_before & known_after
    if not both.any():
        return None
    if np.abs(before - after)[both].mean() < SAME:
        return np.eye(3)
    with _one_thread():
        turned = _turned(_pan(*small), *small)
        found = turned if _agreement(turned, *small) >= MATCHING else _homography(*small)
    if found is None or _agreement(found, *small) < MATCHING:
        return None
    scale = np.diag([factor, factor, 1.0])
    return np.asarray(scale @ found @ np.linalg.inv(scale))


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
        if min(block[0].shape) >= 8 and min(block[1].mean(), block[3].mean()) > 0.7:
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


def _homography(before: Floats, known_before: Bools, after: Floats, known_after: Bools) -> Motion | None:
    from skimage.feature import ORB, match_descriptors  # noqa: PLC0415  # heavy
    from skimage.measure import ransac  # noqa: PLC0415  # heavy
    from skimage.transform import ProjectiveTransform  # noqa: PLC0415  # heavy

    places, descriptors = [], []
    for grey, known in ((before, known_before), (after, known_after)):
        corners: Any = ORB(n_keypoints=CORNERS)
        try:
            corners.detect_and_extract(np.where(known, grey, grey[known].mean()))
        except (RuntimeError, IndexError, ValueError):  # there is no corner
            return None
        inside = known[tuple(corners.keypoints.astype(int).T)]
        places.append(corners.keypoints[inside][:, ::-1])
        descriptors.append(corners.descriptors[inside])
    pairs = match_descriptors(descriptors[0], descriptors[1], cross_check=True)
    if len(pairs) < FEWEST:
        return None
    points = places[0][pairs[:, 0]], places[1][pairs[:, 1]]
    found, agreeing = ransac(points, ProjectiveTransform, min_samples=4, residual_threshold=1.5, max_trials=300, rng=0)
    return None if agreeing is None or agreeing.sum() < FEWEST else np.asarray(found.params)


def _agreement(motion: Motion, before: Floats, known_before: Bools, after: Floats, known_after: Bools) -> float:
    """Correlation of the known pixels that both frames show, compared at every other pixel."""
    rows, columns = (axis.ravel() for axis in np.mgrid[: before.shape[0] : 2, : before.shape[1] : 2])
    there = places_after(motion, rows, columns)
    near = np.rint(there).astype(np.int64)
    inside = (near >= 0).all(axis=0) & (near[0] < after.shape[0]) & (near[1] < after.shape[1])
    rows, columns, near = rows[inside], columns[inside], near[:, inside]
    use = known_before[rows, columns] & known_after[near[0], near[1]]
    if use.sum() < 0.2 * inside.size:
        return 0.0
    first, second = before[rows, columns][use], after[near[0], near[1]][use]
    spread = first.std() * second.std()
    return 1.0 if spread < SAME**2 else float(((first - first.mean()) * (second - second.mean())).mean() / spread)


def places_after(motion: Motion, rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Rows and columns [2, N] to which a motion takes pixels."""
    x, y, w = motion @ np.stack([columns, rows, np.ones_like(rows)]).astype(np.float64)
    return np.stack([y / w, x / w])
