"""Sequences: what other frames show is used, what is made up stays, and memory is bounded."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data, transform
from threadpoolctl import threadpool_info, threadpool_limits

import gi_plugin
from gi_plugin.arrays import Array, Bools
from gi_plugin.config import Config
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options
from gi_plugin.sequence.motion import Look, grey_of, motion_between, places_after
from gi_plugin.sequence.scene import KEPT, MADE
from gi_plugin.sequence.sequence import fill_sequence
from tests.gi_plugin.command import Cli

SHAPE, COUNT = (120, 160), 24
PHOTO = data.coffee()[40:, 60:]


class TeleaEngineless(Inpainter):
    """An inpainter that fills by OpenCV, and counts its calls: what these tests check does not depend on the fill."""

    def __init__(self) -> None:
        super().__init__(Config())
        self.calls: list[int] = []

    def run(self, image: Array, mask: Any, options: Options) -> Any:  # noqa: ARG002  # the same signature
        """Fill by Telea's method."""
        self.calls.append(int(mask.hole.sum()))
        filled = cv2.inpaint(np.ascontiguousarray(image), mask.hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)
        return type("Filled", (), {"image": filled.reshape(image.shape)})


def _frames(motion: str) -> list[Array]:
    """Frames [120, 160, 3] of a camera that stands, pans by whole or other steps, or zooms."""
    steps = {"still": (0.0, 1.0), "pan": (3.0, 1.0), "uneven pan": (1.3, 1.0), "zoom": (2.5, 1.004)}
    step, zoom = steps[motion]
    frames = []
    for number in range(COUNT):
        place = transform.AffineTransform(scale=zoom**-number, translation=(60 + step * number, 40))
        frames.append((255 * transform.warp(PHOTO, place, output_shape=SHAPE, order=3)).round().clip(0, 255).astype(np.uint8))
    return frames


def _mask(left: int) -> Bools:
    mask = np.zeros(SHAPE, bool)
    mask[50:70, left : left + 30] = True
    return mask


def _filled(frames: list[Array], masks: Any, **options: Any) -> tuple[list[Array], TeleaEngineless]:
    inpainter, each = TeleaEngineless(), [masks] * len(frames) if isinstance(masks, np.ndarray) else masks
    damaged = [np.where(mask[..., None], np.uint8(255), frame) for frame, mask in zip(frames, each, strict=True)]
    results = list(fill_sequence(damaged, masks, inpainter, Options(), **options))
    for result, frame, mask in zip(results, frames, each, strict=True):
        np.testing.assert_array_equal(result[~mask], frame[~mask])
    return results, inpainter


def _error(results: list[Array], frames: list[Array], masks: list[Bools]) -> float:
    """Mean absolute difference from the true frames in the holes."""
    return float(np.mean([np.abs(a.astype(float) - b)[mask].mean() for a, b, mask in zip(results, frames, masks, strict=True)]))


def test_a_still_scene_is_what_other_frames_show() -> None:
    """If the camera stands and the hole moves, the fill is the true scene; nothing is made up."""
    frames, masks = _frames("still"), [_mask(5 + 5 * number) for number in range(COUNT)]
    results, inpainter = _filled(frames, masks)
    assert inpainter.calls == []
    assert _error(results, frames, masks) == 0


def test_noise_does_not_hide_that_the_camera_stands() -> None:
    """With noise, the fill differs from the true scene by noise only."""
    random, masks = np.random.default_rng(0), [_mask(5 + 5 * number) for number in range(COUNT)]
    frames = [(frame + random.normal(0, 3, frame.shape)).clip(0, 255).astype(np.uint8) for frame in _frames("still")]
    assert _error(_filled(frames, masks)[0], frames, masks) < 5


@pytest.mark.parametrize(("motion", "most"), [("pan", 0.5), ("uneven pan", 3.0), ("zoom", 3.0)])
def test_a_moving_camera_reveals_the_scene(motion: str, most: float) -> None:
    """Behind a mark that stands, the fill is close to the true scene once the camera has moved on, and closer than Telea's by far."""
    frames, mask = _frames(motion), _mask(60)
    results, _ = _filled(frames, mask)
    telea = [
        cv2.inpaint(np.where(mask[..., None], 255, frame).astype(np.uint8), mask.astype(np.uint8), 3, cv2.INPAINT_TELEA) for frame in frames
    ]
    ours = _error(results[12:], frames[12:], [mask] * 12)
    assert ours < most
    assert ours < 0.5 * _error(telea[12:], frames[12:], [mask] * 12)


def test_what_is_made_up_stays() -> None:
    """If no frame shows the place, it is made up once, and every later frame has the same pixels."""
    results, inpainter = _filled(_frames("still"), _mask(60))
    assert len(inpainter.calls) == 1
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_a_cut_starts_anew() -> None:
    """Pixels of the scene before the cut are not used after it."""
    other = [np.ascontiguousarray(frame[::-1, ::-1]) ^ np.uint8(255) for frame in _frames("still")]
    first, frames = _filled(_frames("still"), _mask(60)), _frames("still") + other
    results, inpainter = _filled(frames, _mask(60))
    assert len(inpainter.calls) == 2
    np.testing.assert_array_equal(results[0], first[0][0])
    np.testing.assert_array_equal(results[COUNT], _filled(other, _mask(60))[0][0])


@pytest.mark.parametrize("level", [0, 255])
def test_an_empty_frame_between_two_scenes_is_a_cut(level: int) -> None:
    """Through black or white frames, nothing of the first scene gets into the second."""
    other = [np.ascontiguousarray(frame[::-1, ::-1]) for frame in _frames("still")]
    between = [np.full((*SHAPE, 3), level, np.uint8)] * 3
    results, _ = _filled(_frames("still") + between + other, _mask(60))
    for result, expected in zip(results[COUNT + 3 :], _filled(other, _mask(60))[0], strict=True):
        np.testing.assert_array_equal(result, expected)


def test_little_of_a_scene_is_left_after_a_dissolve() -> None:
    """When one scene dissolves into another, what was made up for the first does not stay."""
    first, other = _frames("still"), [np.ascontiguousarray(frame[::-1, ::-1]) for frame in _frames("still")]
    between = [(first[0] * (1 - share) + other[0] * share).astype(np.uint8) for share in np.linspace(0, 1, 14)[1:-1]]
    results, _ = _filled(first + between + other, _mask(60))
    alone, mask = _filled(other, _mask(60))[0][-1].astype(float), _mask(60)
    assert np.abs(results[-1] - alone)[mask].mean() < 0.3 * np.abs(results[0] - alone)[mask].mean()


def test_what_is_made_up_fades_with_the_frame() -> None:
    """In a fade to black, made-up pixels darken like the frame around them."""
    frames, mask = _frames("still"), _mask(60)
    gains = np.linspace(1, 0.1, 12)
    faded = [(frame * gain).astype(np.uint8) for frame, gain in zip(frames, gains, strict=False)]
    results, _ = _filled(frames + faded, mask)
    for result, gain in zip(results[COUNT:], gains, strict=True):
        assert np.abs(result - gain * results[0])[mask].mean() < 6  # made anew, or at most VISIBLE off


def test_a_changing_exposure_is_levelled_out() -> None:
    """Pixels from a darker frame are brightened to the frame around them."""
    masks = [_mask(5 + 5 * number) for number in range(COUNT)]
    frames = [(frame.astype(int) // 2 + 2 * number).astype(np.uint8) for number, frame in enumerate(_frames("still"))]
    assert _error(_filled(frames, masks)[0], frames, masks) < 1


@pytest.mark.parametrize("ahead", [0, 4])
def test_memory_is_bounded_and_frames_come_in_order(ahead: int) -> None:
    """A result comes as soon as `ahead` further frames were read, and a bounded number of frames is alive."""
    alive: list[weakref.ref[Array]] = []
    most, read = 0, 0

    def frames() -> Iterator[Array]:
        nonlocal read, most
        for frame in 8 * _frames("uneven pan"):
            read += 1
            copied = frame.copy()
            alive.append(weakref.ref(copied))
            most = max(most, sum(reference() is not None for reference in alive))
            yield copied

    for number, _ in enumerate(fill_sequence(frames(), _mask(60), TeleaEngineless(), Options(), ahead)):
        assert read == min(number + 1 + ahead, 8 * COUNT)
    assert number == 8 * COUNT - 1
    assert most <= ahead + KEPT + MADE + 3


@pytest.mark.parametrize("layout", ["grey", "alpha", "channels first", "float"])
def test_frames_may_have_every_layout(layout: str) -> None:
    """Results have the shape, dtype and channel order of the frames, and alpha is kept."""
    frames, masks = _frames("still"), [_mask(5 + 5 * number) for number in range(COUNT)]
    axis = 0 if layout == "channels first" else -1
    change = {
        "grey": lambda frame: frame[..., 0],
        "alpha": lambda frame: np.concatenate([frame, frame[..., :1]], axis=2),
        "channels first": lambda frame: np.moveaxis(frame, -1, 0),
        "float": lambda frame: (frame / 255).astype(np.float32),
    }[layout]
    given = [change(frame) for frame in frames]
    results = list(fill_sequence(given, masks, TeleaEngineless(), Options(channel_axis=axis)))
    for result, frame in zip(results, given, strict=True):
        assert (result.shape, result.dtype) == (frame.shape, frame.dtype)
        np.testing.assert_array_equal(result, frame)  # the scene is still: every pixel is shown by another frame


def test_the_motion_is_measured() -> None:
    """The measured motion takes the corners to within half a pixel of their true places."""
    first, *_, last = (Look.of(grey_of(frame, 0, 255), np.ones(SHAPE, bool)) for frame in _frames("zoom"))
    found = motion_between(first, last)
    assert found is not None
    rows, columns = np.array([30, 90, 60]), np.array([40, 120, 80])
    scale, shift = 1.004 ** -(COUNT - 1), 2.5 * (COUNT - 1)
    true = np.stack([rows / scale, (columns - shift) / scale])
    assert np.abs(places_after(found.motion, rows, columns) - true).max() < 0.5


def test_a_sequence_can_be_cancelled() -> None:
    """Once the event is set, the next frame raises `Cancelled`."""
    event = threading.Event()
    results = fill_sequence(_frames("still"), _mask(60), TeleaEngineless(), Options(cancel=event), ahead=0)
    for _ in range(3):
        next(results)
    event.set()
    with pytest.raises(gi_plugin.Cancelled):
        next(results)


@pytest.mark.parametrize("options", [{"cancel": threading.Event()}, {"deadline": 1e-9}], ids=["cancelled", "too late"])
def test_the_function_takes_cancel_and_deadline(options: dict[str, Any]) -> None:
    """A sequence whose event is set, or whose deadline has passed, raises `Cancelled`."""
    if "cancel" in options:
        options["cancel"].set()
    with pytest.raises(gi_plugin.Cancelled):
        list(gi_plugin.inpaint_sequence(_frames("still"), _mask(60), **options))


def test_frames_may_have_blue_first() -> None:
    """With `channel_order="bgr"`, frames as OpenCV reads them give the same fill, in their own order."""
    frames, mask = _frames("still")[:3], _mask(60)
    flipped = list(gi_plugin.inpaint_sequence([frame[..., ::-1] for frame in frames], mask, channel_order="bgr"))
    for result, expected in zip(flipped, gi_plugin.inpaint_sequence(frames, mask), strict=True):
        np.testing.assert_array_equal(result[..., ::-1], expected)


def test_mistakes_are_named() -> None:
    """Too few masks, and frames of different shapes, are errors that say so."""
    frames = _frames("still")
    with pytest.raises(gi_plugin.ImageError, match="there are only 3 masks"):
        list(fill_sequence(frames, [_mask(60)] * 3, TeleaEngineless(), Options()))
    with pytest.raises(gi_plugin.ImageError, match=r"frame 1 has shape \(60, 160, 3\)"):
        list(fill_sequence([frames[0], frames[1][:60]], [_mask(60), _mask(60)[:60]], TeleaEngineless(), Options()))


def test_the_command_line_fills_a_folder_of_frames(cli: Cli) -> None:
    """Frames in a folder are filled in the order of their names; `inpaint_sequence` gives the same."""
    Path("frames").mkdir()
    frames, mask = _frames("pan")[:6], _mask(60)
    for number, frame in enumerate(frames):
        Image.fromarray(np.where(mask[..., None], np.uint8(255), frame)).save(f"frames/{number:03}.png")
    Image.fromarray(mask).save("logo.png")
    assert cli("inpaint", "frames", "logo.png", "-o", "out", "--sequence").code == 0
    damaged = [np.asarray(Image.open(path)) for path in sorted(Path("frames").iterdir())]
    for path, expected in zip(sorted(Path("out").iterdir()), gi_plugin.inpaint_sequence(damaged, mask), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)
    wrong = cli("inpaint", "picture.png", "mask.png", "-o", "out.png", "--sequence")
    assert (wrong.code, "--sequence works on a folder" in wrong.lines[0]) == (2, True)


def test_measuring_motion_leaves_numpys_threads_as_they_were() -> None:
    """After several threads measured motions at once, and one got no result, the limit on BLAS threads is that of before."""
    known = np.ones(SHAPE, bool)
    first, *_, last = [Look.of(grey_of(frame, 0, 255), known) for frame in _frames("uneven pan")[:4]]
    opposite = Look.of(1 - last.grey, known)

    def limits() -> list[int]:
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    with threadpool_limits(limits=3, user_api="blas"):
        before = limits()
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda after: motion_between(first, after), [last, opposite] * 6))
        assert limits() == before
    assert [motion is None for motion in found] == [False, True] * 6
