"""The steps of filling one picture file: read picture and mask, fill the hole, write the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .. import attention_map, files
from ..arrays import Array, Bools
from ..box import boxes_as_hole
from ..errors import EngineError, EngineMissing, ImageError
from ..files.formats import check_output
from ..files.picture import PictureFile
from ..files.transparency import made_opaque, transparent_pixels
from ..inpainter import Inpainter, Inpainting
from ..inputs.doubts import doubts, looks_like_mask, looks_like_picture
from ..inputs.value_range import Range
from ..options import Options
from ..planning import PlannedHole
from ..planning.components import count_holes
from .jobs import Job


@dataclass(frozen=True)
class MaskFile:
    """The planned hole of a mask file, and what is doubtful about it."""

    hole: PlannedHole
    doubts: tuple[str, ...] = ()
    is_picture: bool = False  # whether it looks like a picture rather than a mask


@dataclass(frozen=True)
class Loaded:
    """A picture file that was read, with its mask."""

    job: Job
    picture: PictureFile
    mask: MaskFile
    options: Options
    seconds: float  # that reading took


@dataclass(frozen=True)
class Filled:
    """A filled picture in memory."""

    loaded: Loaded
    result: Inpainting
    seconds: float = 0.0  # that filling took


@dataclass(frozen=True)
class Work:
    """What was filled, and how long each step took."""

    holes: int
    pixels: int  # that were missing
    windows: tuple[int, ...]  # sides, in pixels of the picture, of the windows that filled the thick parts of the hole
    read: float  # seconds
    fill: float
    write: float


@dataclass(frozen=True)
class Outcome:
    """Result of a job; `error` is empty if the result file was written."""

    job: Job
    error: str = ""
    notes: tuple[str, ...] = ()  # what the caller should know: a doubtful mask, contents of the picture that the result does not have
    data_range: Range | None = None  # the values that the network saw as black and white
    work: Work | None = None  # None if nothing was filled here


def fill_file(job: Job, inpainter: Inpainter, options: Options, map_path: Path | None = None) -> Outcome:
    """Fill one picture file, and draw its attention map to `map_path` if that is given.

    :raises GiError: if a file cannot be read, used or written.
    """
    if map_path is not None:
        check_output(map_path)
    if job.found:
        loaded = load(job, inpainter, options, lambda _: None)
    else:
        with ThreadPoolExecutor(1, "gi-plugin engine") as executor:  # opens the engine while the picture is decoded
            mask = executor.submit(_plan_and_open, job, inpainter, options)
            loaded = load(job, inpainter, options, lambda _: mask.result())
    filled = fill(loaded, inpainter)
    outcome = store(filled)
    if map_path is not None:
        files.write_array(attention_map.draw(filled.result), map_path)
    return outcome


def read_hole(job: Job, inpainter: Inpainter, options: Options) -> MaskFile:
    """Read the mask file of a job, check it and plan its windows.

    :raises ImageError: if the file does not exist or is not a usable mask; the message names the files.
    """
    if job.mask is None:
        raise ImageError(f"{job.image}: {job.problem or f'there is no mask named {job.image.stem}.*'}")
    mask = files.read_mask(job.mask, inpainter.config.hook.max_pixels)
    with _naming_files(job):
        planned = inpainter.plan(mask, mask.shape[:2], options)
        found = doubts(mask, planned.hole, alpha=options.mask_alpha, invert=options.invert_mask)
    notes = tuple(f"{job.mask}: {doubt}" for doubt in found)
    return MaskFile(planned, notes, looks_like_picture(mask, options.mask_alpha))


def load(job: Job, inpainter: Inpainter, options: Options, mask_of: Callable[[Job], MaskFile | None]) -> Loaded:
    """Read the picture of a job and check that its hole fits.

    :param mask_of: returns the mask of a job that has one; None: the inpainter finds the mask in the picture.
    :raises GiError: if a file cannot be read or used, or the result cannot be written in the format of its suffix.
    """
    check_output(job.output)
    start = time.perf_counter()
    picture = files.read_picture(job.image, inpainter.config.hook.max_pixels)
    mask = mask_of(job)
    with _naming_files(job):
        if mask is None:
            mask, picture = _found_mask(job, picture, inpainter, options)
        mask.hole.check_fits(picture.pixels.shape[:2])
        if mask.is_picture and looks_like_mask(picture.pixels):
            raise ImageError("the mask looks like a picture, and the picture like a mask: give the picture first, then its mask")
    known = replace(options, channel_axis=-1, data_range=picture.mirrored(options.data_range))
    return Loaded(job, picture, mask, known, time.perf_counter() - start)


def _found_mask(job: Job, picture: PictureFile, inpainter: Inpainter, options: Options) -> tuple[MaskFile, PictureFile]:
    """Make the mask of a picture that has no mask file: of boxes, by the plugin that finds it, or of its transparent pixels.

    :return: the mask, and the picture: transparent pixels that were the mask are opaque in it.
    """
    mask: Bools | Array | None = (
        boxes_as_hole(job.boxes, picture.pixels.shape) if job.boxes else inpainter.find_mask(picture.pixels, options)
    )
    if mask is None:
        mask, picture = transparent_pixels(picture), made_opaque(picture)
    planned = inpainter.plan(mask, mask.shape[:2], replace(options, mask_alpha=False, invert_mask=False))
    notes = () if mask.any() else (f"{job.image}: nothing that is to be filled was found: the picture stays as it is",)
    return MaskFile(planned, notes), picture


def fill(loaded: Loaded, inpainter: Inpainter) -> Filled:
    """Fill the hole of a loaded picture; errors name the files."""
    start = time.perf_counter()
    with _naming_files(loaded.job):
        result = inpainter.run(loaded.picture.pixels, loaded.mask.hole, loaded.options)
    return Filled(loaded, result, time.perf_counter() - start)


def store(filled: Filled) -> Outcome:
    """Write the result of a job; the file is written atomically.

    :raises ImageError: if the folder is not writable, or the format cannot hold the pixels.
    """
    job, picture, start = filled.loaded.job, filled.loaded.picture, time.perf_counter()
    lost = files.write_picture(picture, filled.result.image, filled.result.hole, job.output)
    notes = [*filled.loaded.mask.doubts, *([f"{job.output}: not kept: {', '.join(lost)}"] if lost else [])]
    if bands := picture.unfilled_bands:
        notes.append(f"{job.output}: {bands} bands are neither colours nor alpha and keep their values in the hole, too")
    work = _work_of(filled, time.perf_counter() - start)
    return Outcome(job, notes=tuple(notes), data_range=picture.mirrored(filled.result.data_range), work=work)


def _work_of(filled: Filled, written: float) -> Work:
    hole = filled.result.hole
    sides = tuple(window.side for window in filled.loaded.mask.hole.windows)
    return Work(count_holes(hole), int(np.count_nonzero(hole)), sides, filled.loaded.seconds, filled.seconds, written)


def _plan_and_open(job: Job, inpainter: Inpainter, options: Options) -> MaskFile:
    """Read the mask of a job and open the engines for its windows."""
    mask = read_hole(job, inpainter, options)
    with suppress(Exception):  # an error is raised again, and reported, when the picture is filled
        inpainter.open_engines(mask.hole)
    return mask


@contextmanager
def _naming_files(job: Job) -> Iterator[None]:
    """Add the names of the files to errors about their pixels."""
    try:
        yield
    except ImageError as error:
        mask = f" with {job.mask.name}" if job.mask else ""
        raise ImageError(f"{job.image}{mask}: {error}") from error
    except EngineMissing:
        raise
    except EngineError as error:
        raise EngineError(f"{job.image}: {error}") from error
    except MemoryError as error:
        raise ImageError(f"{job.image}: too large for the memory of this machine") from error
